"""The model card: what weights are, in one page of Markdown beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import yaml

from vsr.networks import NETWORKS, Network
from vsr.training.config import TrainingConfig
from vsr.training.records import Figures

__all__ = ["CardFacts", "write_card"]


@dataclass(frozen=True)
class CardFacts:
    """What a card says besides the configuration."""

    network: Network
    step: int
    """Steps done when the weights were written."""
    figures: Figures | None
    bicubic: Figures | None
    data: Sequence[str]
    """Names of the sets."""
    num_clips: int
    """Images and shots in them."""
    num_left_out: int
    """Too small for a patch."""
    teachers: Sequence[str]
    """Whose output was part of the target, beside the ground truth."""
    start: str
    """What it began with; "" for random weights."""
    precision: str
    workers: int
    seconds: Mapping[str, float]
    versions: Mapping[str, str]
    is_generative: bool
    """Whether something that makes detail up had a part in it."""
    measured: Mapping[str, Sequence[float]]
    """What was measured on the data before the run, as ``footage-blur.sigmas``."""
    degraded: Sequence[str]
    """Names of the sets that the degradation was learnt from, if it was."""


def _data(config: TrainingConfig, facts: CardFacts) -> str:
    sizes = ", ".join(f"{size:g}" for size in config.sizes)
    (least, most), teachers = config.contrast, " and ".join(f"`{name}`" for name in facts.teachers)
    return (
        f"{', '.join(facts.data)}: {facts.num_clips:,} images and shots"
        + (f", counted at each of the sizes {sizes} that a patch fits in" if len(config.sizes) > 1 else "")
        + (f", {facts.num_left_out} more left out, too small for a patch." if facts.num_left_out else ".")
        + (f" Contrast of patches changed by {least:g} to {most:g}." if (least, most) != (1, 1) else "")
        + (f" {config.teacher_share:.0%} of the ground truth replaced by what {teachers} made." if teachers else "")
    )


def write_card(config: TrainingConfig, facts: CardFacts, weights_name: str) -> str:
    """Markdown."""
    title = NETWORKS[config.network].title
    parts = [
        f"# {weights_name}",
        "",
        f"Weights of `{config.network}` ({title}), ×{config.scale}, {facts.network.num_parameters:,} numbers, for "
        f"{'luma (BT.601)' if facts.network.colour == 'Y' else 'RGB'}. SHA-256 of them: `{facts.network.digest}`.",
        "",
        "```sh",
        f"vsr upscale in.mp4 -o out.mp4 --scale {config.scale} --method {weights_name}",
        "```",
        "",
        "## Data",
        "",
        _data(config, facts),
        "",
        "## Degradation",
        "",
        "```yaml",
        yaml.safe_dump(list(config.degradations), sort_keys=False, default_flow_style=None).strip(),
        "```",
        *[
            f"\nMeasured: {name} {', '.join(f'{value:g}' for value in values)}."
            for name, values in facts.measured.items()
        ],
        *([f"\nLearnt from {', '.join(facts.degraded)}, without pairs."] if facts.degraded else []),
        "",
        "## Training",
        "",
        f"{facts.step:,} of {config.steps:,} steps of {config.batch} patches of {config.patch_px}×{config.patch_px} "
        f"(small side), loss `{config.loss}`, "
        f"{config.optimiser.capitalize()} at {config.learning_rate:g}, {config.schedule}, arithmetic in "
        f"{facts.precision}, {facts.workers} worker{'s' if facts.workers > 1 else ''}. Began with "
        f"{facts.start or 'random weights'}. {sum(facts.seconds.values()):,.0f} s in all.",
        "",
        *_figures(facts),
        "## Limits",
        "",
        *_limits(config, facts.is_generative),
        "",
        "## Versions",
        "",
        ", ".join(f"{name} {version}" for name, version in facts.versions.items()),
        "",
    ]
    return "\n".join(parts)


def _figures(facts: CardFacts) -> list[str]:
    if facts.figures is None or facts.bicubic is None:
        return ["## Figures", "", "None were taken.", ""]
    rows = []
    for name, (psnr, ssim) in facts.figures.images.items():
        plain = facts.bicubic.images[name]
        rows.append(f"| {name} | {psnr:.2f} / {ssim:.4f} | {plain[0]:.2f} / {plain[1]:.4f} |")
    means = (facts.figures, facts.bicubic)
    mean = " | ".join(f"**{one.psnr_y:.2f} / {one.ssim_y:.4f}**" for one in means)
    return [
        "## Figures",
        "",
        "PSNR (dB) and SSIM of Y, border of the scale left out, on images degraded as in training:",
        "",
        "| image | these weights | bicubic |",
        "|---|---|---|",
        *rows,
        f"| **mean** | {mean} |",
        "",
    ]


def _limits(config: TrainingConfig, is_generative: bool) -> list[str]:
    names = [item if isinstance(item, str) else next(iter(item)) for item in config.degradations]
    lines = []
    if names == ["bicubic"]:
        lines.append(
            "- Made for clean sources: it has seen no noise, no compression and no other blur than bicubic's, and "
            "makes such faults sharper."
        )
    else:
        lines.append(
            "- Made for sources as under *Degradation*; clean ones come out smoother than from weights for those."
        )
    if is_generative:
        lines.append("- Generative: it invents detail. Not for evidence.")
    else:
        lines.append("- Looks at each frame by itself; fine detail that is gone from a frame does not come back.")
    lines.append("- Single images decide the figures; other footage may fare better or worse.")
    return lines

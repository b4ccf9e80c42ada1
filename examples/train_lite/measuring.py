"""Figures on items that training has not seen, by kind of source, and the model card that shows them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import yaml
from estimator import true_sources
from sources import Item
from torch import Tensor
from torch.func import functional_call

from vsr.metrics import psnr, ssim
from vsr.networks import Network, with_weights_for
from vsr.networks.mixture import Mixture
from vsr.networks.source import estimates_of
from vsr.observation import resample

__all__ = ["THESE", "CardFacts", "Figures", "measure", "table", "write_card"]

BORDER_PX = 6
THESE, WITH_SOURCE, LANCZOS = "these weights", "with the true source", "lanczos"

Figure = tuple[float, float]
"""PSNR and SSIM of luma."""
Figures = dict[str, tuple[int, dict[str, Figure]]]
"""By kind of source: number of items, and means by what made the images; ``""``: of all."""


def measure(mixture: Mixture, others: Mapping[str, Network], items: Sequence[Item]) -> Figures:
    """Of the mixture (by the source as it estimates it, and by the true one), of other weights by name, of Lanczos.

    ``others`` are one or more, of the mixture's architecture; mixtures among them estimate, too.
    """
    by_kind: dict[str, list[dict[str, Figure]]] = defaultdict(list)
    architecture = next(iter(others.values()))
    networks = {THESE: replace(architecture, mixture=mixture), **others}
    with torch.no_grad():
        for item, true_source in zip(items, true_sources(items), strict=True):
            small, hr = (torch.from_numpy(plane).float() for plane in (item.small, item.hr))
            given, scale = small[None, None] / 255, len(hr) / len(small)
            made = {name: _suited(one, item.found)(given) for name, one in networks.items()}
            weights = mixture.weights(mixture.shares(true_source))
            made[WITH_SOURCE] = functional_call(architecture.module, weights, (given,))
            images = {name: 255 * made[name][0, 0] for name in (THESE, WITH_SOURCE, *others)}
            images[LANCZOS] = resample(small, (hr.shape[0], hr.shape[1]), kernel="lanczos", scale_yx=(scale, scale))
            found = {name: _figure(image, hr) for name, image in images.items()}
            for kind in (item.history.kind, ""):
                by_kind[kind].append(found)
    return {
        kind: (len(rows), _means(rows)) for kind, rows in sorted(by_kind.items(), key=lambda one: (not one[0], one))
    }


def _suited(network: Network, found: Tensor) -> Network:
    """With the weights that suit a shot of these statistics, where there is a choice."""
    if network.mixture is None:
        return network
    return with_weights_for(network, estimates_of(found, network.mixture.source))


def _figure(made: Tensor, hr: Tensor) -> Figure:
    shown = made.round().clamp(0, 255)
    return psnr(shown, hr, crop=BORDER_PX), ssim(shown, hr, crop=BORDER_PX)


def _means(rows: Sequence[Mapping[str, Figure]]) -> dict[str, Figure]:
    means = {name: np.mean([row[name] for row in rows], axis=0) for name in rows[0]}
    return {name: (float(decibels), float(similarity)) for name, (decibels, similarity) in means.items()}


def table(figures: Figures) -> str:
    """In Markdown; PSNR (dB) and SSIM of luma."""
    names = list(figures[""][1])
    lines = [f"| source | items | {' | '.join(names)} |", "|---" * (2 + len(names)) + "|"]
    for kind, (count, means) in figures.items():
        mark = "" if kind else "**"
        cells = [kind or "mean", f"{count:,}", *(f"{means[name][0]:.2f} / {means[name][1]:.4f}" for name in names)]
        lines.append("".join(f"| {mark}{cell}{mark} " for cell in cells) + "|")
    return "\n".join(lines)


@dataclass(frozen=True)
class CardFacts:
    """What a card says besides the figures."""

    file_name: str
    digest: str
    num_parameters: int
    """Of one set."""
    recipe: Mapping[str, Any]
    """As the metadata ``vsr.training`` hold it."""
    command: str
    estimate_errors: Sequence[float]
    """Mean absolute errors of the three estimates."""
    versions: Mapping[str, str]


CARD = """\
# {file_name}

Weights of `lite` (vsr, 2026: twelve convolutions of 32 and their fusion), ×{scale}, for luma (BT.601): a mixture of \
{sets} sets of {num_parameters:,} numbers, mixed once a shot by what its images tell of blur, noise and compression. \
SHA-256 of all: `{digest}`.

```sh
vsr upscale in.mp4 -o out.mp4 --scale {scale} --method {file_name}
```

## Data

{data}: {items:,} shots of 5 frames and at most 96×96 small pixels, {clean_items:,} of them clean; one frame of each \
is learnt from. Held back for the figures: {held_back}.

## Degradation

```yaml
{degradations}
```

## Training

Ahead of all three perceptrons learnt to tell sources from shots: mean errors on held-back items are {blur:.2f} px \
of blur, {noise:.2f} of log(1 + noise) and {error:.2f} of log(0.3 + compression), in codes of 255. Then the gate \
learnt kinds of true sources, one for each set: {kinds}. Then {steps_done:,} steps of 6 patches of {patch}×{patch} \
(small side), each by the mixture that suits its own source, as estimated or (20 %) true, either a little displaced; \
loss log(squared error); Muon for the matrices of the body and Adam for the rest at {rate:g}, cosine; averaged \
weights. Began with {start}; seed {seed}. {seconds:,.0f} s in all, {training_seconds:,.0f} of them steps.

How to make it again:

```sh
{command}
```

## Figures

PSNR (dB) and SSIM of luma, border of {border} left out, on {held_items:,} held-back items, degraded as in training. \
The weights are mixed by the source as it is estimated, which is how vsr runs them; beside that by the true one:

{table}

## Limits

- Made for sources as under *Degradation*; what else has befallen an image may be taken for detail.
- What it tells of a source are estimates, by which sets are mixed; no measurements.
- Looks at each frame by itself; fine detail that is gone from a frame does not come back.
- A learned prior: what it adds is likely, not recorded. No evidence; the preset `surveillance` is for that.
- Single images decide the figures; other footage may fare better or worse.

## Versions

{versions}
"""


def write_card(facts: CardFacts, figures: Figures) -> str:
    """Markdown, in the manner of the cards that `vsr train` writes."""
    recipe = facts.recipe
    blur, noise, error = facts.estimate_errors
    return CARD.format(
        file_name=facts.file_name,
        digest=facts.digest,
        num_parameters=facts.num_parameters,
        scale=recipe["scale"],
        sets=recipe["sets"],
        data=", ".join(recipe["data"]),
        items=recipe["items"] + recipe["clean_items"],
        clean_items=recipe["clean_items"],
        held_back=", ".join(recipe["held_back"]),
        degradations=yaml.safe_dump(
            recipe["degradations"], sort_keys=False, default_flow_style=None, width=116
        ).strip(),
        steps_done=recipe["step"],
        patch=recipe["patch_px"],
        rate=recipe["learning_rate"],
        kinds="; ".join(recipe["kinds"]),
        start=("all sets of " if recipe["goes_on"] else "") + ", ".join(f"`{name}`" for name in recipe["starts"]),
        seed=recipe["seed"],
        seconds=recipe["seconds"],
        training_seconds=recipe["training_seconds"],
        blur=blur,
        noise=noise,
        error=error,
        command=facts.command,
        border=BORDER_PX,
        held_items=figures[""][0],
        table=table(figures),
        versions=", ".join(f"{name} {version}" for name, version in facts.versions.items()),
    )

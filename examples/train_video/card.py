"""The model card of weights that `train.py` leaves: data, degradation, training, figures and limits."""

from __future__ import annotations

import argparse
import shlex

import yaml
from sequences import NUM_FRAMES, SIDE_PX
from shots import DEGRADATIONS

from vsr.errors import MachineError
from vsr.networks.blending import without_folders
from vsr.training.setup import versions

__all__ = ["Figures", "table", "write_card"]

Figures = dict[str, tuple[int, float, float, float]]
"""By kind of source, and ``all``: sequences, dB of `lite`, and what is gained in the first frame and in the others."""

_CARD = """\
# {file_name}

Weights of `video` (vsr, 2026), ×{scale}, for luma (BT.601): `{base}`, left as it is, and {parameters:,} parameters, \
all sets of weights together, that add what earlier frames show. SHA-256 of all: `{digest}`.

```sh
vsr upscale in.mp4 -o out.mp4 --scale {scale} --method {file_name}
```

## Data

{data}: {sequences:,} sequences of {frames} frames and at most {side}×{side} small pixels. Held back for the figures: \
{held}.

## Degradation

```yaml
{degradations}
```

## Training

{step:,} steps of {batch} patches of {patch}×{patch} (small side) over {through} frames, in {precision}; loss \
log(squared error) of every frame; Muon for the matrices and Adam for the rest at {rate:g}, cosine; averaged weights. \
Began as {init}. Seed {seed}.

```sh
{command}
```

## Figures

PSNR of Y (dB) on {held_sequences} held-back sequences, degraded as in training:

{table}

## Limits

- Where motion is not found, or the shot has just begun, it is `{base}`, exactly.
- A learned prior: what it adds is likely, not recorded. No evidence; the preset `surveillance` is for that.
- Few sequences decide the figures; other footage may fare better or worse.

## Versions

{versions}
"""


def table(figures: Figures, base: str) -> str:
    """In Markdown."""
    lines = [f"| source | sequences | `{base}` | gain, first frame | gain, later frames |", "|---|---|---|---|---|"]
    for kind, (count, alone, first, later) in figures.items():
        lines.append(f"| {kind} | {count} | {alone:.2f} | {first:+.2f} | {later:+.2f} |")
    return "\n".join(lines)


def write_card(
    given: argparse.Namespace, base: str, digest: str, step: int, figures: Figures, *, num_parameters: int
) -> None:
    """Write the card beside the weights; raises `MachineError` where it cannot be written."""
    card = _CARD.format(
        file_name=given.out.name,
        scale=given.scale,
        base=base,
        parameters=num_parameters,
        digest=digest,
        data=", ".join(folder.resolve().name for folder in [*given.images, *given.clips]),
        sequences=given.sequences,
        frames=NUM_FRAMES,
        side=SIDE_PX,
        held=", ".join(given.hold_back),
        degradations=yaml.safe_dump(DEGRADATIONS, sort_keys=False, default_flow_style=None, width=116).strip(),
        step=step,
        batch=given.batch,
        patch=given.patch,
        through=given.frames,
        precision="bfloat16" if given.bfloat16 else "float32",
        rate=given.rate,
        init=f"`{base}`" if given.init is None else f"the weights `{without_folders(given.init)}`",
        seed=given.seed,
        command=_command(given),
        held_sequences=given.held_sequences,
        table=table(figures, base),
        versions=", ".join(f"{library} {version}" for library, version in versions().items()),
    )
    path = given.out.with_suffix(".md")
    try:
        path.write_text(card, encoding="utf-8")
    except OSError as error:
        raise MachineError(f"{path}: cannot be written ({error.strerror or error})") from error


def _command(given: argparse.Namespace) -> str:
    """As somebody else would give it: names of folders and files, no paths."""
    words: list[object] = ["--scale", given.scale]
    for option, paths in (("--images", given.images), ("--clips", given.clips)):
        words += [option, *(path.resolve().name for path in paths)] if paths else []
    words += ["--hold-back", *given.hold_back, "--base", without_folders(given.base), "--out", given.out.name]
    words += [] if given.init is None else ["--init", without_folders(given.init)]
    words += ["--sequences", given.sequences, "--held-sequences", given.held_sequences]
    words += ["--minutes", f"{given.minutes:g}"] if given.steps is None else ["--steps", given.steps]
    for option in ("patch", "batch", "frames", "rate", "seed", "threads"):
        words += [f"--{option}", getattr(given, option)]
    words += [] if given.width is None else ["--width", given.width]
    words += ["--bfloat16"] if given.bfloat16 else []
    return shlex.join(["python", "examples/train_video/train.py", *map(str, words)])

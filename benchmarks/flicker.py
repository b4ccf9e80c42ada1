"""How much results flicker, on cells of `footage.py`. Prints Markdown.

    python benchmarks/flicker.py [--data FOLDER] [--scale 2] [--cells 20] [--frames 8] [--crop 288 192]
        [--methods lanczos lite video]

Warping error (after Lai et al., ECCV 2018): each frame of a result less the one before, moved by the motion of the
ground truth, where that motion is sure; root mean square in codes of 255, mean over cells of the part ``test``. That of
the ground truth is what motion cannot explain, and bounds it for a faithful result; blur alone lowers it. So temporal
PSNR, of changes against the true changes, stands beside it.
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
from pathlib import Path

import torch
from footage.cells import SCALES, all_cells, choose
from footage.recording import TREATMENTS, record
from footage.scores import CROP_PX, parse_method, restored
from footage.sources import find_sources
from torch import Tensor

from vsr.metrics import temporal_psnr
from vsr.registration import PreviousFrame, pixel_positions, register_previous, sample_bicubic

DATA = Path(os.environ.get("VSR_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
SURE = 0.5  # confidence from which a motion counts


def motions_of(frames: Tensor) -> list[PreviousFrame]:
    """From each of ``(T, H, W)`` in codes but the first to the one before."""
    found = [register_previous(before / 255, after / 255) for before, after in itertools.pairwise(frames)]
    assert all(found), "cells are large enough to be registered"
    return [motion for motion in found if motion is not None]


def warping_error(frames: Tensor, motions: list[PreviousFrame]) -> float:
    """Root mean square of what changes along ``motions``, in the codes of ``frames`` ``(T, H, W)``."""
    squares, count = 0.0, 0
    inner = (slice(CROP_PX, -CROP_PX), slice(CROP_PX, -CROP_PX))
    for (before, after), motion in zip(itertools.pairwise(frames), motions, strict=True):
        moved = sample_bicubic(before[None], *pixel_positions(motion.flow))[0]
        is_sure = motion.confidence[inner] > SURE
        squares += float((after - moved)[inner][is_sure].square().sum())
        count += int(is_sure.sum())
    return (squares / count) ** 0.5


def main() -> None:
    """Measure cell by cell, and print the means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--scale", type=int, choices=SCALES, default=2)
    parser.add_argument("--cells", type=int, default=20)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--crop", type=int, nargs=2, default=(288, 192), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--methods", nargs="+", default=["bicubic", "lanczos", "lite", "video"])
    given = parser.parse_args()
    torch.set_num_threads(1)
    methods = [parse_method(text) for text in given.methods]
    sources = [source for source in find_sources(given.data) if source.part == "test"]
    found: dict[str, list[tuple[float, float]]] = {label: [] for label in ("ground truth", *given.methods)}
    for cell in choose(all_cells(sources, list(TREATMENTS), [given.scale]), given.cells):
        stored = cell.source.frames(given.frames, tuple(given.crop))
        small, hr = record(stored, cell.shrinking, cell.treatment, cell.scale, cell.seed), torch.from_numpy(stored)
        motions = motions_of(hr.float())
        found["ground truth"].append((math.inf, warping_error(hr.float(), motions)))
        for method in methods:
            made = restored(method, small, cell.scale)[0].round().clamp(0, 255)
            changes = temporal_psnr(made[:-1], made[1:], hr[:-1], hr[1:], crop=CROP_PX)
            found[method.label].append((changes, warping_error(made, motions)))
    print(f"| ×{given.scale}, {given.cells} cells | temporal PSNR, dB | warping error, codes |\n|---|---|---|")
    for label, rows in found.items():
        changes, error = (sum(row[place] for row in rows) / len(rows) for place in (0, 1))
        print(f"| {label} | {changes:.2f} | {error:.2f} |")


if __name__ == "__main__":
    main()

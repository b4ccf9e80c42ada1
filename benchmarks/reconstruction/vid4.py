"""Vid4 at ×4 through `multiframe`, or another method: PSNR and SSIM of every frame. Prints Markdown.

    python benchmarks/reconstruction/vid4.py FOLDER [--method NAME] [--degradation BD|BI|both] [--clips walk,foliage]
        [--frames N] [--assume NAME] [--threads N] [--each] [--set KEY=VALUE ...]

FOLDER holds ``NAME_GT.mkv`` and ``NAME_BIx4.mkv`` for each clip, lossless RGB. BI is given (MATLAB's antialiased
bicubic); BD is made here from the HR frames: Gaussian of sigma 1.6, every fourth sample from the first, 8 bits. Scores
are of BT.601 luma, 8 pixels cut off at each side, mean over all frames.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from torch import Tensor

from vsr.frames import ColorSpec, PixelLayout, VideoFrame
from vsr.methods import Geometry, find_method, restore_shot
from vsr.methods.interpolation import sampling_offset
from vsr.metrics import luma_bt601, psnr, ssim
from vsr.observation import resample, simulate
from vsr.pipeline.settings import method_options, parse_assignment

SCALE, CROP = 4, 8
LUMA = PixelLayout("gray", "gray", 32, is_float=True)
BLACK, WHITE = 16 / 255, 235 / 255


@dataclass(frozen=True)
class Clip:
    """HR and LR frames, BT.601 luma in 0…1 (black 16/255)."""

    hr: list[Tensor]
    low: list[Tensor]


def luma601(rgb: Tensor) -> Tensor:
    """Luma of ``(3, H, W)`` 0…255, as float32 in 0…1."""
    return (luma_bt601(rgb) / 255).float()


def read(path: Path, most: int | None) -> list[Tensor]:
    """The clip's frames, ``(3, H, W)`` uint8."""
    with av.open(str(path)) as container:
        frames = []
        for frame in container.decode(video=0):
            if most is not None and len(frames) == most:
                break
            frames.append(torch.from_numpy(np.ascontiguousarray(frame.to_ndarray(format="rgb24"))).permute(2, 0, 1))
        return frames


def load(folder: Path, name: str, degradation: str, most: int | None) -> Clip:
    """One clip under one degradation."""
    hr = read(folder / f"{name}_GT.mkv", most)
    if degradation == "BI":
        low = read(folder / f"{name}_BIx4.mkv", most)
    else:
        low = [simulate(image.double(), "BD", SCALE).round().clamp(0, 255) for image in hr]
    return Clip([luma601(image) for image in hr], [luma601(image) for image in low])


def frames_of(clip: Clip) -> Iterator[VideoFrame]:
    """The input as the restorer takes it."""
    for number, luma in enumerate(clip.low):
        yield VideoFrame((luma,), LUMA, ColorSpec(), number, number, Fraction(1, 25))


def score(clip: Clip, restored: list[Tensor]) -> tuple[float, float, list[float]]:
    """Mean PSNR and SSIM, and the PSNR of every frame."""
    pairs = [(made.clamp(BLACK, WHITE), hr) for made, hr in zip(restored, clip.hr, strict=True)]
    each = [psnr(made, hr, peak=1.0, crop=CROP) for made, hr in pairs]
    similarity = [ssim(made, hr, peak=1.0, crop=CROP) for made, hr in pairs]
    return sum(each) / len(each), sum(similarity) / len(similarity), each


def bicubic(clip: Clip, degradation: str) -> list[Tensor]:
    """Bicubic interpolation, aligned to where the degradation takes its samples."""
    offset = sampling_offset(-(SCALE - 1) / (2 * SCALE) if degradation == "BD" else 0.0, SCALE)
    size = (int(clip.hr[0].shape[0]), int(clip.hr[0].shape[1]))
    return [resample(low, size, kernel="bicubic", offset_yx=(offset, offset)) for low in clip.low]


def main() -> None:
    """Run the clips and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--method", default="multiframe")
    parser.add_argument("--degradation", default="both")
    parser.add_argument("--clips", default="calendar,foliage,walk")
    parser.add_argument("--frames", type=int)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--each", action="store_true", help="PSNR of every frame")
    parser.add_argument("--assume", help="degradation that the method assumes, by default the true one")
    parser.add_argument("--set", action="append", default=[], dest="assignments")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    settings = dict(parse_assignment(text) for text in given.assignments)
    print("| clip | degradation | bicubic | vsr | gain | s/frame |\n|---|---|---|---|---|---|")
    for degradation in ("BD", "BI") if given.degradation == "both" else (given.degradation,):
        rows = []
        for name in given.clips.split(","):
            clip = load(given.folder, name, degradation, given.frames)
            options: dict[str, Any] = {"degradation": given.assume or degradation, **settings}
            height, width = clip.low[0].shape
            geometry = Geometry(width, height, width * SCALE, height * SCALE)
            method = find_method(given.method)
            prepared = method.prepare(geometry, method_options(given.method, options), "cpu")
            began = time.perf_counter()
            restored = [frame.planes[0] for frame in restore_shot(prepared, geometry, frames_of(clip))]
            seconds = (time.perf_counter() - began) / len(restored)
            plain, _, _ = score(clip, bicubic(clip, degradation))
            sharp, similarity, each = score(clip, restored)
            rows.append((plain, sharp))
            print(
                f"| {name} | {degradation} | {plain:.2f} | {sharp:.2f} / {similarity:.3f} | {sharp - plain:+.2f} "
                f"| {seconds:.2f} |",
                flush=True,
            )
            if given.each:
                print(" ".join(f"{value:.2f}" for value in each))
        plain, sharp = (sum(column) / len(rows) for column in zip(*rows, strict=True))
        print(f"| mean | {degradation} | {plain:.2f} | {sharp:.2f} | {sharp - plain:+.2f} | |", flush=True)


if __name__ == "__main__":
    main()

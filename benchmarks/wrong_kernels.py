#!/usr/bin/env python3
"""Print what methods make of blur that networks trained on bicubic shrinking do not expect, of images and of clips.

    python benchmarks/wrong_kernels.py IMAGE|VIDEO... [--frames 6] [--steps 250] [--side 256] [--noise 0]

Middles of images, or of the first frames of videos, are blurred by a Gaussian of 2 pixels or by one of 3 and 1.2 pixels
at 35°, every second sample is kept, and rounded to 8 bits. Rows: PSNR of Y; of clips also that of changes from frame to
frame (temporal PSNR), which flicker lowers.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from unpaired import CPU, SUFFIXES, lite_for_clean

from vsr.evaluation.base import ClipMethod
from vsr.evaluation.networks import network_method
from vsr.evaluation.protocol import compared, hr_from
from vsr.evaluation.restoration import restoration_method
from vsr.media.clips import read_rgb, rgb_frame
from vsr.media.image_files import read_image
from vsr.metrics import luma_bt601, psnr, temporal_psnr
from vsr.observation.block_kernels import degrade, gaussian_kernel

SCALE = 2
KERNELS = {"round": gaussian_kernel(SCALE, 2.0), "oblique": gaussian_kernel(SCALE, 3.0, 1.2, 35.0)}
"""The Gaussians of 2 pixels, and of 3 and 1.2 pixels at 35°."""


def frames_of(path: Path, count: int, side: int) -> Tensor:
    """``(T, 3, H, W)`` in 0…255: the middle."""
    rgb = [read_image(path)] if path.suffix.lower() in SUFFIXES else list(islice(read_rgb(path), count))
    frames = torch.stack([hr_from(np.ascontiguousarray(one), SCALE).float() for one in rgb])
    height, width = (min(side, size) // 4 * 4 for size in frames.shape[2:])
    top, left = ((size - kept) // 2 for size, kept in zip(frames.shape[2:], (height, width), strict=True))
    return frames[:, :, top : top + height, left : left + width]


def recorded(frames: Tensor, kernel: Tensor, noise: float) -> Tensor:
    """``(T, 3, h, w)`` in 0…255, whole numbers."""
    small = torch.stack([degrade(frame[:, None], kernel, SCALE)[:, 0] for frame in frames])
    generator = torch.Generator().manual_seed(1)
    return (small + noise * torch.randn(small.shape, generator=generator)).round().clamp(0, 255)


def rows(
    steps: int, estimators: Sequence[str], kernel_file: Path, *, is_clip: bool
) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """Label → method and settings."""
    zssr = {f"zssr, kernel={name}": ("zssr", {"training_steps": steps, "kernel": name}) for name in estimators}
    given = {"training_steps": steps, "kernel": str(kernel_file)}
    estimated = {"compression_codes": None}
    return {
        "bicubic": ("bicubic", {}),
        "lite": ("lite", estimated),
        "selfex": ("selfex", {}),
        "zssr, kernel given": ("zssr", given),
        **({"zssr, kernel given, first frame alone": ("zssr", {**given, "training_frames": 1})} if is_clip else {}),
        **zssr,
    }


def restored(method: ClipMethod, small: Tensor) -> Iterator[Tensor]:
    """``(3, H, W)`` in 0…255 for each frame."""
    given = (
        rgb_frame(frame.byte().permute(1, 2, 0).numpy(), number, Fraction(25)) for number, frame in enumerate(small)
    )
    for frame in method.restore(given):
        yield torch.stack([plane.cpu() for plane in frame.planes]).double()


def figures(made: Sequence[Tensor], frames: Tensor) -> tuple[float, float | None]:
    """PSNR of Y, and temporal PSNR where there are several frames."""
    pairs = [compared(one, true.double()) for one, true in zip(made, frames, strict=True)]
    scores = [psnr(*pair, crop=SCALE) for pair in pairs]
    changes = [temporal_psnr(a[0], b[0], a[1], b[1], crop=SCALE) for a, b in pairwise(pairs)]
    return sum(scores) / len(scores), sum(changes) / len(changes) if changes else None


def by_clean_lite(small: Tensor) -> list[Tensor]:
    """Luma of frames by the weights that know bicubic shrinking alone."""
    method = network_method("clean", lite_for_clean(SCALE), CPU, {})
    return [method.enlarge(luma_bt601(frame.double())[None]) for frame in small]


def main() -> None:
    """Print a table for each input and kernel."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("inputs", type=Path, nargs="+", metavar="IMAGE|VIDEO")
    parser.add_argument("--frames", type=int, default=6, help="of a video")
    parser.add_argument("--side", type=int, default=256, help="of the middle, output pixels")
    parser.add_argument("--steps", type=int, default=250, help="of training zssr")
    parser.add_argument("--noise", type=float, default=0.0, help="of what was recorded, in codes of 255")
    parser.add_argument("--estimators", nargs="*", default=["auto", "psf", "directions"])
    parser.add_argument("--kernels", nargs="*", default=list(KERNELS), choices=list(KERNELS))
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        for path in options.inputs:
            frames = frames_of(path, options.frames, options.side)
            for words in options.kernels:
                kernel = KERNELS[words]
                kernel_file = Path(folder) / "kernel.txt"
                np.savetxt(kernel_file, kernel.numpy())
                small = recorded(frames, kernel, options.noise)
                print(f"\n{path.stem}, {words}, {len(frames)} frames\n\n| | PSNR of Y | temporal PSNR |\n|---|---|---|")
                chosen = rows(options.steps, options.estimators, kernel_file, is_clip=len(frames) > 1)
                report("lite for clean sources", by_clean_lite(small), frames)
                for label, (name, settings) in chosen.items():
                    method = restoration_method(name, SCALE, CPU, settings)
                    report(label, list(restored(method, small)), frames)


def report(label: str, made: Sequence[Tensor], frames: Tensor) -> None:
    """A row."""
    psnr, change = figures(made, frames)
    print(f"| {label} | {psnr:.2f} | {'' if change is None else f'{change:.2f}'} |", flush=True)


if __name__ == "__main__":
    main()

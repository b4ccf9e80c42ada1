#!/usr/bin/env python3
"""A small set without pairs, and what weights make of degraded images that nobody learnt from.

    python benchmarks/unpaired.py make OUT --clean BSDS200 --like BSDS500_test --held-back Set14
    vsr train fssr-x2 --data OUT/clean --set degraded=OUT/degraded --out runs/fssr
    python benchmarks/unpaired.py measure OUT lite runs/fssr/fssr-x2.safetensors

``make`` writes ``clean/`` (images as they are), ``degraded/`` (other images, of half the size) and ``held-back/``:
`NAME.png` and `NAME-small.png`. The degradation is an oblique Gaussian (standard deviations of 1.8 and 1.0 pixels at
30°), every second sample, noise of 4 codes of 255, JPEG of quality 85; the noise is from a seed. ``measure`` prints
PSNR of Y, with the border of the scale left out.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from vsr.evaluation.base import ImageMethod
from vsr.evaluation.interpolation import interpolation_method
from vsr.evaluation.networks import network_method
from vsr.evaluation.protocol import hr_from, scored
from vsr.media.image_files import read_image
from vsr.metrics import luma_bt601
from vsr.networks import Network, load_network
from vsr.observation.block_kernels import degrade, gaussian_kernel
from vsr.training.degradations.compression import Jpeg
from vsr.training.forms import runnable

SCALE, SIGMAS_PX, ANGLE_DEG, NOISE_CODES, JPEG_QUALITY = 2, (1.8, 1.0), 30.0, 4.0, 85
CPU = torch.device("cpu")
SUFFIXES = (".bmp", ".jpg", ".png", ".webp")


def degraded(large: Tensor, seed: int) -> Tensor:
    """``(3, H, W)`` in 0…255 → ``(3, H / 2, W / 2)``, whole numbers."""
    kernel = gaussian_kernel(SCALE, *SIGMAS_PX, ANGLE_DEG)
    small = degrade(large[:, None], kernel, SCALE)[:, 0]
    generator = torch.Generator().manual_seed(seed)
    noisy = small + NOISE_CODES * torch.randn(small.shape, generator=generator)
    return Jpeg((JPEG_QUALITY, JPEG_QUALITY))(noisy[None].round().clamp(0, 255), generator)[0]


def read(path: Path) -> Tensor:
    """``(3, H, W)`` in 0…255 with even sides."""
    return hr_from(read_image(path), SCALE).float().expand(3, -1, -1).contiguous()


def write(path: Path, image: Tensor) -> None:
    """As PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rgb = image.round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
    if not cv2.imwrite(str(path), np.ascontiguousarray(rgb[:, :, ::-1])):
        raise SystemExit(f"{path}: cannot be written")


def images(folder: Path, count: int | None = None) -> list[Path]:
    """The first ones by name."""
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not found:
        raise SystemExit(f"{folder}: no images")
    return found[:count]


def make(out: Path, clean: Path, like: Path, held_back: Path, count: int) -> None:
    """Write the set."""
    for path in images(clean, count):
        write(out / "clean" / f"{path.stem}.png", read(path))
    for number, path in enumerate(images(like, count)):
        write(out / "degraded" / f"{path.stem}.png", degraded(read(path), number))
    for number, path in enumerate(images(held_back)):
        large = read(path)
        write(out / "held-back" / f"{path.stem}.png", large)
        write(out / "held-back" / f"{path.stem}-small.png", degraded(large, 10_000 + number))


def lite_for_clean(scale: int) -> Network:
    """The set of weights in `lite` that is for clean sources, shrunk by bicubic interpolation, and none else."""
    mixture = load_network("lite", scale).mixture
    assert mixture is not None
    return runnable("lite", scale, mixture.weights(torch.eye(len(mixture.usual))[0]))


def methods(weights: Sequence[str]) -> list[ImageMethod]:
    """Bicubic interpolation, `lite` for clean sources, and whatever was named; mixtures by their own estimates."""
    found = [
        interpolation_method("bicubic", SCALE, CPU),
        network_method("lite for clean sources", lite_for_clean(SCALE), CPU, {}),
    ]
    estimated = {"compression_codes": None}
    return found + [network_method(one, load_network(one, SCALE), CPU, estimated) for one in weights]


def measure(out: Path, weights: Sequence[str]) -> None:
    """Print the table."""
    compared = methods(weights)
    scores: list[list[float]] = [[] for _ in compared]
    for path in images(out / "held-back"):
        if path.stem.endswith("-small"):
            continue
        small = hr_from(read_image(path.with_name(f"{path.stem}-small.png")), 1).double()
        given = luma_bt601(small)[None]
        large = hr_from(read_image(path), SCALE)
        for kept, method in zip(scores, compared, strict=True):
            kept.append(scored(method.enlarge(given), large, given, SCALE)[0])
    print("| | PSNR of Y, dB | over lite for clean sources |\n|---|---|---|")
    means = [sum(kept) / len(kept) for kept in scores]
    for method, mean in zip(compared, means, strict=True):
        print(f"| {method.name} | {mean:.2f} | {mean - means[1]:+.2f} |")


def main() -> None:
    """Do what the arguments say."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make")
    making.add_argument("out", type=Path)
    for name in ("--clean", "--like", "--held-back"):
        making.add_argument(name, type=Path, required=True, metavar="FOLDER")
    making.add_argument("--count", type=int, default=60, help="images of either kind")
    measuring = commands.add_parser("measure")
    measuring.add_argument("out", type=Path)
    measuring.add_argument("weights", nargs="*")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.command == "make":
        make(given.out, given.clean, given.like, given.held_back, given.count)
    else:
        measure(given.out, given.weights)


if __name__ == "__main__":
    main()

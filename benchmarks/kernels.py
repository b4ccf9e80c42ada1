#!/usr/bin/env python3
"""Print how near estimators come to the blur kernel of an image, and what a network makes of it with each kernel.

    python benchmarks/kernels.py IMAGE... --network usrnet_tiny.safetensors --prior FKP_x2.safetensors

Images are cropped to their middle, blurred by anisotropic Gaussians from a seed as in DIV2KRK (variances of 0.6 to 5
square pixels at ×2, any direction, each weight changed by up to a fourth), sampled at the middle of blocks, made noisy
if requested, and rounded to 8 bits. Rows: PSNR of the kernel (peak 1), root mean square error of its two widths in
output pixels, PSNR of Y that `--network` reaches with it, and CPU seconds of estimating.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import pad

from vsr.media.image_files import read_image
from vsr.methods.kernel_estimation import KERNEL_ESTIMATORS
from vsr.metrics import luma_bt601, psnr
from vsr.networks import ConditionedUpscaler, Network, load_network
from vsr.networks.kernel_prior import load_kernel_prior
from vsr.observation import resample
from vsr.observation.block_kernels import blurred_bicubic_kernel, degrade, gaussian_kernel, kernel_widths

_VARIANCES = (0.6, 5.0)  # at ×2
_CHANGE = 0.25
_CENTRE = "none: bicubic shrinking"


@dataclass(frozen=True)
class Case:
    """An image and its kernel."""

    name: str
    large: Tensor
    """``(3, H, W)`` in 0…1."""
    kernel: Tensor
    small: Tensor
    """``(3, h, w)``, rounded to 8 bits."""


@dataclass(frozen=True)
class Result:
    """Of one kernel on one case."""

    kernel_db: float
    width_error: tuple[float, float]
    image_db: float
    seconds: float


def random_kernel(scale: int, generator: torch.Generator) -> Tensor:
    """An anisotropic Gaussian of 22 or 21 pixels a side (×4: 42), a little irregular."""
    first, second, angle = torch.rand(3, generator=generator).tolist()
    least, most = _VARIANCES
    sigmas = [math.sqrt(least + share * (most - least)) * scale / 2 for share in (first, second)]
    side = (22 if scale == 2 else 21) if scale < 4 else 42
    kernel = gaussian_kernel(scale, *sigmas, 180 * angle, side=side)
    kernel = kernel * (1 + _CHANGE * (2 * torch.rand(kernel.shape, generator=generator) - 1))
    return kernel / kernel.sum()


def cases(paths: Sequence[Path], scale: int, side: int, seed: int, noise: float = 0.0) -> Iterator[Case]:
    """One for each image, recorded with Gaussian noise of ``noise`` codes of 255."""
    for number, path in enumerate(paths):
        pixels = torch.from_numpy(read_image(path).copy()).permute(2, 0, 1).float() / 255
        height, width = (min(side, size) // (4 * scale) * 4 * scale for size in pixels.shape[1:])
        top, left = ((size - kept) // 2 for size, kept in zip(pixels.shape[1:], (height, width), strict=True))
        large = pixels[:, top : top + height, left : left + width]
        generator = torch.Generator().manual_seed(seed + number)
        kernel = random_kernel(scale, generator)
        recorded = degrade(large[:, None], kernel, scale)[:, 0] * 255
        small = (recorded + noise * torch.randn(recorded.shape, generator=generator)).round().clamp(0, 255) / 255
        yield Case(path.stem, large, kernel, small)


def luma(image: Tensor) -> Tensor:
    """Y ``(H, W)`` in 0…1 of ``(3, H, W)``."""
    return luma_bt601(255 * image).float() / 255


def same_side(kernels: Sequence[Tensor]) -> list[Tensor]:
    """Kernels padded to the widest, on a common middle."""
    side = max(len(kernel) for kernel in kernels)
    return [pad(kernel, ((side - len(kernel)) // 2,) * 4) for kernel in kernels]


def enlarged(network: Network, small: Tensor, kernel: Tensor, noise_codes: float) -> Tensor:
    """What the network makes of an image with that kernel, ``(3, H, W)``."""
    assert isinstance(network.module, ConditionedUpscaler)
    network.module.set_kernel(kernel)
    with torch.inference_mode():
        return network(network.module.stacked(small[None], 0.0, noise_codes))[0].clamp(0, 1)


def image_psnr(made: Tensor, case: Case, scale: int) -> float:
    """Of Y, the border of the scale and the kernel's reach cut off."""
    crop = scale + 8
    return float(psnr(255 * luma(made).double(), 255 * luma(case.large).double(), crop=crop))


def measure(case: Case, kernel: Tensor, network: Network, scale: int, noise_codes: float, seconds: float) -> Result:
    """One kernel."""
    found, true = same_side([kernel, case.kernel])
    kernel_db = -10 * math.log10(max(1e-12, float((found - true).square().mean())))
    widths = [kernel_widths(one)[:2] for one in (kernel, case.kernel)]
    errors = (widths[0][0] - widths[1][0], widths[0][1] - widths[1][1])
    return Result(
        kernel_db, errors, image_psnr(enlarged(network, case.small, kernel, noise_codes), case, scale), seconds
    )


def estimated(name: str, case: Case, scale: int, prior: str | None) -> tuple[Tensor | None, float]:
    """The kernel that an estimator finds, and CPU seconds."""
    row = KERNEL_ESTIMATORS[name]
    needed = row.prior_scale(scale)
    flow = None if needed is None else load_kernel_prior(prior or "fkp", needed)[0]
    begun = time.process_time()
    kernel = row.estimate([luma(case.small)], scale, steps=row.steps, prior=flow)
    return kernel, time.process_time() - begun


def line(name: str, results: Sequence[Result]) -> str:
    """A row of the table."""
    count = len(results)
    kernel_db, image_db, seconds = (
        sum(values) / count
        for values in zip(*((one.kernel_db, one.image_db, one.seconds) for one in results), strict=True)
    )
    error = math.sqrt(sum(value**2 for one in results for value in one.width_error) / (2 * count))
    return f"| {name} | {kernel_db:.1f} | {error:.2f} | {image_db:.2f} | {seconds:.1f} |"


def main() -> None:
    """Print the table; cases as they are measured go to standard error's place, ahead of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGE")
    parser.add_argument("--network", required=True, help="weights that take kernels, such as USRNet's")
    parser.add_argument("--prior", help="kernel prior; without it estimators that need one are left out")
    parser.add_argument("--scale", type=int, default=2, choices=[2, 3, 4])
    parser.add_argument("--side", type=int, default=512, help="of the crop, output pixels")
    parser.add_argument("--noise", type=float, default=2.0, help="that the network assumes, in codes of 255")
    parser.add_argument("--recorded-noise", type=float, default=0.0, help="of the small images, in codes of 255")
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--estimators", nargs="*", default=list(KERNEL_ESTIMATORS), choices=list(KERNEL_ESTIMATORS))
    options = parser.parse_args()
    scale, network = options.scale, load_network(options.network, options.scale)
    names = [name for name in options.estimators if options.prior or KERNEL_ESTIMATORS[name].prior_scale(scale) is None]
    rows: dict[str, list[Result]] = {name: [] for name in ("the true kernel", _CENTRE, *names)}
    interpolated = []
    for case in cases(options.images, scale, options.side, options.seed, options.recorded_noise):
        size = (int(case.large.shape[1]), int(case.large.shape[2]))
        interpolated.append(image_psnr(resample(case.small[None], size, kernel="bicubic")[0].clamp(0, 1), case, scale))
        fixed = {"the true kernel": case.kernel, _CENTRE: blurred_bicubic_kernel(scale, 0.0)}
        for name in rows:
            kernel, seconds = (fixed[name], 0.0) if name in fixed else estimated(name, case, scale, options.prior)
            if kernel is None:
                raise SystemExit(f"{case.name}: too small for {name}")
            result = measure(case, kernel, network, scale, options.noise, seconds)
            rows[name].append(result)
            print(f"{case.name}: {name}: kernel {result.kernel_db:.1f} dB, image {result.image_db:.2f} dB", flush=True)
    print("\n| kernel from | kernel, dB | widths, px | image, dB | CPU s |\n|---|---|---|---|---|")
    for name, results in rows.items():
        print(line(name, results))
    print(
        f"\nBicubic interpolation: {sum(interpolated) / len(interpolated):.2f} dB; {len(interpolated)} images, x{scale}"
    )


if __name__ == "__main__":
    main()

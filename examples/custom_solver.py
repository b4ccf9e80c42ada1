"""A solver of your own beside the default one, on a sequence with known ground truth. No arguments.

It prints the PSNR of bicubic interpolation, of Landweber's iteration as written here, and of huber-btv.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vsr.metrics import psnr
from vsr.observation import GaussianBlur, ObservationModel, Warp, degradation_at, reading_blur, resample, simulate
from vsr.solvers import Observations, SolverSpec, find_solver

SCALE, SIZE, MARGIN, NUM_FRAMES, NOISE = 3, 144, 12, 9, 2 / 255


@dataclass(frozen=True)
class LandweberOptions:
    """Parameters of `solve_landweber`."""

    iterations: int = 60
    """Gradient steps. There is no prior: stopping early is what keeps the noise down."""


def solve_landweber(observed: Observations, start: Tensor, options: LandweberOptions) -> Tensor:
    """Minimise ``sum w (y - A x)²`` over 0 ≤ x ≤ 1 by projected gradient descent (Landweber 1951), ``(H, W)``.

        x <- clip(x + beta A^T W (y - A x), 0, 1),   beta = 1 / max(A^T W 1)

    Where A has no negative entry and its rows sum to 1, the largest entry of ``A^T W 1`` bounds the largest
    eigenvalue of ``A^T W A``, so no step raises the residual. Not robust: W is the confidence alone.
    """
    weights = observed.sample_weights() * observed.model.inside
    beta = 1 / observed.model.A_adjoint(weights).max().clamp(min=1e-6)
    x = start
    for _ in range(options.iterations):
        x = (x + beta * observed.model.A_adjoint(weights * observed.residual(x))).clamp(0, 1)
    return x


LANDWEBER = SolverSpec("landweber", "least squares by gradient steps", "any", LandweberOptions, solve_landweber)


def scene(generator: torch.Generator) -> Tensor:
    """Dead leaves, a usual stand-in for photographs: discs of all sizes over each other, ``(side, side)``, 0…1."""
    side = SIZE + 2 * MARGIN
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    image = torch.full((side, side), 0.5)
    for down, right, gray, size in torch.rand(600, 4, generator=generator).tolist():
        disc = (y - down * side) ** 2 + (x - right * side) ** 2 < (2.0 + 1.5 / (size + 0.03)) ** 2
        image = torch.where(disc, gray, image)
    return GaussianBlur(0.5, 0.5).A(image)


def record(image: Tensor, shifts_px: Tensor, generator: torch.Generator) -> Tensor:
    """Frames ``(K, h, w)`` as a camera gives them: moved by ``shifts_px``, blurred, sampled, noisy, 8 bits."""
    side, frames = SIZE + 2 * MARGIN, []
    for y, x in (shifts_px * SCALE).tolist():
        moved = Warp.translation((side, side), (y, x)).A(image)[MARGIN:-MARGIN, MARGIN:-MARGIN]
        frame = simulate(moved.contiguous(), "camera", SCALE)
        frames.append(frame + NOISE * torch.randn(frame.shape, generator=generator))
    return (torch.stack(frames) * 255).round().clamp(0, 255) / 255


if __name__ == "__main__":
    generator = torch.Generator().manual_seed(1)
    image, shifts = scene(generator), torch.rand(NUM_FRAMES, 2, generator=generator) - 0.5  # in pixels of a frame
    shifts[0] = 0
    frames, sigma = record(image, shifts, generator), degradation_at("camera", SCALE).psf_sigma_px * SCALE
    frame_size, blur = (SIZE // SCALE, SIZE // SCALE), reading_blur((sigma, sigma), (SCALE, SCALE))
    observed = Observations(frames, ObservationModel.from_shifts(frame_size, (SIZE, SIZE), shifts, blur))
    start = resample(frames[0], (SIZE, SIZE), kernel="bicubic")
    results = {"bicubic": start} | {spec.name: spec(observed, start) for spec in (LANDWEBER, find_solver("huber-btv"))}
    for name, result in results.items():
        print(f"{name:10}{psnr(result, image[MARGIN:-MARGIN, MARGIN:-MARGIN], peak=1.0, crop=8):6.2f} dB")

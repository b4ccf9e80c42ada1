"""What every estimator of kernels promises, checked for every row of KERNEL_ESTIMATORS."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from vsr.methods.kernel_estimation import KERNEL_ESTIMATORS
from vsr.networks.ikc import IKC
from vsr.networks.kernel_prior import KernelPrior
from vsr.networks.kxnet import KXNet
from vsr.observation.block_kernels import degrade, gaussian_kernel, kernel_widths

NAMES = tuple(KERNEL_ESTIMATORS)
STEPS = 6  # of those that learn


def _prior(name: str, scale: int) -> nn.Module:
    """With random weights: its kernels are no Gaussians, but kernels."""
    with torch.random.fork_rng():
        torch.manual_seed(2)
        if name == "kxnet":
            return KXNet(scale, stages=2).eval().requires_grad_(False)
        if name == "ikc":
            return IKC(scale, blocks=1, corrections=2).eval().requires_grad_(False)
        return KernelPrior(4 * scale + 3, blocks=2, hidden=8).eval().requires_grad_(False)


def _scene(height: int = 192, width: int = 208) -> Tensor:
    """Discs with sharp edges, ``(height, width)`` in 0…1."""
    generator = torch.Generator().manual_seed(3)
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    image = torch.full((height, width), 0.5)
    for cy, cx, radius, value in torch.rand(70, 4, generator=generator).tolist():
        inside = (y - cy * height) ** 2 + (x - cx * width) ** 2 < (2 + 16 * radius) ** 2
        image = torch.where(inside, torch.tensor(0.05 + 0.9 * value), image)
    return image


def _frames(scale: int, sigma_px: float = 1.8) -> list[Tensor]:
    scene = _scene(96 * scale, 104 * scale)
    return [degrade(scene[None, None], gaussian_kernel(scale, sigma_px), scale)[0, 0]]


def _estimate(name: str, lumas: list[Tensor], scale: int) -> Tensor | None:
    row = KERNEL_ESTIMATORS[name]
    needed = row.prior_scale(scale)
    prior = None if needed is None else _prior(name, needed)
    return row.estimate(lumas, scale, steps=STEPS if row.steps else 0, prior=prior)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("name", NAMES)
def test_kernels_are_kernels(name: str, scale: int) -> None:
    """Of the scale's parity, finite, of sum 1, and centred, so that nothing is shifted."""
    kernel = _estimate(name, _frames(scale), scale)
    assert kernel is not None
    assert kernel.dtype == torch.float32
    assert kernel.shape[0] == kernel.shape[1] >= scale
    assert (kernel.shape[0] - scale) % 2 == 0
    assert bool(torch.isfinite(kernel).all())
    assert float(kernel.sum()) == pytest.approx(1.0, abs=1e-4)
    place = torch.arange(len(kernel)) - (len(kernel) - 1) / 2
    for axis in (0, 1):
        assert float(kernel.sum(axis) @ place) == pytest.approx(0.0, abs=0.05)


@pytest.mark.parametrize("name", NAMES)
def test_equal_frames_give_equal_kernels_and_stay_as_they_are(name: str) -> None:
    """Whatever was drawn at random before, and nothing is drawn from torch's own generator."""
    frames = _frames(2)
    kept = [frame.clone() for frame in frames]
    torch.manual_seed(1)
    first = _estimate(name, frames, 2)
    torch.manual_seed(99)
    expected_next = torch.rand(1, generator=torch.Generator().manual_seed(99))
    second = _estimate(name, frames, 2)
    assert torch.equal(torch.rand(1), expected_next)
    assert first is not None
    assert second is not None
    assert torch.equal(first, second)
    assert all(torch.equal(frame, before) for frame, before in zip(frames, kept, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_small_frames_tell_nothing(name: str) -> None:
    assert _estimate(name, [torch.rand(20, 16)], 2) is None


@pytest.mark.parametrize("name", NAMES)
def test_flat_frames_do_no_harm(name: str) -> None:
    """None, or a kernel all the same: black frames begin many shots."""
    kernel = _estimate(name, [torch.zeros(96, 96)], 2)
    assert kernel is None or (
        bool(torch.isfinite(kernel).all()) and float(kernel.sum()) == pytest.approx(1.0, abs=1e-4)
    )


@pytest.mark.parametrize("name", [name for name in NAMES if name in ("psf", "directions")])
def test_statistics_follow_the_blur(name: str) -> None:
    """Twice the blur is found wider; the survey knows photographs, not discs."""
    found = [_estimate(name, _frames(2, sigma), 2) for sigma in (1.2, 2.4)]
    widths = [kernel_widths(kernel)[0] for kernel in found if kernel is not None]
    assert widths[1] > 1.2 * widths[0]

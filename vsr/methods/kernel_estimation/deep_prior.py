"""Kernel and image found together: an untrained network makes the image, a kernel makes the frame of it.

What a network of convolutions makes of noise is image-like before it fits anything else (deep image prior: Ulyanov,
Vedaldi, Lempitsky, CVPR 2018). The kernel is free but for its sum (as in Ren et al., "Neural blind deconvolution using
deep priors", CVPR 2020), or one that a prior knows (DIP-FKP: Liang et al., CVPR 2021). Only the kernel is kept here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from vsr.inference.probe import exact_convolutions
from vsr.methods.kernel_estimation.base import Crops
from vsr.methods.kernel_estimation.kernels import CodedKernel, LearntKernel, NetworkKernel
from vsr.networks.kernel_prior import KernelPrior
from vsr.observation.block_kernels import centre_kernel

__all__ = ["estimate_by_dip", "estimate_by_dip_fkp"]

_SEED = 5
_PART_PX = 80  # side of the part of a frame that is looked at
_LEAST_PX = 48
_WIDTH, _LEVELS, _SKIPPED = 32, 4, 8
_NOISE = 0.1  # of the network's input
_IMAGE_RATE, _CODE_RATE, _FREE_RATE = 5e-3, 0.5, 1e-4
_WAIT = 0.075  # share of the steps in which the kernel waits for the image


def _block(before: int, after: int, side: int = 3, stride: int = 1) -> nn.Sequential:
    padding: dict[str, object] = {"padding": side // 2, "padding_mode": "reflect"} if side > 1 else {}
    layer = nn.Conv2d(before, after, side, stride=stride, **padding)  # type: ignore[arg-type]
    return nn.Sequential(layer, nn.BatchNorm2d(after), nn.LeakyReLU(0.2))


class _Hourglass(nn.Module):
    """Down over some levels and up again, with narrow shortcuts; as in the paper, with a fourth of its channels."""

    def __init__(self) -> None:
        super().__init__()
        widths = [1] + [_WIDTH] * (_LEVELS - 1)
        self.skip = nn.ModuleList(_block(width, _SKIPPED, 1) for width in widths)
        self.down = nn.ModuleList(
            nn.Sequential(_block(width, _WIDTH, 3, 2), _block(_WIDTH, _WIDTH)) for width in widths
        )
        self.up = nn.ModuleList(
            nn.Sequential(_block(_SKIPPED + _WIDTH, _WIDTH), _block(_WIDTH, _WIDTH, 1)) for _ in widths
        )
        self.last = nn.Conv2d(_WIDTH, 1, 1)

    def _level(self, given: Tensor, level: int) -> Tensor:
        below = self.down[level](given)
        if level + 1 < _LEVELS:
            below = self._level(below, level + 1)
        risen = functional.interpolate(below, size=given.shape[-2:], mode="bilinear", align_corners=False)
        made: Tensor = self.up[level](torch.cat([self.skip[level](given), risen], 1))
        return made

    def forward(self, given: Tensor) -> Tensor:
        """``(1, 1, H, W)`` noise → an image in 0…1."""
        return torch.sigmoid(self.last(self._level(given, 0)))


def _recorded(image: Tensor, kernel: Tensor, scale: int) -> Tensor:
    """``(1, 1, scale·h, scale·w)`` → ``(1, 1, h, w)``; the kernel's middle pixel on each block's first."""
    reach = kernel.shape[0] // 2
    return functional.conv2d(functional.pad(image, (reach,) * 4, mode="replicate"), kernel[None, None], stride=scale)


def _fit(part: Tensor, scale: int, model: LearntKernel, rate: float, steps: int, generator: torch.Generator) -> Tensor:
    height, width = (scale * side for side in part.shape[-2:])
    noise = _NOISE * torch.rand(1, 1, height, width, generator=generator)
    network = _Hourglass()
    image, kernel = torch.optim.Adam(network.parameters(), _IMAGE_RATE), torch.optim.Adam(model.parameters(), rate)
    waits = math.ceil(_WAIT * steps)
    for step in range(steps):
        made = _recorded(network(noise), model() if step >= waits else model().detach(), scale)
        loss = functional.mse_loss(made, part)
        image.zero_grad(set_to_none=True)
        kernel.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        image.step()
        if step >= waits:
            kernel.step()
            model.constrain()
    found: Tensor = model().detach()
    return found


def _estimate(lumas: Sequence[Tensor], scale: int, steps: int, prior: KernelPrior | None) -> Tensor | None:
    side = min(_PART_PX, *(min(luma.shape) for luma in lumas))
    if side < _LEAST_PX:
        return None
    with torch.random.fork_rng(devices=[]), torch.enable_grad(), exact_convolutions():
        torch.manual_seed(_SEED)
        generator = torch.Generator().manual_seed(_SEED)
        part = Crops(lumas[:1], side, generator).most_detailed()
        if prior is None:
            kernel = _fit(part, scale, NetworkKernel(4 * scale + 3, generator), _FREE_RATE, steps, generator)
        else:
            kernel = _fit(part, scale, CodedKernel(prior, generator), _CODE_RATE, steps, generator)
    return centre_kernel(kernel, scale) if bool(torch.isfinite(kernel).all()) else None


def estimate_by_dip(lumas: Sequence[Tensor], scale: int, *, steps: int, prior: nn.Module | None) -> Tensor | None:
    """A free kernel, from the most detailed part of the first frame."""
    return _estimate(lumas, scale, steps, None)


def estimate_by_dip_fkp(lumas: Sequence[Tensor], scale: int, *, steps: int, prior: nn.Module | None) -> Tensor | None:
    """A kernel that the prior knows, from the most detailed part of the first frame."""
    assert isinstance(prior, KernelPrior), "the row says that it needs one"
    return _estimate(lumas, scale, steps, prior)

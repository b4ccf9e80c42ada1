"""Kernels found by a discriminator: the frames, downscaled by the right kernel, look like the frames themselves.

Small patches of a photograph come again at other sizes. So the kernel that made a recording is about the one whose
downscaled recording has patches like its own, which a discriminator judges that is trained beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

from vsr.inference.probe import exact_convolutions
from vsr.methods.kernel_estimation.base import Crops
from vsr.methods.kernel_estimation.kernels import CodedKernel, LayeredKernel, LearntKernel
from vsr.networks.kernel_prior import KernelPrior
from vsr.observation.block_kernels import blurred_bicubic_kernel, centre_kernel

__all__ = ["estimate_by_kernel_gan", "estimate_by_kernel_gan_fkp", "kernel_of_four"]

_SEED = 1
_CROP_PX = 64  # side of what is downscaled
_BETAS = (0.5, 0.999)


@contextmanager
def _learning() -> Iterator[torch.Generator]:
    """Repeatable training, whatever ran before."""
    with torch.random.fork_rng(devices=[]), torch.enable_grad(), exact_convolutions():
        torch.manual_seed(_SEED)
        yield torch.Generator().manual_seed(_SEED)


def _downscale(images: Tensor, kernel: Tensor, scale: int) -> Tensor:
    """Where the kernel lies within the images: ``(B, 1, H, W)`` → ``(B, 1, (H − n) // scale + 1, …)``."""
    return functional.conv2d(images, kernel[None, None], stride=scale)


def _crops(lumas: Sequence[Tensor], side: int, scale: int, generator: torch.Generator) -> tuple[Crops, Crops] | None:
    """Patches to downscale by a kernel of ``side``, and patches as large as they become; None for small frames."""
    if min(min(luma.shape) for luma in lumas) < _CROP_PX:
        return None
    small = (_CROP_PX - side) // scale + 1
    return Crops(lumas, _CROP_PX, generator), Crops(lumas, small, generator)


def kernel_of_four(kernel: Tensor) -> Tensor:
    """The kernel of ×4 ``(m, m)``, from that of ×2 ``(n, n)``: twice the same, the second time on every second pixel.

    As Bell-Kligler et al. derive it, where both steps blur alike.
    """
    side = kernel.shape[0]
    spread = kernel.new_zeros(2 * side - 1, 2 * side - 1)
    spread[::2, ::2] = kernel
    made: Tensor = functional.conv_transpose2d(spread[None, None], kernel[None, None])[0, 0]
    return made


# KernelGAN: Bell-Kligler, Shocher, Irani, "Blind super-resolution kernel estimation using an internal-GAN", NeurIPS
# 2019. Figures below are those of its authors' code.

_RATE, _RATE_FALLS, _FALL = 2e-4, 4, 10.0  # the rate falls to a tenth after each fourth of all steps
_WIDTH, _DEPTH, _PATCH_PX = 64, 7, 7  # of the discriminator
_NOISE = 1 / 255
_TO_BICUBIC, _LEAST_TO_BICUBIC, _BICUBIC_FALL = 5.0, 5e-6, 100.0
_NEAR_BICUBIC, _CHECKS, _NEAR_TIMES = 0.4, 15, 2
_TO_SUM, _TO_BORDERS, _TO_CENTRE, _TO_SPARSE = 0.5, 0.5, 1.0, 5.0
_BORDER_SCALE, _SPARSE_POWER = 30.0, 0.2
_KEPT, _CUT = 40, 0.75  # weights that count, and the share of the next one that is taken off all


class _PatchJudge(nn.Module):
    """Whether patches of 7×7 come from the frames: one wide convolution, then points."""

    def __init__(self) -> None:
        super().__init__()

        def convolution(before: int, after: int, side: int) -> nn.Module:
            layer = nn.Conv2d(before, after, side)
            nn.init.xavier_normal_(layer.weight, 0.1)
            nn.init.zeros_(layer.bias) if layer.bias is not None else None
            return nn.utils.parametrizations.spectral_norm(layer)

        layers: list[nn.Module] = [convolution(1, _WIDTH, _PATCH_PX)]
        for _ in range(_DEPTH - 2):
            norm = nn.BatchNorm2d(_WIDTH)
            nn.init.normal_(norm.weight, 1.0, 0.02)
            layers += [convolution(_WIDTH, _WIDTH, 1), norm, nn.ReLU()]
        self.layers = nn.Sequential(*layers, convolution(_WIDTH, 1, 1), nn.Sigmoid())

    def forward(self, patches: Tensor) -> Tensor:
        """``(B, 1, H, W)`` → ``(B, 1, H − 6, W − 6)``: 1 real, 0 made."""
        judged: Tensor = self.layers(patches)
        return judged


class _Demands:
    """What KernelGAN asks of a kernel besides: like bicubic shrinking at first; later centred and sparse."""

    def __init__(self, side: int, scale: int, steps: int) -> None:
        self._scale, self._every = scale, max(1, steps // _CHECKS)
        self._place = torch.arange(side, dtype=torch.float32)
        self._middle = side // 2 + 0.5 * (scale - side % 2)
        bell = torch.exp(-0.5 * ((self._place - side // 2) / side) ** 2)
        inner = side // 2 + side % 2
        margin = (side - inner) // 2 - 1
        mask = _BORDER_SCALE * (1 - bell[:, None] * bell)
        mask[margin:-margin, margin:-margin] = 0
        self._mask = mask
        self._bicubic = blurred_bicubic_kernel(scale, 0.0)
        self._to_bicubic, self._near, self._is_free = _TO_BICUBIC, 0, False

    def cost(self, kernel: Tensor, patches: Tensor, made: Tensor) -> tuple[Tensor, Tensor]:
        """All demands together, and the distance from bicubic shrinking alone."""
        whole = kernel.sum()
        asked = _downscale(patches, self._bicubic, self._scale)
        first = (asked.shape[-1] - made.shape[-1]) // 2
        near = (made - asked[..., first : first + made.shape[-2], first : first + made.shape[-1]]).square().mean()
        cost = self._to_bicubic * near + _TO_SUM * (1 - whole).abs() + _TO_BORDERS * (kernel * self._mask).abs().mean()
        if self._is_free:
            centre = torch.stack([kernel.sum(axis) @ self._place for axis in (0, 1)]) / whole
            cost = cost + _TO_CENTRE * (centre - self._middle).square().mean()
            cost = cost + _TO_SPARSE * (kernel.abs() + 1e-12).pow(_SPARSE_POWER).mean()
        return cost, near

    def update(self, step: int, near: float) -> None:
        """Loosen the first demand from time to time, once it is met; the later ones then begin."""
        if self._near <= _NEAR_TIMES:
            self._near = self._near + 1 if near < _NEAR_BICUBIC else 0
        elif step % self._every == 0 and self._to_bicubic > _LEAST_TO_BICUBIC:
            self._to_bicubic = max(self._to_bicubic / _BICUBIC_FALL, _LEAST_TO_BICUBIC)
            self._is_free = self._is_free or self._to_bicubic < 5e-3


def estimate_by_kernel_gan(
    lumas: Sequence[Tensor], scale: int, *, steps: int, prior: nn.Module | None
) -> Tensor | None:
    """KernelGAN on luma. At ×4 the kernel of ×2 is found and applied twice, as in the paper."""
    stride = 2 if scale == 4 else scale
    with _learning() as generator:
        model, judge = LayeredKernel(), _PatchJudge()
        side = int(model().shape[0])
        crops = _crops(lumas, side, stride, generator)
        if crops is None:
            return None
        demands = _Demands(side, stride, steps)
        optimisers = [torch.optim.Adam(module.parameters(), _RATE, _BETAS) for module in (model, judge)]
        for step in range(1, steps + 1):
            _kernel_gan_step(step, model, judge, demands, optimisers, crops, stride, generator)
            if step % max(1, steps // _RATE_FALLS) == 0:
                for group in (group for optimiser in optimisers for group in optimiser.param_groups):
                    group["lr"] /= _FALL
        kernel = _only_large(model().detach())
    return None if kernel is None else centre_kernel(kernel_of_four(kernel) if scale == 4 else kernel, scale)


def _kernel_gan_step(
    step: int,
    model: LayeredKernel,
    judge: _PatchJudge,
    demands: _Demands,
    optimisers: Sequence[torch.optim.Optimizer],
    crops: tuple[Crops, Crops],
    scale: int,
    generator: torch.Generator,
) -> None:
    patches, real = crops[0].draw(1), crops[1].draw(1)
    kernel = model()
    made = _downscale(patches, kernel, scale)
    cost, near = demands.cost(kernel, patches, made)
    judge.requires_grad_(False)
    optimisers[0].zero_grad(set_to_none=True)
    ((1 - judge(made)).abs().mean() + cost).backward()
    optimisers[0].step()
    judge.requires_grad_(True)
    noisy = made.detach() + _NOISE * torch.randn(made.shape, generator=generator)
    optimisers[1].zero_grad(set_to_none=True)
    (0.5 * (judge(noisy).mean() + (1 - judge(real)).mean())).backward()
    optimisers[1].step()
    demands.update(step, float(near.detach()))


def _only_large(kernel: Tensor) -> Tensor | None:
    """The weights that stand out, of sum 1; None where none does."""
    if not bool(torch.isfinite(kernel).all()):
        return None
    edge = _CUT * float(kernel.flatten().sort(descending=True).values[min(_KEPT, kernel.numel() - 1)])
    kept = (kernel - max(0.0, edge)).clamp(min=0)
    return kept / kept.sum() if float(kept.sum()) > 0 else None


# KernelGAN-FKP: Liang et al., CVPR 2021. The kernel is what a prior makes of a code; the discriminator is a small
# network with a penalty on its slope. Rates are higher and steps fewer than in the authors' code, for a processor.

_FKP_WIDTH, _FKP_DEPTH, _FKP_BATCH = 16, 5, 16
_CODE_RATE, _JUDGE_RATE, _PENALTY = 4e-3, 5e-4, 0.1
_AVERAGED = 1 / 3  # share of the steps, at the end, whose kernels are averaged


def _wide_judge() -> nn.Sequential:
    """A critic of patches of 11×11."""
    layers: list[nn.Module] = []
    for number in range(_FKP_DEPTH):
        is_last = number == _FKP_DEPTH - 1
        layer = nn.Conv2d(1 if number == 0 else _FKP_WIDTH, 1 if is_last else _FKP_WIDTH, 3)
        nn.init.normal_(layer.weight, 0.0, 0.02)
        layers.append(layer)
        if not is_last:
            norm = nn.BatchNorm2d(_FKP_WIDTH)
            nn.init.normal_(norm.weight, 1.0, 0.02)
            layers += [norm, nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers)


def _slope_penalty(judge: nn.Module, real: Tensor, made: Tensor, generator: torch.Generator) -> Tensor:
    share = torch.rand(len(real), 1, 1, 1, generator=generator)
    between = (share * real + (1 - share) * made).requires_grad_()
    (slope,) = torch.autograd.grad(judge(between).sum(), between, create_graph=True)
    penalty: Tensor = (slope.norm(2, dim=1) - 1).square().mean()
    return penalty


def estimate_by_kernel_gan_fkp(
    lumas: Sequence[Tensor], scale: int, *, steps: int, prior: nn.Module | None
) -> Tensor | None:
    """KernelGAN-FKP on luma, by the prior of ×2 at ×4, too, as in the paper."""
    assert isinstance(prior, KernelPrior), "the row says that it needs one"
    with _learning() as generator:
        crops = _crops(lumas, prior.side, prior.scale, generator)
        if crops is None:
            return None
        model, judge = CodedKernel(prior, generator), _wide_judge()
        optimisers = (
            torch.optim.Adam(model.parameters(), _CODE_RATE, _BETAS),
            torch.optim.Adam(judge.parameters(), _JUDGE_RATE, _BETAS),
        )
        total = torch.zeros(prior.side, prior.side)
        for step in range(steps):
            patches, real = (2 * one.draw(_FKP_BATCH) - 1 for one in crops)
            _fkp_step(model, judge, optimisers, patches, real, prior.scale, generator)
            if step >= math.floor(steps * (1 - _AVERAGED)):
                total += model().detach()
    kernel = total / total.sum()
    return centre_kernel(kernel_of_four(kernel) if scale == 2 * prior.scale else kernel, scale)


def _fkp_step(
    model: LearntKernel,
    judge: nn.Module,
    optimisers: Sequence[torch.optim.Optimizer],
    patches: Tensor,
    real: Tensor,
    scale: int,
    generator: torch.Generator,
) -> None:
    made = _downscale(patches, model(), scale)
    still = made.detach()
    optimisers[1].zero_grad(set_to_none=True)
    loss = judge(still).mean() - judge(real).mean() + _PENALTY * _slope_penalty(judge, real, still, generator)
    loss.backward()
    optimisers[1].step()
    judge.requires_grad_(False)
    optimisers[0].zero_grad(set_to_none=True)
    (-judge(made).mean()).backward()
    optimisers[0].step()
    model.constrain()
    judge.requires_grad_(True)

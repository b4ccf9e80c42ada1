"""FKP: a normalising flow between noise and blur kernels, so that whatever is searched for is a plausible kernel.

Liang, Zhang, Gu, Van Gool, Timofte, "Flow-based kernel prior with application to blind super-resolution", CVPR 2021:
five affine coupling layers on the pixels of a kernel, each followed by a normalisation of fixed statistics. The
authors trained it on Gaussians of all widths and directions, a set of weights for each scale, kernels of
``4·scale + 3`` pixels a side. Parameters 41,270 at ×2, 98,900 at ×3, 194,470 at ×4. Names as in the authors' code
(JingyunLiang/FKP), whose file keeps them under ``model_state``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn

from vsr.errors import ModelError
from vsr.networks.digest import weights_digest
from vsr.networks.files import read_checkpoint
from vsr.networks.locating import find_weights

__all__ = ["KernelPrior", "load_kernel_prior"]

_EPSILON = 1e-5  # of the normalisation
_MORE_PX = 3  # a kernel's side over four times its scale


class _Coupling(nn.Module):
    """Half of the pixels are scaled and moved by what the other half says."""

    mask: Tensor

    def __init__(self, pixels: int, hidden: int, parity: int) -> None:
        super().__init__()
        self.register_buffer("mask", (torch.arange(pixels) % 2 == parity).float())
        layers = [(pixels, hidden), (hidden, hidden), (hidden, pixels)]
        self.s_net, self.t_net = (
            nn.Sequential(*[part for sizes in layers for part in (nn.Linear(*sizes), activation())][:-1])
            for activation in (nn.Tanh, nn.ReLU)
        )

    def forward(self, values: Tensor) -> Tensor:
        """``(B, pixels)`` → the same, from noise towards kernels."""
        kept = values * self.mask
        moved: Tensor = values * self.s_net(kept).exp() + self.t_net(kept)
        return kept + (1 - self.mask) * moved


class _Normalisation(nn.Module):
    """Undoes a batch normalisation with the statistics of training."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, pixels: int) -> None:
        super().__init__()
        self.log_gamma = nn.Parameter(torch.zeros(pixels))
        self.beta = nn.Parameter(torch.zeros(pixels))
        self.register_buffer("running_mean", torch.zeros(pixels))
        self.register_buffer("running_var", torch.ones(pixels))

    def forward(self, values: Tensor) -> Tensor:
        """``(B, pixels)`` → the same."""
        unscaled = (values - self.beta) * torch.exp(-self.log_gamma)
        return unscaled * (self.running_var + _EPSILON).sqrt() + self.running_mean


class KernelPrior(nn.Module):
    """From codes to kernels. Codes of length ``side − 1`` are usual ones."""

    alpha: Tensor
    normalization: Tensor

    def __init__(self, side: int, *, blocks: int = 5, hidden: int = 15) -> None:
        super().__init__()
        self.side, self.scale = side, (side - _MORE_PX) // 4
        self.register_buffer("alpha", torch.full((1,), 1e-6))
        self.register_buffer("normalization", torch.ones(1))
        pixels = side * side
        parts = [(_Coupling(pixels, hidden, 1 - block % 2), _Normalisation(pixels)) for block in range(blocks)]
        self.net = nn.Sequential(*(part for pair in parts for part in pair))

    @property
    def num_codes(self) -> int:
        """Numbers of a code."""
        return self.side * self.side

    def forward(self, codes: Tensor) -> Tensor:
        """Codes ``(B, side²)`` → kernels ``(B, side, side)`` of weights above 0 whose sum is 1.

        Their centre is at ``(side − scale) / 2``, counted from the first pixel.
        """
        values = codes
        for part in reversed(self.net):
            values = part(values)
        weights = (torch.sigmoid(values) - self.alpha) / (1 - 2 * self.alpha) * self.normalization
        weights = weights.clamp(min=0)
        weights = weights / weights.sum(1, keepdim=True)
        return weights.reshape(-1, self.side, self.side)


_NOT_USED = frozenset(["base_dist_mean", "base_dist_var", "kernel_size"])  # 0, 1, and what the shapes say


def _build(tensors: Mapping[str, Tensor], source: str) -> KernelPrior:
    try:
        hidden, pixels = tensors["net.0.s_net.0.weight"].shape
        side = round(pixels**0.5)
        blocks = sum(name.endswith(".mask") for name in tensors)
        if side * side != pixels or side % 4 != _MORE_PX:
            raise ModelError(
                f"{source}: is for kernels of {pixels} pixels; a kernel prior has 4 times its scale and 3 a side"
            )
        prior = KernelPrior(side, blocks=blocks, hidden=hidden)
        prior.load_state_dict({name: value for name, value in tensors.items() if name not in _NOT_USED})
    except (KeyError, ValueError, RuntimeError) as error:
        raise ModelError(f"{source}: holds no kernel prior (FKP): {' '.join(str(error).split())[:200]}") from error
    return prior.eval().requires_grad_(False)


@lru_cache(maxsize=4)
def load_kernel_prior(name_or_path: str, scale: int) -> tuple[KernelPrior, str]:
    """The prior of that name or file for ``scale``, in float32 on the CPU, and the digest of its weights.

    Raises `ModelError` for what cannot be read, is no kernel prior, or is one for another scale.
    """
    files = find_weights(name_or_path)
    path = dict(files).get(scale, files[0][1])
    checkpoint = read_checkpoint(Path(path))
    prior = _build(checkpoint.tensors, str(path))
    if prior.scale != scale:
        raise ModelError(f"{path}: a kernel prior for x{prior.scale}; one for x{scale} is needed")
    return prior, weights_digest(prior.state_dict())

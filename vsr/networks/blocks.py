"""What several architectures share: enlarging ahead, mean shifts, residual blocks, sub-pixel upsampling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from vsr.networks.base import Shapes, Upscaler
from vsr.networks.footprint import Footprint
from vsr.observation import resample

__all__ = [
    "DIV2K_MEAN",
    "Constant",
    "KeepsFloat32",
    "MeanShift",
    "PairBlock",
    "ResidualBlock",
    "ShiftedUpscaler",
    "count",
    "doublings",
    "enlarge",
    "shuffle_footprint",
    "shuffle_upsampler",
    "upsampler_scale",
    "weights_dtype",
]

DIV2K_MEAN = (0.4488, 0.4371, 0.4040)
"""Mean of red, green and blue over DIV2K, which networks trained on it subtract."""


def enlarge(images: Tensor, scale: int) -> Tensor:
    """Bicubic enlargement as MATLAB's ``imresize``, ``(B, C, H, W)`` → ``(B, C, scale·H, scale·W)``, in float32."""
    height, width = images.shape[-2:]
    return resample(images, (scale * height, scale * width), kernel="bicubic")


def weights_dtype(module: nn.Module) -> torch.dtype:
    """The type that the weights of a module have, by its first parameter."""
    return next(module.parameters()).dtype


class KeepsFloat32(nn.Module):
    """Mix-in for layers that stay in float32 when the network around them goes to half precision."""

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> KeepsFloat32:
        def keep(tensor: Tensor) -> Tensor:
            moved = fn(tensor)
            return tensor.to(moved.device) if moved.dtype in (torch.float16, torch.bfloat16) else moved

        super()._apply(keep, recurse)  # type: ignore[no-untyped-call]
        return self


class Constant(KeepsFloat32):
    """Numbers that are not learnt and lie in no file, kept on the network's device in float32."""

    value: Tensor

    def __init__(self, make: Callable[[], Tensor]) -> None:
        super().__init__()
        self._make = make
        self.register_buffer("value", make(), persistent=False)

    def restore(self) -> None:
        """Make them again, on the CPU: where a network is built without values, they have none."""
        with torch.device("cpu"):
            self.value = self._make()


class MeanShift(KeepsFloat32, nn.Conv2d):
    """Adds ``sign · value_range · mean`` to red, green and blue, as a 1×1 convolution that is not trained."""

    def __init__(self, sign: Literal[-1, 1], value_range: float, mean: tuple[float, float, float] = DIV2K_MEAN) -> None:
        super().__init__(3, 3, 1)
        assert self.bias is not None
        self.weight.data = torch.eye(3).reshape(3, 3, 1, 1)
        self.bias.data = sign * value_range * torch.tensor(mean)
        self.requires_grad_(False)

    @property
    def value_range(self) -> float:
        """255 or 1, whichever the shift was made for."""
        assert self.bias is not None
        return 255.0 if float(self.bias.detach().abs().max()) > 2 else 1.0


class ShiftedUpscaler(Upscaler):
    """Base of networks for RGB in 0…255 less the mean of DIV2K, taken off ahead of them and added after."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.sub_mean, self.add_mean = MeanShift(-1, 255.0), MeanShift(1, 255.0)
        self._value_range = 255.0

    def finish_loading(self) -> None:
        """Files of other programs may be for 0…1; their mean shifts tell."""
        self._value_range = self.add_mean.value_range

    def enlarged(self, shifted: Tensor) -> Tensor:
        """``(B, 3, H, W)`` in the type of the weights → ``(B, 3, scale·H, scale·W)``."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, H, W)`` in 0…1 → ``(B, 3, scale·H, scale·W)``."""
        shifted: Tensor = self.sub_mean(images * self._value_range)
        result = self.enlarged(shifted.to(_learnt_dtype(self)))
        restored: Tensor = self.add_mean(result.to(images.dtype))
        return restored / self._value_range


def _learnt_dtype(module: nn.Module) -> torch.dtype:
    """The type of the weights, mean shifts left out, which stay in float32."""
    parts = (part for part in module.children() if not isinstance(part, KeepsFloat32))
    return weights_dtype(next(part for part in parts if any(True for _ in part.parameters())))


class ResidualBlock(nn.Module):
    """Convolution, ReLU, convolution, times ``res_scale``, plus the input (EDSR; no batch normalisation)."""

    def __init__(self, width: int, size: int = 3, res_scale: float = 1.0) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, size, padding=size // 2),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, size, padding=size // 2),
        )
        self.res_scale = res_scale

    def forward(self, features: Tensor) -> Tensor:
        """``(B, width, H, W)`` → the same."""
        residual: Tensor = self.body(features)
        if self.res_scale != 1:
            residual = residual * self.res_scale
        return residual + features


class PairBlock(nn.Module):
    """Convolution, ReLU, convolution, plus the input, with the names of video networks' files (RRN, BasicVSR)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """``(B, width, H, W)`` → the same."""
        added: Tensor = self.conv2(self.conv1(features).relu())
        return features + added


def doublings(scale: int) -> int:
    """How many times twofold a scale is; ValueError if it is no power of two."""
    if scale < 2 or scale & (scale - 1):
        raise ValueError(f"scale must be 2, 4, 8, …, got {scale}")
    return scale.bit_length() - 1


def _steps(scale: int) -> list[int]:
    """Factors that sub-pixel layers multiply: twos, or one three."""
    return [scale] if scale & (scale - 1) else [2] * doublings(scale)


def shuffle_upsampler(width: int, scale: int, *, groups: int = 1, with_relu: bool = False) -> nn.Sequential:
    """Convolution and pixel shuffle, ×2 at a time or ×3 at once; a ReLU between the two if asked for (CARN)."""
    layers: list[nn.Module] = []
    for factor in _steps(scale):
        layers.append(nn.Conv2d(width, factor * factor * width, 3, padding=1, groups=groups))
        if with_relu:
            layers.append(nn.ReLU(inplace=True))
        layers.append(nn.PixelShuffle(factor))
    return nn.Sequential(*layers)


def shuffle_footprint(footprint: Footprint, scale: int) -> Footprint:
    """What samples depend on after `shuffle_upsampler`."""
    for factor in _steps(scale):
        footprint = footprint.conv(3).shuffle(factor)
    return footprint


def upsampler_scale(shapes: Shapes, prefix: str, width: int) -> int:
    """The scale of a `shuffle_upsampler` whose names begin with ``prefix``; KeyError if there is none."""
    scale = 1
    factors = {4 * width: 2, 9 * width: 3}
    for name, shape in shapes.items():
        if name.startswith(prefix) and name.endswith(".weight") and len(shape) == 4:
            scale *= factors[shape[0]]
    if scale == 1:
        raise KeyError(prefix)
    return scale


def count(shapes: Shapes, before: str, after: str, *, first: int = 0) -> int:
    """How many of the names ``before`` + number + ``after`` are there, from ``first`` on without a gap."""
    number = first
    while f"{before}{number}{after}" in shapes:
        number += 1
    return number - first

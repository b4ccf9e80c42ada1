"""Rescale: an invertible pair that hides in the small image what cannot be predicted from it.

vsr's own, after Xiao et al. ("Invertible image rescaling", ECCV 2020): Haar's transform, then couplings that can be
undone, here three, each a chain of 3×3 convolutions as in `vsr.networks.lite`, on luma and two colour differences.
``predict`` tells the luma's differences from its mean and is taken off them; ``write`` adds what is left to the means,
above all to those of the colour differences, where natural images have little detail; ``read`` tells what is left
from the small image and is taken off, too. What then remains is z, which the small file does not have: the way back
is read, un-write, predict, with z = 0. RGB, 0…1, ×2; 251,272 parameters.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, leaky_relu, pad

from vsr.frames import BT601_YCBCR
from vsr.networks.base import Found, RescalingUpscaler, Shapes
from vsr.networks.blocks import Constant, count, weights_dtype
from vsr.networks.footprint import INPUT, Footprint
from vsr.networks.spec import network_spec
from vsr.networks.transforms import block_kernels, from_bands, to_bands

__all__ = ["SPECS", "Rescale", "recognise_rescale"]

_WIDTH, _DEPTHS = 32, (12, 3, 9)
_STAGE = 3  # convolutions from one of the features that are fused to the next
_SLOPE = 0.1
_COLOURS = 3
_DIFFERENCES = 3  # of each colour
_ALL_DIFFERENCES = _COLOURS * _DIFFERENCES
_AROUND = 5  # pixels of the square that a small pixel is compared with
_FINE, _LEFT = 16.0, 24.0  # what fine detail is multiplied by, so that weights have usual sizes


def _to_ycc() -> Tensor:
    """BT.601, video range, of RGB in 0…1: ``(3, 3, 1, 1)``."""
    return torch.tensor(BT601_YCBCR)[:, :, None, None] / 255


def _to_rgb() -> Tensor:
    inverse: Tensor = torch.linalg.inv(_to_ycc()[:, :, 0, 0].double())
    return inverse.float()[:, :, None, None]


def _black() -> Tensor:
    return torch.tensor([16.0, 128.0, 128.0])[:, None, None] / 255


class _Chain(nn.Module):
    """Convolutions whose features are fused now and then; the type of the input is that of the result."""

    def __init__(self, inputs: int, outputs: int, width: int, depth: int, *, direct: bool) -> None:
        super().__init__()
        self.head = nn.Conv2d(inputs, width, 5, padding=2)
        self.body = nn.ModuleList([nn.Conv2d(width, width, 3, padding=1) for _ in range(depth)])
        self.fuse = nn.Conv2d((1 + depth // _STAGE) * width, width, 1)
        self.tail = nn.Conv2d(width, outputs, 3, padding=1)
        self.direct = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False) if direct else None

    def forward(self, given: Tensor) -> Tensor:
        """``(B, inputs, H, W)`` → ``(B, outputs, H, W)``."""
        taken = given.to(weights_dtype(self))
        features = leaky_relu(self.head(taken), _SLOPE)
        first, *others = self.fuse.weight.chunk(1 + len(self.body) // _STAGE, dim=1)
        fused = conv2d(features, first, self.fuse.bias)
        for number, conv in enumerate(self.body, 1):
            features = leaky_relu(conv(features), _SLOPE)
            if number % _STAGE == 0:
                fused = fused + conv2d(features, others[number // _STAGE - 1])
        result: Tensor = self.tail(fused)
        if self.direct is not None:
            result = result + self.direct(taken)
        return result.to(given.dtype)

    def reach(self, given: Footprint) -> Footprint:
        """What its result depends on."""
        return given.conv(5).conv(3, times=len(self.body) + 1)


class Rescale(RescalingUpscaler):
    """Half as large, and back."""

    def __init__(self, scale: int, *, width: int = _WIDTH, depths: tuple[int, int, int] = _DEPTHS) -> None:
        super().__init__()
        if scale != 2:
            raise ValueError(f"halves and doubles, not {scale}")
        self.scale = scale
        self.predict = _Chain(1, _DIFFERENCES, width, depths[0], direct=False)
        self.write = _Chain(_ALL_DIFFERENCES, _COLOURS, width, depths[1], direct=True)
        self.read = _Chain(2 * _COLOURS, _ALL_DIFFERENCES, width, depths[2], direct=True)
        self.haar, self.black = Constant(block_kernels), Constant(_black)
        self.to_ycc, self.to_rgb = Constant(_to_ycc), Constant(_to_rgb)
        mean = self.write.reach(self.read.reach(INPUT.conv(_AROUND)))
        self.context_px = self.predict.reach(mean).shuffle(2).context_px
        self.downscale_context_px = self.write.reach(self.predict.reach(INPUT)).context_px

    def forward(self, given: Tensor) -> Tensor:
        """``(B, 3, H, W)`` in 0…1, or with nine channels of z behind it, → ``(B, 3, 2·H, 2·W)``."""
        small, z = self.in_ycc(given[:, :_COLOURS]), given[:, _COLOURS:]
        left = self._read(small)
        left = left + z if z.shape[1] else left
        mean = small - self._write(left)
        bands = torch.cat([2 * mean, left + self._predict(mean)], 1)
        return self.in_rgb(from_bands(bands, self.haar.value))

    def analyse(self, images: Tensor) -> Tensor:
        """``(B, 3, 2·H, 2·W)`` → ``(B, 12, H, W)``, the small image and z: the inverse of `forward`."""
        small, left = self._halve(images)
        return torch.cat([self.in_rgb(small), left - self._read(small)], 1)

    def downscale(self, images: Tensor) -> Tensor:
        """``(B, 3, 2·H, 2·W)`` in 0…1 → ``(B, 3, H, W)``, unrounded."""
        return self.in_rgb(self._halve(images)[0])

    def _halve(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The small image, in YCbCr, and the residual of the predicted differences."""
        bands = to_bands(self.in_ycc(images), self.haar.value)
        mean = bands[:, :_COLOURS] / 2
        left = bands[:, _COLOURS:] - self._predict(mean)
        return mean + self._write(left), left

    def _predict(self, mean: Tensor) -> Tensor:
        """All differences, ``(B, 9, H, W)``, each of all colours in turn; those of colours are taken for 0."""
        of_luma: Tensor = self.predict(mean[:, :1])
        nothing = torch.zeros_like(of_luma)
        return torch.stack([of_luma, nothing, nothing], 2).flatten(1, 2)

    def _write(self, left: Tensor) -> Tensor:
        written: Tensor = self.write(_LEFT * left)
        return written / _FINE

    def _read(self, small: Tensor) -> Tensor:
        edge = _AROUND // 2
        around = avg_pool2d(pad(small, (edge,) * 4, mode="replicate"), _AROUND, 1)
        read: Tensor = self.read(torch.cat([small, _FINE * (small - around)], 1))
        return read / _FINE

    def in_ycc(self, rgb: Tensor) -> Tensor:
        """``(B, 3, H, W)`` in 0…1 → BT.601 luma and colour differences, video range, in codes over 255."""
        return conv2d(rgb, self.to_ycc.value.to(rgb.dtype)) + self.black.value.to(rgb.dtype)

    def in_rgb(self, ycc: Tensor) -> Tensor:
        """The inverse of `in_ycc`."""
        return conv2d(ycc - self.black.value.to(ycc.dtype), self.to_rgb.value.to(ycc.dtype))


def recognise_rescale(shapes: Shapes) -> Found | None:
    """Of any width and depths."""
    width = shapes["predict.head.weight"][0]
    predict, write, read = (count(shapes, f"{part}.body.", ".weight") for part in ("predict", "write", "read"))
    if shapes["write.head.weight"] != (width, _ALL_DIFFERENCES, 5, 5):
        return None
    if shapes["read.direct.weight"] != (_ALL_DIFFERENCES, 2 * _COLOURS, 3, 3):
        return None
    return Found("rescale", (2,), lambda scale: Rescale(scale, width=width, depths=(predict, write, read)))


SPECS = (
    network_spec(
        "rescale",
        "vsr, 2026: an invertible pair of three couplings, after IRN",
        "post-upsampling",
        scales=(2,),
        colour="RGB",
        build=Rescale,
        parameters=251_272,
        recognise=recognise_rescale,
        family="rescaling",
    ),
)
"""As published."""

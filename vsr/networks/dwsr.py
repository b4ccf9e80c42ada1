"""DWSR: the wavelet bands of the interpolated image are what it refines.

Guo, Mousavi, Vu, Monga, "Deep wavelet prediction for image super-resolution", CVPRW 2017. Pre-upsampling, Y, 0…1: the
bicubic enlargement goes through Haar's wavelet, a network adds to its four bands, the inverse wavelet makes the
image. Twelve layers of 64, the first 5×5: 378,052 numbers at every scale (374K in the paper). Files of Keras with the
layers in order load as they are (Jimmycho319's re-implementation, trained on small images that were not antialiased).
The paper's figures on Set5: 37.43 / 33.82 / 31.39 dB.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vsr.networks.base import Found, Shapes, Upscaler
from vsr.networks.blocks import Constant, count, enlarge, weights_dtype
from vsr.networks.footprint import INPUT
from vsr.networks.spec import network_spec
from vsr.networks.transforms import block_kernels, from_bands, to_bands

__all__ = ["DWSR", "SPECS", "recognise_dwsr"]

_BANDS = 4
_ORDER = [0, 2, 1, 3]  # of the bands: what changes downwards comes before what changes across
_LAYER = "layer_with_weights-"


class DWSR(Upscaler):
    """``depth`` convolutions on the four bands, added to them. The enlarged image has even sides."""

    def __init__(self, scale: int, *, width: int = 64, depth: int = 12, size: int = 5) -> None:
        super().__init__()
        self.scale = scale
        self.multiple = 1 if scale % 2 == 0 else 2
        self.context_px = _context(scale, depth, size)
        for number in range(depth):
            inputs = width if number else _BANDS
            outputs = width if number < depth - 1 else _BANDS
            side = 3 if number else size
            self.add_module(f"{_LAYER}{number}", nn.Conv2d(inputs, outputs, side, padding=side // 2))
        self._depth = depth
        self.haar = Constant(_haar)

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 1, H, W)`` in 0…1 → ``(B, 1, scale·H, scale·W)``."""
        kernels = self.haar.value
        bands = to_bands(enlarge(images, self.scale), kernels)
        features = bands.to(weights_dtype(self))
        for number in range(self._depth):
            features = self.get_submodule(f"{_LAYER}{number}")(features)
            features = torch.relu(features) if number < self._depth - 1 else features
        return from_bands(bands + features.to(images.dtype), kernels)


def _haar() -> Tensor:
    return block_kernels()[_ORDER]


def _context(scale: int, depth: int, size: int) -> int:
    image = INPUT.enlarged(scale, 2).in_periods(scale % 2 + 1)
    return image.strided(2, 2, 0).conv(size).conv(3, times=depth - 1).deconv(2, 2, 0).context_px


def recognise_dwsr(shapes: Shapes) -> Found | None:
    """DWSR of any width and depth; its weights have the same shapes at every scale."""
    depth = count(shapes, _LAYER, ".weight")
    width, bands, size, _ = shapes[f"{_LAYER}0.weight"]
    if depth < 2 or bands != _BANDS or shapes[f"{_LAYER}{depth - 1}.weight"] != (_BANDS, width, 3, 3):
        return None
    return Found("dwsr", (), lambda scale: DWSR(scale, width=width, depth=depth, size=size))


SPECS = (
    network_spec(
        "dwsr",
        "Guo, Mousavi, Vu, Monga, CVPRW 2017: DWSR, 12 layers",
        "pre-upsampling",
        scales=(2, 3, 4),
        colour="Y",
        build=DWSR,
        parameters=378_052,
        recognise=recognise_dwsr,
    ),
)
"""As published."""

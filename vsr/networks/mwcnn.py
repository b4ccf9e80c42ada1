"""MWCNN: a U-Net that halves and doubles by Haar's wavelet, so nothing is lost between its sizes.

Liu, Zhang, Zhang, Lin, Zuo, "Multi-level wavelet-CNN for image restoration", CVPRW 2018. Pre-upsampling with a global
residual, Y, 0…1; one set of weights for ×2, ×3 and ×4. Three levels of 160, 256 and 256 channels, four layers a level
on either way (24 layers), batch normalisation in all but the first and the last: 16.1M. Names are ours; no weights
are to be had. Figures on Set5: 37.91 / 34.17 / 32.12 dB.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from vsr.networks.base import Found, Shapes, Upscaler
from vsr.networks.blocks import Constant, enlarge
from vsr.networks.footprint import INPUT
from vsr.networks.spec import network_spec
from vsr.networks.transforms import block_kernels, from_bands, to_bands

__all__ = ["MWCNN", "SPECS", "recognise_mwcnn"]

_LAYERS = 4
_BANDS = 4


def _layer(inputs: int, outputs: int, *, is_plain: bool = False) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=is_plain)
    return [conv, nn.ReLU(inplace=True)] if is_plain else [conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]


class MWCNN(Upscaler):
    """Levels of ``widths``. The enlarged image's sides are multiples of two to the number of levels."""

    def __init__(self, scale: int, *, widths: tuple[int, ...] = (160, 256, 256)) -> None:
        super().__init__()
        self.scale = scale
        halvings = 2 ** len(widths)
        self.multiple = self.min_size = halvings // math.gcd(halvings, scale)
        self.context_px = _context(scale, len(widths), self.multiple)
        self.haar = Constant(block_kernels)
        self.contracting, self.expanding = nn.ModuleList(), nn.ModuleList()
        inputs = 1
        for level, width in enumerate(widths):
            first = _layer(_BANDS * inputs, width, is_plain=level == 0)
            rest = [part for _ in range(_LAYERS - 1) for part in _layer(width, width)]
            self.contracting.append(nn.Sequential(*first, *rest))
            back = [part for _ in range(_LAYERS - 1) for part in _layer(width, width)]
            outputs = _BANDS * inputs
            last = [nn.Conv2d(width, outputs, 3, padding=1)] if level == 0 else _layer(width, outputs)
            self.expanding.append(nn.Sequential(*back, *last))
            inputs = width

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 1, H, W)`` in 0…1 → ``(B, 1, scale·H, scale·W)``."""
        base, haar = enlarge(images, self.scale), self.haar.value
        features = base.to(next(self.contracting.parameters()).dtype)
        kept: list[Tensor] = []
        for level in self.contracting:
            features = level(to_bands(features, haar))
            kept.append(features)
        features = features.new_zeros(())
        for level in reversed(self.expanding):
            features = from_bands(level(features + kept.pop()), haar)
        return base + features.to(images.dtype)


def _context(scale: int, levels: int, multiple: int) -> int:
    footprint, kept = INPUT.enlarged(scale, 2).in_periods(multiple), []
    for _ in range(levels):
        footprint = footprint.strided(2, 2, 0).conv(3, times=_LAYERS)
        kept.append(footprint)
    for _ in range(levels):
        footprint = footprint.join(kept.pop()).conv(3, times=_LAYERS).deconv(2, 2, 0)
    return footprint.context_px


def recognise_mwcnn(shapes: Shapes) -> Found | None:
    """MWCNN of any widths and number of levels."""
    widths: list[int] = []
    while f"contracting.{len(widths)}.0.weight" in shapes:
        widths.append(shapes[f"contracting.{len(widths)}.0.weight"][0])
    if not widths or f"expanding.{len(widths) - 1}.0.weight" not in shapes:
        return None
    return Found("mwcnn", (), lambda scale: MWCNN(scale, widths=tuple(widths)))


SPECS = (
    network_spec(
        "mwcnn",
        "Liu, Zhang, Zhang, Lin, Zuo, CVPRW 2018: MWCNN, 3 levels",
        "pre-upsampling",
        scales=(2, 3, 4),
        colour="Y",
        build=MWCNN,
        parameters=16_152_100,
        recognise=recognise_mwcnn,
    ),
)
"""As published."""

"""EDSR: residual blocks without batch normalisation, in two sizes.

Lim et al., "Enhanced deep residual networks for single image super-resolution", CVPRW 2017. Post-upsampling, RGB,
0…255 less the mean of DIV2K. Names as in the authors' PyTorch code. Large: 32 blocks of 256 channels, residuals times
0.1: 40.7M (×2), 43.7M (×3), 43.1M (×4) learnt; baseline: 16 blocks of 64: 1.37M, 1.55M, 1.52M; the two mean shifts,
not learnt, are 24 more. Figures on Set5, large: 38.11 / 34.65 / 32.46 dB.
"""

from __future__ import annotations

from torch import Tensor, nn

from vsr.networks.base import Found, Shapes, Upscaler
from vsr.networks.blocks import (
    MeanShift,
    ResidualBlock,
    count,
    shuffle_footprint,
    shuffle_upsampler,
    upsampler_scale,
    weights_dtype,
)
from vsr.networks.footprint import INPUT
from vsr.networks.spec import network_spec

__all__ = ["EDSR", "SPECS", "edsr_baseline", "edsr_large", "recognise_edsr"]


class EDSR(Upscaler):
    """Head, ``num_blocks`` residual blocks with a skip over all of them, upsampling, tail."""

    def __init__(self, scale: int, *, num_blocks: int, width: int, res_scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale
        footprint = shuffle_footprint(INPUT.conv(3, times=2 * num_blocks + 2), scale)
        self.context_px = footprint.conv(3).context_px
        self.sub_mean = MeanShift(-1, 255.0)
        self.add_mean = MeanShift(1, 255.0)
        self.head = nn.Sequential(nn.Conv2d(3, width, 3, padding=1))
        blocks = [ResidualBlock(width, res_scale=res_scale) for _ in range(num_blocks)]
        self.body = nn.Sequential(*blocks, nn.Conv2d(width, width, 3, padding=1))
        self.tail = nn.Sequential(shuffle_upsampler(width, scale), nn.Conv2d(width, 3, 3, padding=1))
        self._value_range = 255.0

    def finish_loading(self) -> None:
        """Files of other programs may be for 0…1; their mean shifts tell."""
        self._value_range = self.add_mean.value_range

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, H, W)`` in 0…1 → ``(B, 3, scale·H, scale·W)``."""
        shifted: Tensor = self.sub_mean(images * self._value_range)
        features = self.head(shifted.to(weights_dtype(self.head)))
        result: Tensor = self.tail(self.body(features) + features)
        restored: Tensor = self.add_mean(result.to(images.dtype))
        return restored / self._value_range


def edsr_baseline(scale: int) -> EDSR:
    """16 blocks of 64 channels."""
    return EDSR(scale, num_blocks=16, width=64)


def edsr_large(scale: int) -> EDSR:
    """32 blocks of 256 channels."""
    return EDSR(scale, num_blocks=32, width=256, res_scale=0.1)


def recognise_edsr(shapes: Shapes) -> Found | None:
    """EDSR of any width and depth; from 256 channels on residuals are taken times 0.1, as in the published files."""
    width = shapes["head.0.weight"][0]
    num_blocks = count(shapes, "body.", ".body.0.weight")
    scale = upsampler_scale(shapes, "tail.0.", width)
    if "sub_mean.weight" not in shapes or shapes["head.0.weight"][1:] != (3, 3, 3) or num_blocks == 0:
        return None
    if shapes["body.0.body.0.weight"] != (width, width, 3, 3) or len(shapes) != 8 + 4 * num_blocks + _num_tail(shapes):
        return None
    res_scale = 0.1 if width >= 256 else 1.0
    return Found(
        "edsr" if width >= 256 else "edsr-baseline",
        (scale,),
        lambda scale: EDSR(scale, num_blocks=num_blocks, width=width, res_scale=res_scale),
    )


def _num_tail(shapes: Shapes) -> int:
    return sum(name.startswith("tail.") for name in shapes)


SPECS = (
    network_spec(
        "edsr-baseline",
        "Lim et al., CVPRW 2017: EDSR baseline, 16 blocks of 64",
        "post-upsampling",
        scales=(2, 3, 4),
        colour="RGB",
        build=edsr_baseline,
        parameters=(1_369_883, 1_554_523, 1_517_595),
        recognise=recognise_edsr,
        value_range=255,
    ),
    network_spec(
        "edsr",
        "Lim et al., CVPRW 2017: EDSR, 32 blocks of 256",
        "post-upsampling",
        scales=(2, 3, 4),
        colour="RGB",
        build=edsr_large,
        parameters=(40_729_627, 43_680_027, 43_089_947),
        recognise=recognise_edsr,
        value_range=255,
    ),
)
"""As published."""

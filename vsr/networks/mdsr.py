"""MDSR: one EDSR body for three scales, each with its own first and last layers.

Lim et al., "Enhanced deep residual networks for single image super-resolution", CVPRW 2017. Post-upsampling, RGB, 0…255
less the mean of DIV2K. Names as in the authors' PyTorch code; a file holds ×2, ×3 and ×4. 80 blocks of 64 channels:
8.0M learnt with all three heads; baseline, 16 blocks: 3.2M. Figures on Set5: 38.11 / 34.66 / 32.50 dB.
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

__all__ = ["MDSR", "SPECS", "mdsr_baseline", "mdsr_large", "recognise_mdsr"]


class MDSR(Upscaler):
    """Head, two 5×5 blocks of the scale, ``num_blocks`` common blocks, upsampling of the scale, tail."""

    def __init__(self, scale: int, *, num_blocks: int, width: int = 64, scales: tuple[int, ...] = (2, 3, 4)) -> None:
        super().__init__()
        self.scale = scale
        self._which = scales.index(scale)
        footprint = INPUT.conv(3).conv(5, times=4).conv(3, times=2 * num_blocks + 1)
        self.context_px = shuffle_footprint(footprint, scale).conv(3).context_px
        self.sub_mean = MeanShift(-1, 255.0)
        self.add_mean = MeanShift(1, 255.0)
        self.head = nn.Sequential(nn.Conv2d(3, width, 3, padding=1))
        self.pre_process = nn.ModuleList(
            nn.Sequential(ResidualBlock(width, 5), ResidualBlock(width, 5)) for _ in scales
        )
        blocks = [ResidualBlock(width) for _ in range(num_blocks)]
        self.body = nn.Sequential(*blocks, nn.Conv2d(width, width, 3, padding=1))
        self.upsample = nn.ModuleList(shuffle_upsampler(width, each) for each in scales)
        self.tail = nn.Sequential(nn.Conv2d(width, 3, 3, padding=1))
        self._value_range = 255.0

    def finish_loading(self) -> None:
        """Files of other programs may be for 0…1; their mean shifts tell."""
        self._value_range = self.add_mean.value_range

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, H, W)`` in 0…1 → ``(B, 3, scale·H, scale·W)``."""
        shifted: Tensor = self.sub_mean(images * self._value_range)
        features = self.pre_process[self._which](self.head(shifted.to(weights_dtype(self.head))))
        result: Tensor = self.tail(self.upsample[self._which](self.body(features) + features))
        restored: Tensor = self.add_mean(result.to(images.dtype))
        return restored / self._value_range


def mdsr_baseline(scale: int) -> MDSR:
    """16 common blocks."""
    return MDSR(scale, num_blocks=16)


def mdsr_large(scale: int) -> MDSR:
    """80 common blocks."""
    return MDSR(scale, num_blocks=80)


def recognise_mdsr(shapes: Shapes) -> Found | None:
    """MDSR of any width, depth and set of scales."""
    width = shapes["head.0.weight"][0]
    num_blocks = count(shapes, "body.", ".body.0.weight")
    num_scales = count(shapes, "pre_process.", ".0.body.0.weight")
    scales = tuple(upsampler_scale(shapes, f"upsample.{index}.", width) for index in range(num_scales))
    if not scales or len(set(scales)) != num_scales or "sub_mean.weight" not in shapes:
        return None
    return Found(
        "mdsr" if num_blocks >= 80 else "mdsr-baseline",
        scales,
        lambda scale: MDSR(scale, num_blocks=num_blocks, width=width, scales=scales),
    )


SPECS = (
    network_spec(
        "mdsr-baseline",
        "Lim et al., CVPRW 2017: MDSR baseline, 16 blocks of 64",
        "post-upsampling",
        scales=(2, 3, 4),
        colour="RGB",
        build=mdsr_baseline,
        parameters=3_227_227,
        recognise=recognise_mdsr,
        value_range=255,
    ),
    network_spec(
        "mdsr",
        "Lim et al., CVPRW 2017: MDSR, 80 blocks of 64",
        "post-upsampling",
        scales=(2, 3, 4),
        colour="RGB",
        build=mdsr_large,
        parameters=7_954_011,
        recognise=recognise_mdsr,
        value_range=255,
    ),
)
"""As published."""

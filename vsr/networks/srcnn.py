"""SRCNN: three convolutions on the interpolated image.

Dong, Loy, He, Tang, "Image super-resolution using deep convolutional networks", TPAMI 2016 (ECCV 2014).
Pre-upsampling, Y, 0…1. Weights: 8,032 (9-1-5), 24,416 (9-3-5), 57,184 (9-5-5), the same at all scales; with 97 biases
8,129, 24,513, 57,281. Names as in the PyTorch files of yjn870; borders repeated at each layer, as the authors'
MATLAB program does. Figures on Set5, 9-5-5: 36.66 / 32.75 / 30.48 dB.
"""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from vsr.networks.base import Found, Shapes, Upscaler
from vsr.networks.blocks import enlarge
from vsr.networks.footprint import INPUT
from vsr.networks.spec import network_spec

__all__ = ["SPECS", "SRCNN", "recognise_srcnn"]


def _conv(inputs: int, outputs: int, size: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, size, padding=size // 2, padding_mode="replicate")


class SRCNN(Upscaler):
    """Patches, a non-linear mapping of ``middle``×``middle``, reconstruction."""

    def __init__(self, scale: int, *, middle: int = 5, widths: tuple[int, int] = (64, 32)) -> None:
        super().__init__()
        self.scale = scale
        self.context_px = INPUT.enlarged(scale, 2).conv(9).conv(middle).conv(5).context_px
        self.conv1 = _conv(1, widths[0], 9)
        self.conv2 = _conv(widths[0], widths[1], middle)
        self.conv3 = _conv(widths[1], 1, 5)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 1, H, W)`` in 0…1 → ``(B, 1, scale·H, scale·W)``."""
        enlarged = enlarge(images, self.scale).to(self.conv1.weight.dtype)
        features = self.relu(self.conv2(self.relu(self.conv1(enlarged))))
        result: Tensor = self.conv3(features)
        return result.to(images.dtype)


def recognise_srcnn(shapes: Shapes) -> Found | None:
    """SRCNN of any widths and any middle size. The weights do not tell the scale."""
    first, second, third = (shapes[f"conv{index}.weight"] for index in (1, 2, 3))
    middle = second[2]
    if len(shapes) != 6 or first[1:] != (1, 9, 9) or third[2:] != (5, 5) or middle % 2 == 0:
        return None
    return Found(
        f"srcnn-9-{middle}-5" if middle in (1, 3, 5) else "srcnn-9-5-5",
        (),
        lambda scale: SRCNN(scale, middle=middle, widths=(first[0], second[0])),
    )


SPECS = (
    network_spec(
        "srcnn-9-1-5",
        "Dong, Loy, He, Tang, ECCV 2014: SRCNN 9-1-5",
        "pre-upsampling",
        scales=(2, 3, 4),
        colour="Y",
        build=partial(SRCNN, middle=1),
        parameters=8_129,
        recognise=recognise_srcnn,
    ),
    network_spec(
        "srcnn-9-3-5",
        "Dong, Loy, He, Tang, TPAMI 2016: SRCNN 9-3-5",
        "pre-upsampling",
        scales=(2, 3, 4),
        colour="Y",
        build=partial(SRCNN, middle=3),
        parameters=24_513,
        recognise=recognise_srcnn,
    ),
    network_spec(
        "srcnn-9-5-5",
        "Dong, Loy, He, Tang, TPAMI 2016: SRCNN 9-5-5",
        "pre-upsampling",
        scales=(2, 3, 4),
        colour="Y",
        build=partial(SRCNN, middle=5),
        parameters=57_281,
        recognise=recognise_srcnn,
    ),
)
"""As published."""

"""CNN-CR and CNN-SR: what interpolation misses, learned on the way down and on the way up.

Li, Liu, Li, Li, Li, Wu, "Learning a convolutional neural network for image compact-resolution", TIP 2019. Both are as
VDSR: a chain of 3×3 convolutions whose result is added to the interpolated image. Y, 0…1, ×2. Trained at once, with
the distance of the small image from bicubic's. No code or weights were published: names are ours, the second half is
VDSR with its 20 layers, and that the first has 10 layers of 64 at the small size, the first with stride 2, is ours as
well. Figure on Set5 as quoted by IRN's authors: 38.88 dB.
"""

from __future__ import annotations

from torch import Tensor, nn

from vsr.networks.base import Found, RescalingUpscaler, Shapes
from vsr.networks.blocks import count, weights_dtype
from vsr.networks.footprint import INPUT
from vsr.networks.spec import network_spec
from vsr.networks.vdsr import VDSR
from vsr.observation import resample

__all__ = ["CNNCR", "SPECS", "recognise_cnncr"]

_DEPTHS, _WIDTH = (10, 20), 64
_AROUND = 8  # pixels of the large image, a side, that antialiased bicubic halving weighs


class _Compact(nn.Module):
    """What is added to bicubic's small image."""

    def __init__(self, depth: int, width: int) -> None:
        super().__init__()
        self.input = nn.Conv2d(1, width, 4, stride=2, padding=1)
        self.body = nn.ModuleList([nn.Conv2d(width, width, 3, padding=1) for _ in range(depth - 2)])
        self.output = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 1, 2·H, 2·W)`` → ``(B, 1, H, W)``."""
        features = self.input(images).relu()
        for conv in self.body:
            features = conv(features).relu()
        result: Tensor = self.output(features)
        return result


class CNNCR(RescalingUpscaler):
    """``depths``: layers of CNN-CR and of CNN-SR."""

    def __init__(self, scale: int, *, depths: tuple[int, int] = _DEPTHS, width: int = _WIDTH) -> None:
        super().__init__()
        if scale != 2:
            raise ValueError(f"halves and doubles, not {scale}")
        self.scale = scale
        self.cr = _Compact(depths[0], width)
        self.sr = VDSR(2, depth=depths[1], width=width)
        self.context_px = self.sr.context_px
        large = INPUT.shuffle(2)
        halved = large.strided(_AROUND, 2, _AROUND // 2 - 1)
        learned = large.strided(4, 2, 1).conv(3, times=depths[0] - 1)
        self.downscale_context_px = halved.join(learned).context_px

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 1, H, W)`` in 0…1 → ``(B, 1, 2·H, 2·W)``."""
        result: Tensor = self.sr(images)
        return result

    def downscale(self, images: Tensor) -> Tensor:
        """``(B, 1, 2·H, 2·W)`` in 0…1 → ``(B, 1, H, W)``, unrounded."""
        size_yx = (images.shape[-2] // 2, images.shape[-1] // 2)
        learned: Tensor = self.cr(images.to(weights_dtype(self)))
        return resample(images, size_yx, kernel="bicubic") + learned.to(images.dtype)


def recognise_cnncr(shapes: Shapes) -> Found | None:
    """Of any width and depths."""
    width = shapes["cr.input.weight"][0]
    depths = 2 + count(shapes, "cr.body.", ".weight"), 2 + count(shapes, "sr.residual_layer.", ".conv.weight")
    if shapes["cr.input.weight"] != (width, 1, 4, 4) or shapes["sr.input.weight"] != (width, 1, 3, 3):
        return None
    return Found("cnn-cr", (2,), lambda scale: CNNCR(scale, depths=depths, width=width))


SPECS = (
    network_spec(
        "cnn-cr",
        "after Li et al., TIP 2019: CNN-CR and CNN-SR, VDSR both ways",
        "pre-upsampling",
        scales=(2,),
        colour="Y",
        build=CNNCR,
        parameters=963_010,
        recognise=recognise_cnncr,
        family="rescaling",
    ),
)
"""Its depths are not those of a published file: there is none."""

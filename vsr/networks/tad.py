"""TAD and TAU: an encoder whose code looks like the small image, and its decoder.

Kim, Choi, Lim, Lee, "Task-aware image downscaling", ECCV 2018. Post-upsampling, RGB, 0…1. Both are trained at once, on
what comes back and on how near the small image is to an interpolated one. ×4 is ×2 twice, as in the paper. Names,
width and depth (three blocks of 64 on each side: 671,350 parameters) as in the PyTorch code of simon-schaefer (TAR),
since the authors gave none; TAR may add an interpolated image to what the encoder gives, which is not done here.
Figures on Set5 as quoted by IRN's authors: 38.46 (×2), 31.81 (×4) dB.
"""

from __future__ import annotations

from torch import Tensor, nn

from vsr.networks.base import Found, RescalingUpscaler, Shapes
from vsr.networks.blocks import count, weights_dtype
from vsr.networks.footprint import INPUT
from vsr.networks.spec import network_spec

__all__ = ["SPECS", "TAD", "recognise_tad"]

_BLOCKS, _WIDTH = 3, 64


class _Block(nn.Module):
    """Two convolutions, added to their input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.filter_block = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1)
        )

    def forward(self, features: Tensor) -> Tensor:
        """The same shape."""
        result: Tensor = features + self.filter_block(features)
        return result


class TAD(RescalingUpscaler):
    """Both ways: pixels of 2 × 2 blocks on the channels, residual blocks at the small size, and the same backwards."""

    def __init__(self, scale: int, *, blocks: int = _BLOCKS, width: int = _WIDTH) -> None:
        super().__init__()
        if scale != 2:
            raise ValueError(f"halves and doubles, not {scale}")
        self.scale, self._blocks = scale, blocks
        first, second = nn.Conv2d(3, width // 8, 3, padding=1), nn.Conv2d(width // 8, width // 4, 3, padding=1)
        self._downscaling = nn.Sequential(first, second, nn.PixelUnshuffle(2))
        self._conv_en1 = nn.Conv2d(width, width, 3, padding=1)
        self._conv_en2 = nn.Conv2d(width, 3, 3, padding=1)
        self._conv_de1 = nn.Conv2d(3, width, 3, padding=1)
        self._conv_de2 = nn.Conv2d(width, width, 3, padding=1)
        self._upscaling = nn.Sequential(
            nn.Conv2d(width, 4 * width, 3, padding=1), nn.PixelShuffle(2), nn.Conv2d(width, 3, 3, padding=1)
        )
        for number in range(1, blocks + 1):
            setattr(self, f"_res_en{number}", _Block(width))
            setattr(self, f"_res_de{number}", _Block(width))
        self.context_px = INPUT.conv(3, times=2 * blocks + 3).shuffle(2).conv(3).context_px
        encoded = INPUT.shuffle(2).conv(3, times=2).strided(2, 2, 0)
        self.downscale_context_px = encoded.conv(3, times=2 * blocks + 2).context_px

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, H, W)`` in 0…1 → ``(B, 3, 2·H, 2·W)``."""
        features = self._conv_de1(images.to(weights_dtype(self)))
        enlarged: Tensor = self._upscaling(features + self._conv_de2(self._through(features, "de")))
        return enlarged.to(images.dtype)

    def downscale(self, images: Tensor) -> Tensor:
        """``(B, 3, 2·H, 2·W)`` in 0…1 → ``(B, 3, H, W)``, unrounded."""
        features = self._downscaling(images.to(weights_dtype(self)))
        small: Tensor = self._conv_en2(features + self._conv_en1(self._through(features, "en")))
        return small.to(images.dtype)

    def _through(self, features: Tensor, way: str) -> Tensor:
        """The residual blocks of one way."""
        for number in range(1, self._blocks + 1):
            features = getattr(self, f"_res_{way}{number}")(features)
        return features


def recognise_tad(shapes: Shapes) -> Found | None:
    """Of any width and number of blocks, as many on both sides."""
    width = shapes["_conv_en1.weight"][0]
    blocks = count(shapes, "_res_en", ".filter_block.0.weight", first=1)
    if shapes["_conv_de1.weight"] != (width, 3, 3, 3) or shapes["_conv_en2.weight"] != (3, width, 3, 3):
        return None
    return Found("tad", (2,), lambda scale: TAD(scale, blocks=blocks, width=width))


SPECS = (
    network_spec(
        "tad",
        "Kim et al., ECCV 2018: TAD and TAU, an encoder and a decoder",
        "post-upsampling",
        scales=(2,),
        colour="RGB",
        build=TAD,
        parameters=671_350,
        recognise=recognise_tad,
        family="rescaling",
    ),
)
"""As in the code that its names are from."""

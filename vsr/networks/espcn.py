"""ESPCN: features at the small size, enlarged by rearranging channels.

Shi et al., "Real-time single image and video super-resolution using an efficient sub-pixel convolutional neural
network", CVPR 2016. Post-upsampling, Y, 0…1. Weights 20,032 + 288·s²: 21,184 / 22,624 / 24,640; with biases 21,284 /
22,729 / 24,752. Names and tanh as in the PyTorch code of yjn870. Figures on Set5: ×3 33.00 (ImageNet), ×4 30.76 dB.
"""

from __future__ import annotations

from torch import Tensor, nn

from vsr.networks.base import Found, Shapes, Upscaler
from vsr.networks.blocks import weights_dtype
from vsr.networks.footprint import INPUT
from vsr.networks.spec import network_spec

__all__ = ["ESPCN", "SPECS", "recognise_espcn"]


class ESPCN(Upscaler):
    """5×5 and 3×3 with tanh, 3×3 to s² channels, pixel shuffle."""

    def __init__(self, scale: int, *, widths: tuple[int, int] = (64, 32)) -> None:
        super().__init__()
        self.scale = scale
        self.context_px = INPUT.conv(5).conv(3, times=2).context_px
        self.first_part = nn.Sequential(
            nn.Conv2d(1, widths[0], 5, padding=2), nn.Tanh(), nn.Conv2d(widths[0], widths[1], 3, padding=1), nn.Tanh()
        )
        self.last_part = nn.Sequential(nn.Conv2d(widths[1], scale * scale, 3, padding=1), nn.PixelShuffle(scale))

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 1, H, W)`` in 0…1 → ``(B, 1, scale·H, scale·W)``."""
        enlarged: Tensor = self.last_part(self.first_part(images.to(weights_dtype(self))))
        return enlarged.to(images.dtype)


def recognise_espcn(shapes: Shapes) -> Found | None:
    """ESPCN of any widths."""
    widths = shapes["first_part.0.weight"][0], shapes["first_part.2.weight"][0]
    scale = round(shapes["last_part.0.weight"][0] ** 0.5)
    if len(shapes) != 6 or shapes["first_part.0.weight"][1:] != (1, 5, 5):
        return None
    if shapes["last_part.0.weight"] != (scale * scale, widths[1], 3, 3):
        return None
    return Found("espcn", (scale,), lambda scale: ESPCN(scale, widths=widths))


SPECS = (
    network_spec(
        "espcn",
        "Shi et al., CVPR 2016: ESPCN",
        "post-upsampling",
        scales=(2, 3, 4),
        colour="Y",
        build=ESPCN,
        parameters=(21_284, 22_729, 24_752),
        recognise=recognise_espcn,
    ),
)
"""As published."""

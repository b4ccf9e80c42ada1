"""FSRCNN: features at the small size, one deconvolution at the end.

Dong, Loy, Tang, "Accelerating the super-resolution convolutional neural network", ECCV 2016. Post-upsampling, Y, 0…1.
FSRCNN(56, 12, 4) has 12,464 weights at every scale: 5²·56 + 56·12 + 4·3²·12² + 12·56 + 9²·56; with 1 + 180 biases and
164 PReLU slopes 12,809. Names as in the PyTorch files of yjn870. Figures on Set5: 37.00 / 33.16 / 30.71 dB.
"""

from __future__ import annotations

from torch import Tensor, nn

from vsr.networks.base import Found, Shapes, Upscaler
from vsr.networks.spec import network_spec

__all__ = ["FSRCNN", "SPECS", "recognise_fsrcnn"]


class FSRCNN(Upscaler):
    """Feature extraction 5×5, shrinking 1×1, ``num_maps`` mappings 3×3, expanding 1×1, deconvolution 9×9."""

    def __init__(self, scale: int, *, width: int = 56, shrunk: int = 12, num_maps: int = 4) -> None:
        super().__init__()
        self.scale = scale
        self.context_px = 2 + num_maps + (scale + 3) // scale
        self.first_part = nn.Sequential(nn.Conv2d(1, width, 5, padding=2), nn.PReLU(width))
        middle: list[nn.Module] = [nn.Conv2d(width, shrunk, 1), nn.PReLU(shrunk)]
        for _ in range(num_maps):
            middle += [nn.Conv2d(shrunk, shrunk, 3, padding=1), nn.PReLU(shrunk)]
        middle += [nn.Conv2d(shrunk, width, 1), nn.PReLU(width)]
        self.mid_part = nn.Sequential(*middle)
        self.last_part = nn.ConvTranspose2d(width, 1, 9, stride=scale, padding=4, output_padding=scale - 1)

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 1, H, W)`` in 0…1 → ``(B, 1, scale·H, scale·W)``."""
        features = self.mid_part(self.first_part(images.to(self.last_part.weight.dtype)))
        enlarged: Tensor = self.last_part(features)
        return enlarged.to(images.dtype)


def recognise_fsrcnn(shapes: Shapes) -> Found | None:
    """FSRCNN of any width and depth. The weights do not tell the scale."""
    width, shrunk = shapes["first_part.0.weight"][0], shapes["mid_part.0.weight"][0]
    if shapes["last_part.weight"] != (width, 1, 9, 9):
        return None
    num_maps = sum(name.startswith("mid_part.") and shape[2:] == (3, 3) for name, shape in shapes.items())
    return Found("fsrcnn", (), lambda scale: FSRCNN(scale, width=width, shrunk=shrunk, num_maps=num_maps))


SPECS = (
    network_spec(
        "fsrcnn",
        "Dong, Loy, Tang, ECCV 2016: FSRCNN(56, 12, 4)",
        "post-upsampling",
        scales=(2, 3, 4),
        colour="Y",
        build=FSRCNN,
        parameters=12_809,
        recognise=recognise_fsrcnn,
    ),
)
"""As published."""

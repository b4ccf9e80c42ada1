"""RED-Net: an encoder of convolutions, a decoder of deconvolutions, and skips between their mirror images.

Mao, Shen, Yang, "Image restoration using very deep convolutional encoder-decoder networks with symmetric skip
connections", NIPS 2016. Pre-upsampling, Y, 0…1; one set of weights for ×2, ×3 and ×4. RED30: 15 layers of 128
channels each way, all of stride 1, a skip from every second; 4,131,072 weights (4,131K). Names are ours; no weights
are to be had. Figures on Set5: 37.66 / 33.82 / 31.51 dB.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import relu

from vsr.networks.base import Found, Shapes, Upscaler
from vsr.networks.blocks import count, enlarge
from vsr.networks.footprint import INPUT
from vsr.networks.spec import network_spec

__all__ = ["SPECS", "REDNet", "recognise_rednet"]


class REDNet(Upscaler):
    """``depth`` convolutions, as many deconvolutions; every second pair is joined by a skip, and the image itself."""

    def __init__(self, scale: int, *, depth: int = 15, width: int = 128) -> None:
        super().__init__()
        self.scale = scale
        self.context_px = INPUT.enlarged(scale, 2).conv(3, times=2 * depth).context_px
        self.encoder = nn.ModuleList(nn.Conv2d(width if number else 1, width, 3, padding=1) for number in range(depth))
        self.decoder = nn.ModuleList(
            nn.ConvTranspose2d(width, width if number < depth - 1 else 1, 3, padding=1) for number in range(depth)
        )

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 1, H, W)`` in 0…1 → ``(B, 1, scale·H, scale·W)``."""
        base = enlarge(images, self.scale)
        features = base.to(next(self.encoder.parameters()).dtype)
        kept: list[Tensor] = []
        for number, layer in enumerate(self.encoder):
            if number % 2 == 0 and number:
                kept.append(features)
            features = relu(layer(features))
        last = len(self.decoder) - 1
        for number, layer in enumerate(self.decoder):
            features = layer(features)
            if number == last:
                break
            if (last - number) % 2 == 0:
                features = features + kept.pop()
            features = relu(features)
        return base + features.to(images.dtype)


def recognise_rednet(shapes: Shapes) -> Found | None:
    """RED-Net of any width and depth."""
    depth, width = count(shapes, "encoder.", ".weight"), shapes["encoder.0.weight"][0]
    if not depth or f"decoder.{depth - 1}.weight" not in shapes or shapes["encoder.0.weight"][1] != 1:
        return None
    return Found("red30", (), lambda scale: REDNet(scale, depth=depth, width=width))


SPECS = (
    network_spec(
        "red30",
        "Mao, Shen, Yang, NIPS 2016: RED-Net, 30 layers of 128",
        "pre-upsampling",
        scales=(2, 3, 4),
        colour="Y",
        build=REDNet,
        parameters=4_134_785,
        recognise=recognise_rednet,
    ),
)
"""As published."""

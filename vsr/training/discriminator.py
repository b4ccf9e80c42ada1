"""Judges whether patches are true or made, for adversarial losses."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

__all__ = ["Discriminator"]

_SLOPE = 0.2


class Discriminator(nn.Module):
    """Strided convolutions to one judgement for each place (a patch discriminator: Isola et al., CVPR 2017).

    Spectral normalisation (Miyato et al., ICLR 2018) keeps it from changing too steeply; no batch statistics, so a
    judgement does not depend on the other patches.
    """

    def __init__(self, channels: int, *, width: int = 32, depth: int = 3) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1), nn.LeakyReLU(_SLOPE)]
        for number in range(depth):
            inner, outer = width * min(8, 2**number), width * min(8, 2 ** (number + 1))
            layers += [spectral_norm(nn.Conv2d(inner, outer, 4, stride=2, padding=1)), nn.LeakyReLU(_SLOPE)]
        layers.append(nn.Conv2d(width * min(8, 2**depth), 1, 3, padding=1))
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        """``(B, C, H, W)`` in 0…1 → ``(B, 1, H / 8, W / 8)``, above 0 for true; sides of at least 8."""
        judged: Tensor = self.layers(images)
        return judged

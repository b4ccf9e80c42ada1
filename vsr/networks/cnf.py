"""CNF: networks of different depth, which see different contexts, and a layer that fuses what they give.

Ren, El-Khamy, Lee, "Image super resolution based on fusing multiple convolution neural networks", CVPRW 2017.
Pre-upsampling, Y, 0…1: plain networks are trained one by one, then the layers of the fusion, then all together; the
result is the sum of what each gives after a 3×3 layer of its own. Built from the paper's text: the depths (8, 12 and
16) and the width (64) are ours, and so are the names; no weights are to be had. Figures on Set5: 37.66 / 33.74 /
31.55 dB.
"""

from __future__ import annotations

from torch import Tensor, nn

from vsr.networks.base import Found, Shapes, Upscaler
from vsr.networks.blocks import count, enlarge, weights_dtype
from vsr.networks.footprint import INPUT
from vsr.networks.spec import network_spec

__all__ = ["CNF", "SPECS", "recognise_cnf"]

_DEPTHS = (8, 12, 16)


def _member(width: int, depth: int) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(1, width, 3, padding=1), nn.ReLU(inplace=True)]
    for _ in range(depth - 2):
        layers += [nn.Conv2d(width, width, 3, padding=1), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.Conv2d(width, 1, 3, padding=1))


class CNF(Upscaler):
    """Plain networks of ``depths``, side by side, and their fusion."""

    def __init__(self, scale: int, *, width: int = 64, depths: tuple[int, ...] = _DEPTHS) -> None:
        super().__init__()
        self.scale = scale
        self.context_px = INPUT.enlarged(scale, 2).conv(3, times=max(depths) + 1).context_px
        self.members = nn.ModuleList(_member(width, depth) for depth in depths)
        self.fusion = nn.ModuleList(nn.Conv2d(1, 1, 3, padding=1) for _ in depths)

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 1, H, W)`` in 0…1 → ``(B, 1, scale·H, scale·W)``."""
        base = enlarge(images, self.scale)
        result = base
        for member, fuse in zip(self.members, self.fusion, strict=True):
            residual: Tensor = fuse(member(base.to(weights_dtype(self))))
            result = result + residual.to(images.dtype)
        return result


def recognise_cnf(shapes: Shapes) -> Found | None:
    """CNF of any width, depths and number of members; one set of weights for all scales."""
    members, width = count(shapes, "fusion.", ".weight"), shapes["members.0.0.weight"][0]
    prefixes = [f"members.{number}." for number in range(members)]
    depths = tuple(sum(name.startswith(prefix) and name.endswith(".weight") for name in shapes) for prefix in prefixes)
    return Found("cnf", (), lambda scale: CNF(scale, width=width, depths=depths)) if members else None


SPECS = (
    network_spec(
        "cnf",
        "Ren, El-Khamy, Lee, CVPRW 2017: CNF, three members",
        "pre-upsampling",
        scales=(2, 3, 4),
        colour="Y",
        build=CNF,
        parameters=1_111_521,
        recognise=recognise_cnf,
    ),
)
"""As its text describes it; its depths are ours."""

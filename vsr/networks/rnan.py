"""RNAN: what each block found is weighed by a branch that sees farther, at the ends over the whole image.

Zhang, Li, Li, Zhong, Fu, "Residual non-local attention networks for image restoration", ICLR 2019. Post-upsampling,
RGB, 0…255 less the mean of DIV2K. Ten blocks of 64 channels: a trunk of two residual blocks, times a mask that goes
down to half the size and up again; the first and the last block's mask begins with a non-local layer. 9.1M (×2), 9.3M
(×4). Names as in the authors' PyTorch code; no weights are to be had. The softmax runs over the places that are
looked at, as in the paper. Figures on Set5: 38.17 / 34.66 / 32.49 dB.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vsr.networks.attention import NonLocal
from vsr.networks.base import Found, Shapes
from vsr.networks.blocks import ResidualBlock, ShiftedUpscaler, count, shuffle_upsampler, upsampler_scale
from vsr.networks.spec import network_spec

__all__ = ["RNAN", "SPECS", "recognise_rnan"]


def _blocks(width: int, number: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(width) for _ in range(number)))


class _Trunk(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = _blocks(width, 2)

    def forward(self, features: Tensor) -> Tensor:
        result: Tensor = self.body(features)
        return result


class _Mask(nn.Module):
    """Down to half the size and up again; even sides."""

    def __init__(self, width: int, *, is_non_local: bool) -> None:
        super().__init__()
        first: list[nn.Module] = [NonLocal(width, width // 2)] if is_non_local else []
        self.MB_RB1 = nn.Sequential(*first, ResidualBlock(width))
        self.MB_Down = nn.Sequential(nn.Conv2d(width, width, 3, stride=2, padding=1))
        self.MB_RB2 = _blocks(width, 2)
        self.MB_Up = nn.Sequential(nn.ConvTranspose2d(width, width, 6, stride=2, padding=2))
        self.MB_RB3 = _blocks(width, 1)
        self.MB_1x1conv = nn.Sequential(nn.Conv2d(width, width, 1))

    def forward(self, features: Tensor) -> Tensor:
        found = self.MB_RB1(features)
        seen = self.MB_Up(self.MB_RB2(self.MB_Down(found)))
        mask: Tensor = self.MB_1x1conv(self.MB_RB3(found + seen))
        return torch.sigmoid(mask)


class _Attention(nn.Module):
    def __init__(self, width: int, *, is_non_local: bool) -> None:
        super().__init__()
        self.RA_RB1 = _blocks(width, 1)
        self.RA_TB = nn.Sequential(_Trunk(width))
        self.RA_MB = nn.Sequential(_Mask(width, is_non_local=is_non_local))
        self.RA_tail = _blocks(width, 2)

    def forward(self, features: Tensor) -> Tensor:
        found = self.RA_RB1(features)
        result: Tensor = self.RA_tail(self.RA_TB(found) * self.RA_MB(found) + found)
        return result


class _Group(nn.Module):
    def __init__(self, width: int, *, is_non_local: bool = False) -> None:
        super().__init__()
        self.body = nn.Sequential(_Attention(width, is_non_local=is_non_local), nn.Conv2d(width, width, 3, padding=1))

    def forward(self, features: Tensor) -> Tensor:
        result: Tensor = self.body(features)
        return result


class RNAN(ShiftedUpscaler):
    """Head, ``groups`` of which the ends see the whole image, a skip over all of them, upsampling, tail."""

    def __init__(self, scale: int, *, groups: int = 10, width: int = 64) -> None:
        super().__init__(scale)
        self.context_px, self.multiple = None, 2
        self.head = nn.Sequential(nn.Conv2d(3, width, 3, padding=1))
        self.body_nl_low = nn.Sequential(_Group(width, is_non_local=True))
        middle = [_Group(width) for _ in range(groups - 2)]
        self.body = nn.Sequential(*middle, nn.Conv2d(width, width, 3, padding=1))
        self.body_nl_high = nn.Sequential(_Group(width, is_non_local=True))
        self.tail = nn.Sequential(shuffle_upsampler(width, scale), nn.Conv2d(width, 3, 3, padding=1))

    def enlarged(self, shifted: Tensor) -> Tensor:
        """See `ShiftedUpscaler`."""
        shallow = self.head(shifted)
        found = self.body_nl_high(self.body(self.body_nl_low(shallow)))
        result: Tensor = self.tail(found + shallow)
        return result


def recognise_rnan(shapes: Shapes) -> Found | None:
    """RNAN of any width and number of groups."""
    width = shapes["head.0.weight"][0]
    if "body_nl_low.0.body.0.RA_MB.0.MB_RB1.0.g.weight" not in shapes:
        return None
    groups = 2 + count(shapes, "body.", ".body.0.RA_RB1.0.body.0.weight")
    scale = upsampler_scale(shapes, "tail.0.", width)
    return Found("rnan", (scale,), lambda scale: RNAN(scale, groups=groups, width=width))


SPECS = (
    network_spec(
        "rnan",
        "Zhang, Li, Li, Zhong, Fu, ICLR 2019: RNAN, 10 blocks",
        "post-upsampling",
        scales=(2, 3, 4),
        colour="RGB",
        build=RNAN,
        parameters=(9_107_291, 9_291_931, 9_255_003),
        recognise=recognise_rnan,
        value_range=255,
    ),
)
"""As published."""

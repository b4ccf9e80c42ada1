"""SAN: channels are weighed by how they vary together, and places by whole regions.

Dai, Cai, Zhang, Xia, Zhang, "Second-order attention network for single image super-resolution", CVPR 2019.
Post-upsampling, RGB, 0…255 less the mean of DIV2K. 20 groups of 10 residual blocks of 64 channels, each group with
second-order channel attention; region-level non-local blocks, which share their weights, ahead of them and behind
them: 15.7M. The covariance of the channels is brought to its square root by five Newton–Schulz steps, in float32.
Names as in the authors' PyTorch code as far as they are known; no weights are to be had. Figures on Set5: 38.31 /
34.75 / 32.64 dB.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vsr.networks.attention import NonLocal
from vsr.networks.base import Found, Shapes
from vsr.networks.blocks import ResidualBlock, ShiftedUpscaler, count, shuffle_upsampler, upsampler_scale
from vsr.networks.spec import network_spec

__all__ = ["SAN", "SPECS", "matrix_square_root", "recognise_san"]

_STEPS = 5


def matrix_square_root(matrices: Tensor, steps: int = _STEPS) -> Tensor:
    """``(B, C, C)`` positive semi-definite → about their square roots, by ``steps`` of Newton and Schulz."""
    trace = matrices.diagonal(dim1=-2, dim2=-1).sum(-1)[:, None, None].clamp(min=1e-12)
    identity = torch.eye(matrices.shape[-1], dtype=matrices.dtype, device=matrices.device)
    root, inverse = matrices / trace, identity.expand_as(matrices)
    for _ in range(steps):
        change = 0.5 * (3 * identity - inverse @ root)
        root, inverse = root @ change, change @ inverse
    return root * trace.sqrt()


class _SecondOrderAttention(nn.Module):
    def __init__(self, width: int, reduction: int) -> None:
        super().__init__()
        self.conv_du = nn.Sequential(
            nn.Conv2d(width, width // reduction, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width // reduction, width, 1),
            nn.Sigmoid(),
        )

    def forward(self, features: Tensor) -> Tensor:
        flat = features.flatten(2).float()
        centred = flat - flat.mean(-1, keepdim=True)
        covariance = centred @ centred.transpose(1, 2) / flat.shape[-1]
        root = matrix_square_root(covariance).mean(1)[:, :, None, None]
        weights: Tensor = self.conv_du(root.to(features.dtype))
        return features * weights


class _Regions(nn.Module):
    """A non-local block on each quarter of the image."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.non_local = NonLocal(width, width // 8)

    def forward(self, features: Tensor) -> Tensor:
        middle_y, middle_x = (side // 2 for side in features.shape[-2:])
        halves = (features[..., :middle_y, :], features[..., middle_y:, :])
        parts = [[self.non_local(part) for part in (half[..., :middle_x], half[..., middle_x:])] for half in halves]
        return torch.cat([torch.cat(row, -1) for row in parts], -2)


class _Group(nn.Module):
    def __init__(self, width: int, blocks: int, reduction: int) -> None:
        super().__init__()
        self.rcab = nn.Sequential(*(ResidualBlock(width) for _ in range(blocks)))
        self.soca = _SecondOrderAttention(width, reduction)
        self.conv_last = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        result: Tensor = self.conv_last(self.soca(self.rcab(features)))
        return result + features


class SAN(ShiftedUpscaler):
    """Head, regions, ``groups`` with a skip that all of them share, regions, upsampling, tail."""

    def __init__(self, scale: int, *, groups: int = 20, blocks: int = 10, width: int = 64, reduction: int = 16) -> None:
        super().__init__(scale)
        self.context_px, self.min_size = None, 2
        self.head = nn.Sequential(nn.Conv2d(3, width, 3, padding=1))
        self.non_local = _Regions(width)
        self.gamma = nn.Parameter(torch.zeros(1))
        self.RG = nn.ModuleList(_Group(width, blocks, reduction) for _ in range(groups))
        self.tail = nn.Sequential(shuffle_upsampler(width, scale), nn.Conv2d(width, 3, 3, padding=1))

    def enlarged(self, shifted: Tensor) -> Tensor:
        """See `ShiftedUpscaler`."""
        shallow = self.head(shifted)
        source = self.non_local(shallow)
        features = source
        for group in self.RG:
            features = group(features) + self.gamma * source
        result: Tensor = self.tail(self.non_local(features) + shallow)
        return result


def recognise_san(shapes: Shapes) -> Found | None:
    """SAN of any width and depth."""
    width, reduced = shapes["head.0.weight"][0], shapes["RG.0.soca.conv_du.0.weight"][0]
    groups = count(shapes, "RG.", ".soca.conv_du.0.weight")
    blocks = count(shapes, "RG.0.rcab.", ".body.0.weight")
    if "non_local.non_local.g.weight" not in shapes or not blocks:
        return None
    scale = upsampler_scale(shapes, "tail.0.", width)

    def build(scale: int) -> SAN:
        return SAN(scale, groups=groups, blocks=blocks, width=width, reduction=width // reduced)

    return Found("san", (scale,), build)


SPECS = (
    network_spec(
        "san",
        "Dai, Cai, Zhang, Xia, Zhang, CVPR 2019: SAN",
        "post-upsampling",
        scales=(2, 3, 4),
        colour="RGB",
        build=SAN,
        parameters=(15_674_756, 15_859_396, 15_822_468),
        recognise=recognise_san,
        value_range=255,
    ),
)
"""As published."""

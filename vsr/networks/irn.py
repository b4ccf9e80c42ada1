"""IRN and FIRN: an image downscaled and enlarged again by one network, run forwards and backwards.

Xiao, Zheng, Liu, Wang, He, Ke, Bian, Lin, Liu, "Invertible image rescaling", ECCV 2020. Each halving splits the image
into its mean and its differences (Haar), and blocks that can be undone move what the mean can hold into it. The small
image is the first three channels of what comes out; the others are trained to be standard normal noise, which stands
in for them on the way back. RGB, 0…1. Names as in the authors' PyTorch code (pkuxmq): 8 blocks a halving, 1.66M (×2)
and 4.35M (×4) parameters. Figures on Set5, from its own small images in 8 bits: 43.99 (×2), 36.19 (×4) dB. What was
downscaled by other means comes out worse than by interpolation (26.6 dB).

FIRN (qwopqwop200, "Fast Invertible Rescaling Net", 2020) has smaller subnets with attention to pixels: 320,880 numbers
(×4).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from vsr.networks.base import Found, RescalingUpscaler, Shapes
from vsr.networks.blocks import weights_dtype
from vsr.networks.footprint import INPUT, Footprint
from vsr.networks.spec import network_spec
from vsr.networks.transforms import block_kernels, from_bands, to_bands

__all__ = ["IRN", "SPECS", "firn", "irn", "recognise_irn"]

_COLOURS = 3  # channels of the small image
_BLOCKS = 8  # a halving, as published
_GROWTH = 32
_SLOPE = 0.2

_Subnet = Callable[[int, int, float], nn.Module]
"""Of channels in, channels out, and how much wider than its input it is."""


class _Dense(nn.Module):
    """Five convolutions, each of which sees all before it."""

    def __init__(self, inputs: int, outputs: int, width: float) -> None:
        super().__init__()
        for number in range(4):
            setattr(self, f"conv{number + 1}", nn.Conv2d(inputs + number * _GROWTH, _GROWTH, 3, padding=1))
        self.conv5 = nn.Conv2d(inputs + 4 * _GROWTH, outputs, 3, padding=1)

    def forward(self, given: Tensor) -> Tensor:
        """``(B, inputs, H, W)`` → ``(B, outputs, H, W)``."""
        seen = given
        for number in range(4):
            convolved = getattr(self, f"conv{number + 1}")(seen)
            seen = torch.cat([seen, functional.leaky_relu(convolved, _SLOPE)], 1)
        result: Tensor = self.conv5(seen)
        return result


class _PixelAttention(nn.Module):
    """Each number times what a 1×1 convolution thinks of it, between 0 and 1."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 1)

    def forward(self, given: Tensor) -> Tensor:
        """The same shape."""
        return given * torch.sigmoid(self.conv(given))


class _Distilling(nn.Module):
    """Three residual convolutions, each with a part that is kept, and a last; FIRN's subnet."""

    def __init__(self, inputs: int, outputs: int, width: float) -> None:
        super().__init__()
        kept = int(inputs * width)
        inside = kept if width > 1 else inputs
        self.expandconv = nn.Conv2d(inputs, inside, 3, padding=1) if width > 1 else None
        for number in (1, 2, 3):
            setattr(self, f"c{number}_d", nn.Conv2d(inside, kept, 1))
            setattr(self, f"c{number}_r", nn.Conv2d(inside, inside, 3, padding=1))
        self.c4 = nn.Conv2d(inside, kept, 3, padding=1)
        self.c5 = nn.Conv2d(4 * kept, outputs, 1)
        self.PA = _PixelAttention(outputs)

    def forward(self, given: Tensor) -> Tensor:
        """``(B, inputs, H, W)`` → ``(B, outputs, H, W)``."""
        act = partial(functional.leaky_relu, negative_slope=_SLOPE)
        features = given if self.expandconv is None else act(self.expandconv(given))
        kept = []
        for number in (1, 2, 3):
            kept.append(act(getattr(self, f"c{number}_d")(features)))
            features = act(getattr(self, f"c{number}_r")(features) + features)
        kept.append(act(self.c4(features)))
        result: Tensor = self.PA(self.c5(torch.cat(kept, 1)))
        return result


class _Block(nn.Module):
    """Changes the small image by what the rest holds, then the rest by the small image; both can be undone.

    Sums, products and quotients are made in the type of the input; the subnets compute in that of their weights.
    """

    def __init__(self, channels: int, subnet: _Subnet, *, reduces: bool) -> None:
        super().__init__()
        rest = channels - _COLOURS
        seen = rest // 2 if reduces else rest
        self.reduce_conv = nn.Sequential(nn.Conv2d(rest, seen, 1), nn.LeakyReLU(_SLOPE)) if reduces else None
        self.F = subnet(seen, _COLOURS, 0.5)
        self.G = subnet(_COLOURS, rest, 3)
        self.H = subnet(_COLOURS, rest, 3)

    def _of_rest(self, rest: Tensor) -> Tensor:
        given = rest.to(weights_dtype(self.F))
        seen = given if self.reduce_conv is None else self.reduce_conv(given)
        result: Tensor = self.F(seen).to(rest.dtype)
        return result

    def _of_small(self, small: Tensor) -> tuple[Tensor, Tensor]:
        """What the rest is multiplied by, and what is added to it."""
        given = small.to(weights_dtype(self.G))
        strength = torch.sigmoid(self.H(given).to(small.dtype)) * 2 - 1
        return torch.exp(strength), self.G(given).to(small.dtype)

    def forward(self, state: Tensor) -> Tensor:
        """On the way down, ``(B, channels, H, W)``."""
        small, rest = state[:, :_COLOURS], state[:, _COLOURS:]
        small = small + self._of_rest(rest)
        factor, summand = self._of_small(small)
        return torch.cat([small, rest * factor + summand], 1)

    def undone(self, state: Tensor) -> Tensor:
        """On the way up: the inverse of `forward`."""
        small, rest = state[:, :_COLOURS], state[:, _COLOURS:]
        factor, summand = self._of_small(small)
        rest = (rest - summand) / factor
        return torch.cat([small - self._of_rest(rest), rest], 1)


class _Haar(nn.Module):
    """A halving of both sides: for each channel the mean of four pixels and three differences, all means first."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.haar_weights = nn.Parameter(2 * block_kernels().repeat(channels, 1, 1, 1), requires_grad=False)

    def forward(self, large: Tensor) -> Tensor:
        """``(B, channels, 2·H, 2·W)`` → ``(B, 4·channels, H, W)``."""
        return to_bands(large, self.haar_weights[:4]) / 4

    def undone(self, split: Tensor) -> Tensor:
        """The inverse of `forward`."""
        return from_bands(split, self.haar_weights[:4])


class IRN(RescalingUpscaler):
    """Halvings with blocks after each; backwards, with noise for all but the small image, it enlarges."""

    def __init__(self, scale: int, *, blocks: tuple[int, ...] | None = None, distils: bool = False) -> None:
        super().__init__()
        blocks = blocks or (_BLOCKS,) * (scale.bit_length() - 1)
        if scale != 1 << len(blocks):
            raise ValueError(f"{len(blocks)} halvings make no scale of {scale}")
        self.scale, self.in_channels = scale, _COLOURS * scale * scale
        self.noise_channels = self.in_channels - _COLOURS
        reach = (4, 5) if distils else (5, 5)
        self.context_px, self.downscale_context_px = _context(blocks, reach), _downscale_context(blocks, reach)
        operations: list[nn.Module] = []
        channels = _COLOURS
        for count in blocks:
            operations.append(_Haar(channels))
            channels *= 4
            subnet: _Subnet = _Distilling if distils else _Dense
            operations += [_Block(channels, subnet, reduces=distils) for _ in range(count)]
        self.operations = nn.ModuleList(operations)

    def forward(self, given: Tensor) -> Tensor:
        """``(B, 3·scale², H, W)``, the small image in 0…1 and noise, → ``(B, 3, scale·H, scale·W)``."""
        state = given
        for operation in reversed(self.operations):
            assert isinstance(operation, _Block | _Haar)
            state = operation.undone(state)
        return state

    def analyse(self, images: Tensor) -> Tensor:
        """``(B, 3, scale·H, scale·W)`` → ``(B, 3·scale², H, W)``, the inverse of `forward`."""
        state = images
        for operation in self.operations:
            state = operation(state)
        return state

    def downscale(self, images: Tensor) -> Tensor:
        """``(B, 3, scale·H, scale·W)`` in 0…1 → ``(B, 3, H, W)``, unrounded."""
        return self.analyse(images)[:, :_COLOURS]


def irn(scale: int) -> IRN:
    """As published."""
    return IRN(scale)


def firn(scale: int) -> IRN:
    """The fast one."""
    return IRN(scale, distils=True)


def _context(blocks: tuple[int, ...], reach: tuple[int, int]) -> int:
    """``reach``: convolutions of 3 in the subnets that see the rest and the small image."""
    small: Footprint = INPUT
    rest: Footprint = INPUT
    for count in reversed(blocks):
        for _ in range(count):
            rest = rest.join(small.conv(3, times=reach[1]))
            small = small.join(rest.conv(3, times=reach[0]))
        small = rest = small.join(rest).shuffle(2)
    return small.context_px


def _downscale_context(blocks: tuple[int, ...], reach: tuple[int, int]) -> int:
    """The same on the way down, in small pixels."""
    small: Footprint = INPUT.shuffle(1 << len(blocks))
    for count in blocks:
        small = rest = small.strided(2, 2, 0)
        for _ in range(count):
            small = small.join(rest.conv(3, times=reach[0]))
            rest = rest.join(small.conv(3, times=reach[1]))
        small = small.join(rest) if small.factor > 1 else small
    return small.context_px


def recognise_irn(shapes: Shapes) -> Found | None:
    """IRN or FIRN of any number of halvings and blocks."""
    numbers = sorted({int(name.split(".")[1]) for name in shapes if name.startswith("operations.")})
    halvings = [number for number in numbers if f"operations.{number}.haar_weights" in shapes]
    if numbers != list(range(len(numbers))) or halvings[:1] != [0]:
        return None
    counts = tuple(stop - start - 1 for start, stop in zip(halvings, [*halvings[1:], len(numbers)], strict=True))
    distils = "operations.1.F.c1_d.weight" in shapes
    if not distils and shapes["operations.1.F.conv1.weight"][0] != _GROWTH:
        return None
    return Found(
        "firn" if distils else "irn",
        (1 << len(halvings),),
        lambda scale: IRN(scale, blocks=counts, distils=distils),
    )


SPECS = (
    network_spec(
        "irn",
        "Xiao et al., ECCV 2020: IRN, downscaled and upscaled by one invertible network",
        "progressive",
        scales=(2, 4),
        colour="RGB",
        build=irn,
        parameters=(1_668_000, 4_355_376),
        recognise=recognise_irn,
        family="rescaling",
        is_generative=True,
    ),
    network_spec(
        "firn",
        "qwopqwop200, 2020: Fast Invertible Rescaling Net",
        "progressive",
        scales=(2, 4),
        colour="RGB",
        build=firn,
        parameters=(67_416, 320_880),
        recognise=recognise_irn,
        family="rescaling",
        is_generative=True,
    ),
)
"""As published."""

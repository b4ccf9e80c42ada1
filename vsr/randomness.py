"""Noise that is counted, not drawn: each number follows from the seed and from where it belongs, and from nothing else.

Networks that sample need the same noise for a pixel in every tile, segment and process. So
the numbers come from a generator without state: a block cipher's rounds over a counter (Salmon, Moraes, Dror, Shaw,
"Parallel random numbers: as easy as 1, 2, 3", SC 2011: Philox4x32-10), and from uniform to normal by Box and Muller.
Only sums, products, quotients and square roots of float64 are used, each rounded alike on all devices; the logarithm
and the sine of a library may differ in their last bit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

__all__ = ["NoiseField", "philox"]

_WORD = 0xFFFFFFFF
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_LANES = 4  # numbers that a counter gives: neighbours in a row
_CHUNK = 1 << 16  # counters at a time: memory stays bounded, and the calls are few
_MOST_CHANNELS = 1 << 16


def philox(counter: tuple[Tensor, Tensor, Tensor, Tensor], key: tuple[int, int]) -> tuple[Tensor, ...]:
    """Philox4x32-10 of four words of ``counter`` and two of ``key``: four words, as the paper's authors compute them.

    Words are 0…2³²−1, in int64 tensors that can be broadcast to one shape, on any device.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(_ROUNDS):
        first, second = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]  # 64 bits; the highest is taken for a sign
        c0, c1, c2, c3 = (
            ((second >> 32) & _WORD) ^ (c1 ^ k0),
            second & _WORD,
            ((first >> 32) & _WORD) ^ (c3 ^ k1),
            first & _WORD,
        )
        k0, k1 = (k0 + _KEY_STEPS[0]) & _WORD, (k1 + _KEY_STEPS[1]) & _WORD
    return c0, c1, c2, c3


def _log(values: Tensor) -> Tensor:
    """Natural logarithm of normal float64 above 0, to 1e-15 of 1 or of itself."""
    bits = values.view(torch.int64)
    exponent = ((bits >> 52) - 1023).to(torch.float64)
    mantissa = ((bits & 0xFFFFFFFFFFFFF) | 0x3FF0000000000000).view(torch.float64)  # 1…2
    root = math.sqrt(2.0)
    s = (mantissa - root) / (mantissa + root)  # within 0.172
    square = s * s
    return (exponent + 0.5) * math.log(2.0) + 2.0 * s * _polynomial(square, [1 / (2 * k + 1) for k in range(10)])


def _polynomial(x: Tensor, coefficients: list[float]) -> Tensor:
    """Σ coefficients[k]·xᵏ, a product and a sum at a time: fused, they would be rounded otherwise."""
    total = x * coefficients[-1]
    for coefficient in reversed(coefficients[1:-1]):
        total += coefficient
        total *= x
    return total.add_(coefficients[0])


def _normal_pair(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Two independent standard normal float64 of two words: Box and Muller, "Random normal deviates", 1958."""
    radius = (_log((first.to(torch.float64) + 0.5) * 2.0**-32) * -2.0).sqrt()
    angle = (((second & 0x3FFFFFFF).to(torch.float64) + 0.5) * 2.0**-30 - 0.5) * (math.pi / 2)  # within π/4
    square = angle * angle
    sine = angle * _polynomial(square, [(-1) ** k / math.factorial(2 * k + 1) for k in range(9)])
    cosine = _polynomial(square, [(-1) ** k / math.factorial(2 * k) for k in range(9)])
    is_turned = (second & 0x40000000) != 0  # the two highest bits turn by a quarter and by a half
    signed = radius * (1.0 - (second >> 31).to(torch.float64) * 2.0)
    one, other = torch.where(is_turned, sine, cosine), torch.where(is_turned, cosine, -sine)
    return signed * one, signed * other


@dataclass(frozen=True)
class NoiseField:
    """Standard normal noise that belongs to one frame: many channels, without bounds to the right and below."""

    seed: int
    """0 to 2⁶⁴−1."""
    ordinal: int
    """The frame's, 0 to 2³²−1."""
    number: int = 0
    """One of many fields of a frame, 0 to 2¹⁶−1: another sample, another pass."""

    def __post_init__(self) -> None:
        for name, bits in (("seed", 64), ("ordinal", 32), ("number", 16)):
            value = getattr(self, name)
            if not 0 <= value < 1 << bits:
                raise ValueError(f"{name} is {value}; allowed are 0 to 2^{bits}-1")

    def window(
        self, channels: int, top: int, left: int, height: int, width: int, *, device: torch.device | None = None
    ) -> Tensor:
        """The first ``channels`` channels from row ``top`` and column ``left`` on: ``(channels, height, width)``.

        Float32 on ``device`` (the CPU). The same place has the same number in every window, on every device.
        """
        if min(channels, top, left, height, width) < 0 or channels > _MOST_CHANNELS:
            raise ValueError(f"no window of {channels} channels, {height}x{width} at {top}, {left}")
        if max(top + height, left + width) > 1 << 31:
            raise ValueError(f"a window of {height}x{width} at {top}, {left} reaches beyond 2^31")
        noise = torch.empty(channels, height, width, device=device)
        if noise.numel():
            first, last = left // _LANES, -(-(left + width) // _LANES)
            skipped = left - first * _LANES
            blocks = torch.arange(first, last, device=device)
            for channel in range(channels):
                for start, stop in _strips(height, last - first):
                    rows = torch.arange(top + start, top + stop, device=device)
                    noise[channel, start:stop] = self._rows(channel, rows, blocks)[:, skipped : skipped + width]
        return noise

    def _rows(self, channel: int, rows: Tensor, blocks: Tensor) -> Tensor:
        """``(rows, 4·blocks)`` float32."""
        here = torch.tensor((channel | self.number << 16, self.ordinal), device=rows.device)
        words = philox((blocks[None, :], rows[:, None], here[0], here[1]), (self.seed & _WORD, self.seed >> 32))
        lanes = (*_normal_pair(words[0], words[1]), *_normal_pair(words[2], words[3]))
        return torch.stack(lanes, -1).to(torch.float32).reshape(len(rows), -1)


def _strips(height: int, wide: int) -> Iterator[tuple[int, int]]:
    """Rows ``0…height`` in parts of about `_CHUNK` counters, ``wide`` in a row."""
    return pairwise([*range(0, height, max(1, _CHUNK // wide)), height])

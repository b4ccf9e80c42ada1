"""How far an output pixel sees: receptive fields worked out layer by layer, exactly.

Sizes of tiles' overlaps rest on this, so it must not be too small; and it should not be too large, since overlap is
work done twice.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["INPUT", "Footprint"]


@dataclass(frozen=True)
class Footprint:
    """Along one axis, what the samples of a feature map depend on, in input pixels from the pixel they lie in.

    A map that is ``factor`` times as fine as the input has ``factor`` phases; the sample ``q·factor + p`` depends on
    the inputs ``q + low[p]`` to ``q + high[p]``, both included. Where phases come again after ``period`` input pixels
    only, ``factor`` counts the samples of a period and q counts periods: ``q·period + low[p]``.
    """

    low: tuple[int, ...]
    high: tuple[int, ...]
    period: int = 1

    @property
    def factor(self) -> int:
        """Samples per input pixel, or per period."""
        return len(self.low)

    @property
    def context_px(self) -> int:
        """The farthest that any sample sees, in input pixels."""
        own = [phase * self.period // self.factor for phase in range(self.factor)]
        right = [high - place for high, place in zip(self.high, own, strict=True)]
        return max(*right, *(place - low for low, place in zip(self.low, own, strict=True)))

    def in_periods(self, period: int) -> Footprint:
        """The same map, whose phases come again after ``period`` times as many input pixels."""
        starts = [number * self.period for number in range(period)]
        low = tuple(start + low for start in starts for low in self.low)
        high = tuple(start + high for start in starts for high in self.high)
        return Footprint(low, high, self.period * period)

    def _reading(self, factor: int, reads: Callable[[int], tuple[int, int]]) -> Footprint:
        """A map of ``factor`` phases whose sample ``p`` reads samples ``first`` to ``last`` of this one."""
        low, high = [], []
        for phase in range(factor):
            first, last = reads(phase)
            seen = [(divmod(index, self.factor)) for index in range(first, last + 1)]
            low.append(min(cell * self.period + self.low[p] for cell, p in seen))
            high.append(max(cell * self.period + self.high[p] for cell, p in seen))
        return Footprint(tuple(low), tuple(high), self.period)

    def conv(self, size: int, times: int = 1, *, dilation: int = 1) -> Footprint:
        """After ``times`` convolutions of an odd size that keep the size of the map."""
        reach = size // 2 * dilation
        result = self
        for _ in range(times):
            result = result._reading(self.factor, lambda index: (index - reach, index + reach))
        return result

    def deconv(self, size: int, stride: int, padding: int) -> Footprint:
        """After a transposed convolution that makes the map ``stride`` times as fine, ``padding`` cut off ahead."""
        return self._reading(
            self.factor * stride,
            lambda index: (math.ceil((index + padding - size + 1) / stride), (index + padding) // stride),
        )

    def strided(self, size: int, stride: int, padding: int) -> Footprint:
        """After a convolution that makes the map ``stride`` times as coarse."""
        first = -padding
        return self._reading(
            self.factor // stride, lambda index: (index * stride + first, index * stride + first + size - 1)
        )

    def shuffle(self, factor: int) -> Footprint:
        """After a pixel shuffle."""
        return self._reading(self.factor * factor, lambda index: (index // factor, index // factor))

    def enlarged(self, factor: int, radius: int) -> Footprint:
        """After interpolation with a kernel that reaches less than ``radius`` samples: 1 linear, 2 cubic."""

        def reads(index: int) -> tuple[int, int]:
            centre = (2 * index + 1 - factor) / (2 * factor)
            return math.floor(centre - radius) + 1, math.ceil(centre + radius) - 1

        return self._reading(self.factor * factor, reads)

    def join(self, *others: Footprint) -> Footprint:
        """Where maps of one size meet, by sum or by stacking."""
        maps = (self, *others)
        low = tuple(min(values) for values in zip(*(m.low for m in maps), strict=True))
        high = tuple(max(values) for values in zip(*(m.high for m in maps), strict=True))
        return Footprint(low, high, self.period)


INPUT = Footprint((0,), (0,))
"""The input itself."""

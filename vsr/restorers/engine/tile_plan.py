"""How large tiles are: from the network, the picture and the class of device alone, so every worker cuts alike."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from vsr.restorers.engine.hardware import Budget
from vsr.restorers.engine.tiling import Span, blended_spans, exact_spans

__all__ = ["Load", "TilePlan", "plan_tiles"]

_WHOLE_PICTURE_TILE = 256  # of networks that look at the whole picture
_WHOLE_PICTURE_OVERLAP = 32
_MOST_TILES = 24  # along an axis, before tiles are made smaller than memory asks for
_SLOW = 1.4  # times as long with fresh memory at each layer
_LEAST_TILE = 16
_AT_ONCE = 1.5  # peak of a layer's input and output, with what else is still held


@dataclass(frozen=True)
class Load:
    """What a network holds at a time for each input pixel, in numbers."""

    layer: float
    """Input and output of its widest layer together."""
    tensor: float
    """The largest single tensor."""

    def peak_bytes(self, pixels: int, itemsize: int) -> float:
        """Estimate of the memory that ``pixels`` input pixels take."""
        return self.layer * _AT_ONCE * itemsize * pixels


@dataclass(frozen=True)
class TilePlan:
    """Where a picture is cut."""

    rows: tuple[Span, ...]
    columns: tuple[Span, ...]

    @property
    def window_yx(self) -> tuple[int, int]:
        """The largest window that the network is given, in input pixels."""
        return max(s.stop - s.start for s in self.rows), max(s.stop - s.start for s in self.columns)


def _windows(spans: Sequence[Span]) -> tuple[int, int]:
    """Pixels of all windows together, and of the largest."""
    sizes = [span.stop - span.start for span in spans]
    return sum(sizes), max(sizes)


def plan_tiles(
    size_yx: tuple[int, int],
    context: int | None,
    load: Load,
    itemsize: int,
    budget: Budget,
    *,
    multiple: int = 1,
    min_size: int = 1,
    tile_px: int | None = None,
) -> TilePlan:
    """The cut of a picture of ``size_yx``, multiples of ``multiple``, that costs least within ``budget``.

    ``context`` is the network's receptive radius; None: it looks at the whole picture, and tiles have a fixed size.
    ``itemsize``: bytes of a number. ``tile_px`` sets the size of tiles.
    """
    if context is None:
        tile = max(min_size, tile_px or _WHOLE_PICTURE_TILE)
        tile = math.ceil(tile / multiple) * multiple
        overlap = min(_WHOLE_PICTURE_OVERLAP, tile // 4)
        rows, columns = (blended_spans(size, tile, overlap, multiple=multiple) for size in size_yx)
        return TilePlan(rows, columns)
    around = context

    def cut(size: int, tile: int) -> tuple[Span, ...]:
        return exact_spans(size, tile, around, multiple=multiple, min_size=min_size)

    if tile_px is not None:
        return TilePlan(cut(size_yx[0], tile_px), cut(size_yx[1], tile_px))

    def cost(rows: Sequence[Span], columns: Sequence[Span]) -> tuple[float, ...]:
        (all_rows, tallest), (all_columns, widest) = _windows(rows), _windows(columns)
        window = tallest * widest
        excess = max(0.0, load.peak_bytes(window, itemsize) - budget.tile_bytes)
        quick = budget.quick_tensor_bytes
        is_slow = quick is not None and load.tensor * itemsize * window > quick
        return excess, all_rows * all_columns * (_SLOW if is_slow else 1.0), len(rows) * len(columns)

    choices = [[cut(size, math.ceil(size / count)) for count in _counts(size)] for size in size_yx]
    return TilePlan(*min(itertools.product(*choices), key=lambda pair: cost(*pair)))


def _counts(size: int) -> range:
    return range(1, 1 + max(1, min(max(_MOST_TILES, math.ceil(size / 256)), size // _LEAST_TILE)))

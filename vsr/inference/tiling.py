"""Large images piece by piece: tiles with as much around them as a network looks at, and the seams between them.

A network with a finite receptive field gives the same for a tile with that much context as for the whole image, so
nothing of the tiles shows. One that looks at the whole image gives something else for every tile; there the tile
has one fixed size, and neighbours are faded into each other.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vsr.inference.hardware import Budget

__all__ = ["Load", "Span", "TilePlan", "blended_spans", "exact_spans", "plan_tiles", "run_tiles"]


@dataclass(frozen=True)
class Span:
    """One tile along one axis, in input pixels; ranges are half-open."""

    start: int
    """First pixel that the network is given."""
    stop: int
    first: int
    """First pixel whose result is used."""
    last: int
    """After the last pixel whose result is used."""
    fade_px: int = 0
    """Used pixels at the start that the tile before uses, too: its result fades out there, this one's fades in."""


def _up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def exact_spans(size: int, tile: int, context: int, *, multiple: int = 1, min_size: int = 1) -> tuple[Span, ...]:
    """Spans of an axis of ``size`` with ``context`` pixels on each side, as far as the image reaches.

    About ``tile`` pixels are used of each. Windows begin and end at multiples of ``multiple``, which ``size`` must
    be one of, and hold at least ``min_size`` pixels, if there are so many.
    """
    count = math.ceil(size / max(1, tile))
    step = _up(math.ceil(size / count), multiple)
    around = _up(context, multiple)
    spans = []
    for first in range(0, size, step):
        last = min(size, first + step)
        start, stop = max(0, first - around), min(size, last + around)
        start = max(0, min(start, stop - _up(min_size, multiple)))
        stop = min(size, max(stop, start + _up(min_size, multiple)))
        spans.append(Span(start, stop, first, last))
    return tuple(spans)


def blended_spans(size: int, tile: int, overlap: int, *, multiple: int = 1) -> tuple[Span, ...]:
    """Spans of exactly ``tile`` pixels (all of a smaller axis), spread evenly, neighbours faded over ``overlap``.

    ``size`` and ``tile`` are multiples of ``multiple``, and all windows begin at some. There is less overlap where that
    leaves no room for it.
    """
    if size <= tile:
        return (Span(0, size, 0, size),)
    stride = max(multiple, (tile - overlap) // multiple * multiple)
    overlap = min(overlap, tile - stride)
    count = math.ceil((size - tile) / stride) + 1
    places = (size - tile) // multiple
    starts = [places * number // (count - 1) * multiple for number in range(count)]
    spans = [Span(0, tile, 0, tile)]
    for before, start in itertools.pairwise(starts):
        shared = before + tile - start
        skipped = (shared - overlap) // 2  # at each end of what they share: the middle of a tile knows more
        spans[-1] = Span(before, before + tile, spans[-1].first, start + skipped + overlap, spans[-1].fade_px)
        spans.append(Span(start, start + tile, start + skipped, start + tile, overlap))
    return tuple(spans)


def _lay(target: Tensor, part: Tensor, place: int, faded: int, dim: int) -> None:
    """Write ``part`` into ``target`` from ``place`` on along ``dim``; over its first ``faded`` samples it fades in."""
    if faded:
        weight = (torch.arange(faded, dtype=part.dtype, device=part.device) + 0.5) / faded
        weight = weight.unsqueeze(-1) if dim == -2 else weight
        under = target.narrow(dim, place, faded)
        under.copy_(torch.lerp(under, part.narrow(dim, 0, faded), weight))
    length = int(part.shape[dim]) - faded
    target.narrow(dim, place + faded, length).copy_(part.narrow(dim, faded, length))


def run_tiles(
    image: Tensor, run: Callable[[Tensor], Tensor], scale: int, rows: Sequence[Span], columns: Sequence[Span]
) -> Iterator[Tensor]:
    """Bands ``(B, C, h, scale·W)`` from top to bottom of what ``run`` makes of ``image`` ``(B, C, H, W)``.

    ``run`` gives ``(B, C, scale·h, scale·w)`` for a window ``(B, C, h, w)``. The bands together are the whole result.
    """
    waiting: Tensor | None = None  # last rows of the band before, which this one fades into
    for number, row in enumerate(rows):
        band = _band(image, run, scale, row, columns)
        faded = row.fade_px * scale
        if waiting is not None and faded:
            first = band[..., :faded, :].clone()
            band[..., :faded, :] = waiting
            _lay(band[..., :faded, :], first, 0, faded, -2)
        shared = rows[number + 1].fade_px * scale if number + 1 < len(rows) else 0
        done = int(band.shape[-2]) - shared
        waiting = band[..., done:, :].clone() if shared else None
        yield band[..., :done, :]
        del band  # it may be large, and the next one is made before this name is used again


def _band(image: Tensor, run: Callable[[Tensor], Tensor], scale: int, row: Span, columns: Sequence[Span]) -> Tensor:
    """The used rows of a row of tiles, put together."""
    band: Tensor | None = None
    top, height = (row.first - row.start) * scale, (row.last - row.first) * scale
    for column in columns:
        result = run(image[..., row.start : row.stop, column.start : column.stop])
        left, width = (column.first - column.start) * scale, (column.last - column.first) * scale
        part = result[..., top : top + height, left : left + width]
        if len(columns) == 1:
            return part
        if band is None:
            band = part.new_empty((*part.shape[:-1], columns[-1].last * scale))
        _lay(band, part, column.first * scale, column.fade_px * scale, -1)
    assert band is not None
    return band


_WHOLE_IMAGE_TILE = 256  # of networks that look at the whole image
_WHOLE_IMAGE_OVERLAP = 32
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
    """Where an image is cut."""

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
    """The cut of an image of ``size_yx``, multiples of ``multiple``, that costs least within ``budget``.

    ``context`` is the network's receptive radius; None: it looks at the whole image, and tiles have a fixed size.
    ``itemsize``: bytes of a number. ``tile_px`` sets the size of tiles.
    """
    if context is None:
        tile = max(min_size, tile_px or _WHOLE_IMAGE_TILE)
        tile = math.ceil(tile / multiple) * multiple
        overlap = min(_WHOLE_IMAGE_OVERLAP, tile // 4)
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

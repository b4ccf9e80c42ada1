"""Large pictures piece by piece: tiles with as much around them as a network looks at, and the seams between them.

A network with a finite receptive field gives the same for a tile with that much context as for the whole picture, so
nothing of the tiles shows. One that looks at the whole picture gives something else for every tile; there the tile
has one fixed size, and neighbours are faded into each other.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Span", "blended_spans", "exact_spans", "run_tiles"]


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
    """Spans of an axis of ``size`` with ``context`` pixels on each side, as far as the picture reaches.

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
    """Spans of exactly ``tile`` pixels (all of a smaller axis), spread evenly, neighbours sharing ``overlap`` or more.

    ``tile`` is a multiple of ``multiple``; all windows begin at multiples of it.
    """
    if size <= tile:
        return (Span(0, size, 0, size),)
    count = math.ceil((size - overlap) / (tile - overlap))
    starts = [(size - tile) * number // (count - 1) // multiple * multiple for number in range(count - 1)]
    starts.append(size - tile)
    spans = [Span(0, tile, 0, tile)]
    for before, start in itertools.pairwise(starts):
        shared = before + tile - start
        skipped = (shared - overlap) // 2  # at each end of what they share: the middle of a tile knows more
        spans[-1] = Span(before, before + tile, spans[-1].first, start + skipped + overlap, spans[-1].fade_px)
        spans.append(Span(start, start + tile, start + skipped, start + tile, overlap))
    return tuple(spans)


def _fade_in(span: Span, scale: int, like: Tensor) -> Tensor:
    """Weights of the used samples where this tile fades in, from 0 to 1."""
    count = span.fade_px * scale
    return (torch.arange(count, dtype=like.dtype, device=like.device) + 0.5) / count


def _joined(parts: Sequence[tuple[Span, Tensor]], scale: int, dim: int) -> Tensor:
    """Results of neighbouring spans put together along ``dim``, faded where they overlap."""
    pieces: list[Tensor] = []
    for span, part in parts:
        faded = span.fade_px * scale
        if faded and pieces:
            before = pieces[-1]
            kept = before.shape[dim] - faded
            weight = _fade_in(span, scale, part)
            weight = weight.unsqueeze(-1) if dim == -2 else weight
            mixed = torch.lerp(before.narrow(dim, kept, faded), part.narrow(dim, 0, faded), weight)
            pieces[-1] = before.narrow(dim, 0, kept)
            pieces.append(mixed)
            part = part.narrow(dim, faded, part.shape[dim] - faded)
        pieces.append(part)
    return pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim)


def run_tiles(
    picture: Tensor, run: Callable[[Tensor], Tensor], scale: int, rows: Sequence[Span], columns: Sequence[Span]
) -> Iterator[Tensor]:
    """Bands ``(B, C, h, scale·W)`` from top to bottom of what ``run`` makes of ``picture`` ``(B, C, H, W)``.

    ``run`` gives ``(B, C, scale·h, scale·w)`` for a window ``(B, C, h, w)``. The bands together are the whole result.
    """
    waiting: Tensor | None = None  # last rows of the band before, which this one fades into
    for number, row in enumerate(rows):
        parts = []
        for column in columns:
            result = run(picture[..., row.start : row.stop, column.start : column.stop])
            top, left = (row.first - row.start) * scale, (column.first - column.start) * scale
            height, width = (row.last - row.first) * scale, (column.last - column.first) * scale
            parts.append((column, result[..., top : top + height, left : left + width]))
        band = _joined(parts, scale, -1)
        faded = row.fade_px * scale
        if waiting is not None and faded:
            band = _joined([(Span(0, 0, 0, 0), waiting), (row, band)], scale, -2)
        shared = rows[number + 1].fade_px * scale if number + 1 < len(rows) else 0
        done = band.shape[-2] - shared
        waiting = band[..., done:, :].clone() if shared else None
        yield band[..., :done, :]

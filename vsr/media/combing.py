"""How the rows of frames were scanned: at once, or one field after the other. Judged by what the frames show.

In a progressive frame all rows are of one moment: where something moves, they fit together better than they fit the
rows of the frames beside it. In an interlaced one the fields are half a frame apart, as near as the next field of a
neighbour and three times nearer than its other field. These residuals are summed where there is motion, and compared.
What the stream's flags say is a hint: it decides where nothing tells, and how much evidence it takes to override it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import av
import numpy as np
from numpy.typing import NDArray

from vsr.media.planes import frame_layout, planes_of

__all__ = ["FieldJudge", "Fields", "judge_fields", "luma_rows"]

Fields = Literal["progressive", "top first", "bottom first", "unknown"]
"""Which field of a frame is the earlier one; ``unknown`` is interlaced in the order that its flags say."""

Rows = NDArray[np.int16]

_BLOCK = 4  # columns whose mean is looked at: combing stays, noise and dot patterns do not
_LEAST_COLUMNS = 64
_MOST_COLUMNS = 480
_MOTION = 10  # 8-bit codes by which a sample differs from the frame beside it where something moves
_LEAST_SAMPLES = 48
_LEAST_SHARE = 0.001  # of the samples, moving, for a frame to be judged
_BOTH_FIELDS = 0.7  # of the moving samples at most, in one field, where both move
_CUT = 1.5  # a neighbour that fits so many times worse than the other one is of another shot
_FITS, _FITS_WELL = 0.8, 0.5  # residual inside a progressive frame, over that with its neighbours
_LOPSIDED = 1.4  # residual with far fields over that with near ones, of an interlaced frame
_LOPSIDED_UNFLAGGED = 1.6
_EVEN = 1.1  # at most that, of a progressive one
_EVEN_SHARE = 0.01
_PATIENCE_FRAMES = 24  # that wait for the first frame that tells


def luma_rows(frame: av.VideoFrame) -> Rows:
    """All rows of the frame's first plane at 8 bits, ``(H, W')``, neighbouring columns averaged."""
    layout = frame_layout(frame)
    [plane] = planes_of(frame, 1)
    width = plane.shape[1]
    step = max(1, width // _MOST_COLUMNS)  # of columns, one for each mean
    block = max(1, min(_BLOCK, width // _LEAST_COLUMNS // step))
    period = step * block
    stop = max(1, (width + step - 1) // period) * period
    total = sum(plane[:, first:stop:period].astype(np.float32) for first in range(0, period, step))
    scale = 255.0 if layout.is_float else 2.0 ** (8 - layout.bit_depth)
    return (total * np.float32(scale / block)).clip(0, 255).astype(np.int16)


@dataclass(frozen=True)
class _Residual:
    """Sums over moving samples of how badly rows fit together."""

    samples: int = 0
    inside: int = 0
    """Rows of the frame among themselves."""
    if_top: int = 0
    """Rows of the frame with those of its neighbours that are far if the top field is the earlier one."""
    if_bottom: int = 0
    """Those that are far if the bottom field is."""
    in_one_field: int = 0
    """Of the samples, those in the field in which more move."""

    @property
    def near(self) -> int:
        """The better of the two."""
        return min(self.if_top, self.if_bottom)

    @property
    def far(self) -> int:
        """The worse of the two."""
        return max(self.if_top, self.if_bottom)

    def is_like(self, better: _Residual) -> bool:
        """Whether a neighbour fits about as well as the other one, or it cannot be said."""
        if not self.samples or better.in_one_field >= _BOTH_FIELDS * better.samples:
            return True  # nothing to compare, or but one field moves, as in film on video
        return self.near / self.samples <= _CUT * better.near / better.samples

    def __add__(self, other: _Residual) -> _Residual:
        return _Residual(
            self.samples + other.samples,
            self.inside + other.inside,
            self.if_top + other.if_top,
            self.if_bottom + other.if_bottom,
            self.in_one_field + other.in_one_field,
        )


def _residual(frame: Rows, beside: Rows, *, is_later: bool) -> _Residual:
    """Of a frame and one neighbour, which comes right after it or right before."""
    moving = np.abs(frame[1:-1] - beside[1:-1]) > _MOTION
    around = frame[:-2] + frame[2:]
    inside = np.abs(around - 2 * frame[1:-1]) * moving
    across = np.abs(around - 2 * beside[1:-1]) * moving
    odd, even = int(across[::2].sum(dtype=np.int64)), int(across[1::2].sum(dtype=np.int64))  # it begins at row 1
    num_odd, num_even = int(np.count_nonzero(moving[::2])), int(np.count_nonzero(moving[1::2]))
    if_top, if_bottom = (odd, even) if is_later else (even, odd)
    inside_sum = int(inside.sum(dtype=np.int64))
    return _Residual(num_odd + num_even, inside_sum, if_top, if_bottom, max(num_odd, num_even))


@dataclass(frozen=True)
class _Seen:
    """One frame, judged by itself."""

    flagged: bool
    verdict: Fields | None = None
    """What its content proves."""
    leans_progressive: bool = False
    """Whether it rather looks progressive, without proof."""


def _judge(flagged: bool, before: _Residual, after: _Residual, num_samples: int) -> _Seen:
    seen = _decide(flagged, before + after, num_samples)
    if seen.verdict in ("top first", "bottom first"):
        return seen
    if not before.is_like(after):  # a cut: all rows fit the frame of another shot badly
        return _decide(flagged, after, num_samples)
    if not after.is_like(before):
        return _decide(flagged, before, num_samples)
    return seen


def _decide(flagged: bool, residual: _Residual, num_samples: int) -> _Seen:
    if residual.samples < max(_LEAST_SAMPLES, _LEAST_SHARE * num_samples):
        return _Seen(flagged)
    fit, lopsided = residual.inside / max(1, residual.near), residual.far / max(1, residual.near)
    if fit < _FITS_WELL:
        return _Seen(flagged, "progressive")
    if fit >= _FITS and lopsided >= (_LOPSIDED if flagged else _LOPSIDED_UNFLAGGED):
        return _Seen(flagged, "top first" if residual.if_top > residual.if_bottom else "bottom first")
    is_even = lopsided < _EVEN and residual.samples >= _EVEN_SHARE * num_samples
    return _Seen(flagged, None, is_even or (fit < _FITS and lopsided < _LOPSIDED))


class FieldJudge:
    """Judges frames that stream past, some frames late. What it says follows from all frames up to then alone.

    A frame that proves nothing by itself is taken like the last one with the same flag that does; before the first of
    these, like the first, if it comes soon, else as most of them lean, else as the flag says. Proof must be borne
    out by the frame before or after.
    """

    def __init__(self) -> None:
        self._rows: Rows | None = None  # of the newest frame
        self._flagged = False
        self._from_before = _Residual()
        self._previous: _Seen | None = None
        self._next: _Seen | None = None  # to be borne out
        self._waiting: deque[_Seen] = deque()
        self._known: dict[bool, Fields] = {}  # by flag

    def push(self, rows: Rows, flagged: bool) -> list[Fields]:
        """Take the next frame as `luma_rows` gives it; returns verdicts on the earliest frames without one."""
        if self._rows is not None:
            self._see(_residual(self._rows, rows, is_later=True))
            self._from_before = _residual(rows, self._rows, is_later=False)
        self._rows, self._flagged = rows, flagged
        return self._resolve(is_last=False)

    def finish(self) -> list[Fields]:
        """Verdicts on the frames that are left; no more can follow."""
        if self._rows is not None:
            self._see(_Residual())
            self._bear_out(None)
        return self._resolve(is_last=True)

    def _see(self, after: _Residual) -> None:
        """The newest frame is judged by itself, now that the one after it is known."""
        assert self._rows is not None
        seen = _judge(self._flagged, self._from_before, after, self._rows.size)
        self._bear_out(seen)
        self._next = seen

    def _bear_out(self, following: _Seen | None) -> None:
        """Frame ``_next`` is held against its neighbours and waits to be settled."""
        seen = self._next
        if seen is None:
            return
        beside = [one.verdict for one in (self._previous, following) if one is not None]
        if seen.verdict is not None and beside and seen.verdict not in beside:
            seen = _Seen(seen.flagged, None, seen.verdict == "progressive")
        self._previous = self._next
        self._waiting.append(seen)

    def _resolve(self, *, is_last: bool) -> list[Fields]:
        resolved: list[Fields] = []
        while self._waiting:
            first = self._waiting[0]
            verdict = first.verdict or self._known.get(first.flagged) or self._first_proof(first.flagged)
            if verdict is None and (is_last or len(self._waiting) > _PATIENCE_FRAMES):
                verdict = self._by_leaning(first.flagged)
            if verdict is None:
                break
            self._known[first.flagged] = verdict
            resolved.append(verdict)
            self._waiting.popleft()
        return resolved

    def _first_proof(self, flagged: bool) -> Fields | None:
        """Of the frames with this flag that wait."""
        return next((one.verdict for one in self._waiting if one.flagged == flagged and one.verdict), None)

    def _by_leaning(self, flagged: bool) -> Fields:
        if not flagged:
            return "progressive"
        leaning = [one.leans_progressive for one in self._waiting if one.flagged]
        return "progressive" if 2 * sum(leaning) > len(leaning) else "unknown"


def judge_fields(frames: Iterable[av.VideoFrame]) -> list[Fields]:
    """Verdicts on the first frames of a stream, as far as these alone tell; a new size or format ends them."""
    judge, verdicts = FieldJudge(), list[Fields]()
    shape = None
    for frame in frames:
        if shape not in (None, (frame.width, frame.height, frame.format.name)):
            break
        shape = (frame.width, frame.height, frame.format.name)
        verdicts += judge.push(luma_rows(frame), bool(frame.interlaced_frame))
    return verdicts + judge.finish()

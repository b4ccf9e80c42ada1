"""Which fields of a video belong to one film frame, found from what the fields show.

Film on video (telecine) shows each film frame for two, three or more fields, in a pattern that repeats: its cadence.
Two fields of one moment fit together like the rows of any frame; of two moments they comb where something moves. So
each pair of neighbouring fields tells something, though little where little moves. A cadence is what all pairs of a
stretch agree on: the path through the states of a few known patterns that contradicts them least, with a price for
each break (Viterbi's algorithm, decided a fixed number of frames late). Stretches that stand still go on as before.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import av
import numpy as np
from numpy.typing import NDArray

from vsr.media.combing import Rows, luma_rows

__all__ = ["LAG_FRAMES", "PATTERNS", "CadenceTracker", "Order", "Phase", "film_rate", "find_cadence"]

Order = Literal["top first", "bottom first"]

PATTERNS: dict[str, tuple[int, ...]] = {
    "3:2": (2, 3),
    "2:3:3:2": (2, 3, 3, 2),
    "3:2:3:2:2": (3, 2, 3, 2, 2),
    "2:2": (2, 2),
}
"""How many fields each film frame lasts, over and over."""

LAG_FRAMES = 30
"""Frames that are seen after one before it is decided what it holds."""

_MOTION = 10  # 8-bit codes by which a sample differs from the frame beside it where something moves
_LEAST_SAMPLES, _ENOUGH_SHARE = 32, 0.004  # of moving samples for a pair to count, and to count fully
_BETWEEN, _SPREAD = 0.66, 0.45  # residual of rows over that of every other row: between both cases, and ln of the way
_BREAK = 3.0  # price of a break, in pairs that contradict
_DIFFERENT = 0.5  # price of a pair that should comb and does not
_OUTSIDE = 0.3  # price of a frame that is in no cadence, so that cadences are preferred where nothing contradicts
_PARTED = 0.9  # that surely fields that a cadence joins are not of one moment: a cut of the video lies between
_CERTAIN = 5.0  # pairs that contradict a cadence less than none, for it to be certain
_MIXED = 0.45  # distance of a blended field from the mean of those beside it, over theirs from there
_REPEAT = 0.5  # price of a field that should repeat another and does not
_REPEATED, _MOVED = 0.3, 0.7  # changes since the field before, over those nearby: of a repeated field, and of another


@dataclass(frozen=True)
class Phase:
    """What one frame of the video holds."""

    pattern: str | None
    """Key of `PATTERNS`; None: its fields belong together, or to no cadence."""
    order: Order = "top first"
    """Which field comes first."""
    place: int = 0
    """Of its first field, in the fields of the pattern."""
    continues: bool = False
    """Whether it goes on where the frame before ended."""
    is_blended: bool = False
    """Whether a field of it mixes those before and after: converted from another rate, or in a dissolve."""

    def within(self, field: int) -> tuple[int, int]:
        """Of its first field (0) or second (1): the film frame of the pattern, and the field's place in that."""
        assert self.pattern is not None
        place = (self.place + field) % sum(PATTERNS[self.pattern])
        for number, length in enumerate(PATTERNS[self.pattern]):
            if place < length:
                return number, place
            place -= length
        raise AssertionError(self)


def _states() -> list[Phase]:
    """Every phase; the last two are outside: fields that belong together, frame for frame, and such that never do."""
    orders: tuple[Order, ...] = ("top first", "bottom first")
    cadences = [
        Phase(name, order, place)
        for order in orders
        for name, lengths in PATTERNS.items()
        for place in ((1,) if name == "2:2" else range(sum(lengths)))
    ]
    return [*cadences, Phase(None), Phase(None)]


_STATES = _states()
_FRAMES, _VIDEO = len(_STATES) - 2, len(_STATES) - 1


def _follower(number: int) -> int:
    state = _STATES[number]
    if state.pattern is None or state.pattern == "2:2":
        return number
    return _STATES.index(Phase(state.pattern, state.order, (state.place + 2) % sum(PATTERNS[state.pattern])))


_NEXT = np.array([_follower(number) for number in range(len(_STATES))])
_PREVIOUS = np.argsort(_NEXT)  # each state follows one
_IS_BOTTOM_FIRST = np.array([state.order == "bottom first" for state in _STATES])


def _where(field: int, least: int) -> NDArray[np.float64]:
    """1 for states in which this field has at least ``least`` fields of its film frame before it."""
    return np.array([float(s.pattern is not None and s.within(field)[1] >= least) for s in _STATES])


_JOINS_BEFORE, _JOINS_INSIDE = _where(0, 1), _where(1, 1)
_JOINS_INSIDE[_FRAMES] = 1.0
_FIRST_REPEATS, _SECOND_REPEATS = _where(0, 2), _where(1, 2)


@dataclass(frozen=True)
class _Pair:
    """How well two fields of neighbouring moments fit."""

    fits: float
    """0…1: how sure it is that they are of one moment; 0 where nothing moves."""
    combs: float
    """0…1: how sure it is that they are not."""


_NOTHING = _Pair(0.0, 0.0)


def _pair(top: Rows, bottom: Rows, moving: NDArray[np.bool_]) -> _Pair:
    """Of two fields; ``moving`` is at the rows of both."""
    near = moving[2:-2] | moving[1:-3] | moving[3:-1]
    count = int(np.count_nonzero(near))
    if count < _LEAST_SAMPLES:
        return _NOTHING
    rows = np.empty(moving.shape, np.int16)
    rows[0::2], rows[1::2] = top, bottom
    middle = 2 * rows[2:-2]
    beside = int((np.abs(rows[1:-3] + rows[3:-1] - middle) * near).sum(dtype=np.int64))
    apart = int((np.abs(rows[:-4] + rows[4:] - middle) * near).sum(dtype=np.int64))
    way = np.log((beside + count) / (apart + count) / _BETWEEN) / _SPREAD
    weight = min(1.0, count / (_ENOUGH_SHARE * near.size))
    return _Pair(weight * float(np.clip(-way, 0, 1)), weight * float(np.clip(way, 0, 1)))


def _mixes(rows: Rows, before: Rows, after: Rows) -> bool:
    """Whether one field of a frame is between those before and after it, rather than like one or the other."""
    apart = np.abs(after - before)
    moving = apart > 2 * _MOTION
    off = np.abs(2 * rows - before - after)
    for first in (0, 1):
        there = moving[first::2]
        count = int(np.count_nonzero(there))
        if count < max(_LEAST_SAMPLES, _ENOUGH_SHARE * there.size):
            continue
        if (off[first::2] * there).sum(dtype=np.int64) < _MIXED * (apart[first::2] * there).sum(dtype=np.int64):
            return True
    return False


def _unlike(change: float, nearby: float) -> float:
    """0…1: how sure it is that a field does not repeat the one before of its parity."""
    if nearby <= 0:
        return 0.0
    return min(1.0, max(0.0, (change / nearby - _REPEATED) / (_MOVED - _REPEATED)))


class CadenceTracker:
    """Tells what frames hold that stream past, `LAG_FRAMES` late. What it says follows from all frames up to then."""

    def __init__(self) -> None:
        self._rows: deque[Rows] = deque(maxlen=2)
        self._moving: deque[NDArray[np.bool_]] = deque(maxlen=2)  # since the frame before
        self._costs = np.full(len(_STATES), _BREAK / 2)
        self._costs[[_FRAMES, _VIDEO]] = 0.0
        self._origins: deque[NDArray[np.intp]] = deque()  # for every state of a frame, that of the frame before
        self._is_parted: deque[tuple[bool, bool]] = deque()  # whether its first field fits none before, by order
        self._is_blended: deque[bool] = deque()
        self._last: int | None = None  # state of the last frame that was decided
        self._outside = np.zeros(2)  # what it costs to be outside all the time
        self._total = 0.0  # what the best path costs

    def push(self, rows: Rows) -> list[Phase]:
        """Take the next frame as `vsr.media.combing.luma_rows` gives it; returns what the oldest frames hold."""
        rows = rows[: len(rows) // 2 * 2]
        moving = np.abs(rows - self._rows[-1]) > _MOTION if self._rows else np.zeros(rows.shape, np.bool_)
        if self._rows:
            self._see(moving, rows)
        self._rows.append(rows)
        self._moving.append(moving)
        return self._resolve(LAG_FRAMES)

    def finish(self) -> list[Phase]:
        """What all frames hold that are left; no more can follow."""
        if self._rows:
            self._see(np.zeros(self._rows[-1].shape, np.bool_), None)
        return self._resolve(0)

    @property
    def gain(self) -> float:
        """How many pairs more would contradict if there were no cadence at all."""
        return float(self._outside.min()) - self._total

    def _see(self, later: NDArray[np.bool_], following: Rows | None) -> None:
        """The newest frame, now that the ``following`` one is known, and what moves from it to the ``later`` one."""
        rows, since = self._rows[-1], self._moving[-1]
        top, bottom = rows[0::2], rows[1::2]
        inside = _pair(top, bottom, since | later)
        is_inside = following is not None and len(self._rows) > 1
        self._is_blended.append(following is not None and is_inside and _mixes(rows, self._rows[0], following))
        if len(self._rows) == 1:
            self._step(inside, (_NOTHING, _NOTHING), (0.0, 0.0))
            return
        before = self._rows[0]
        changed, changes_next = ((float(one[0::2].mean()), float(one[1::2].mean())) for one in (since, later))
        nearby = max(*changed, *changes_next)
        across = (_pair(top, before[1::2], since), _pair(before[0::2], bottom, since))
        self._step(inside, across, (_unlike(changed[0], nearby), _unlike(changed[1], nearby)))

    def _step(self, inside: _Pair, across: tuple[_Pair, _Pair], unlike: tuple[float, float]) -> None:
        """One frame: ``across`` is from the frame before, for the top field first and for the bottom field first;
        ``unlike`` says how much the top and the bottom field differ from those of the frame before."""
        fits, combs = (
            np.where(_IS_BOTTOM_FIRST, b, t) for t, b in zip(*((p.fits, p.combs) for p in across), strict=True)
        )
        first = np.where(_IS_BOTTOM_FIRST, unlike[1], unlike[0])
        second = np.where(_IS_BOTTOM_FIRST, unlike[0], unlike[1])
        alone = _JOINS_INSIDE * inside.combs + (1 - _JOINS_INSIDE) * _DIFFERENT * inside.fits
        linked = _JOINS_BEFORE * combs + (1 - _JOINS_BEFORE) * _DIFFERENT * fits
        linked += _REPEAT * (_FIRST_REPEATS * first + _SECOND_REPEATS * second)
        moves = max(inside.fits, inside.combs)
        alone[_VIDEO] += _OUTSIDE * moves
        linked[_FRAMES] = _DIFFERENT * max(pair.fits for pair in across)
        linked[_VIDEO] = _DIFFERENT * max(pair.fits for pair in across)
        self._is_parted.append((across[0].combs >= _PARTED, across[1].combs >= _PARTED))
        best = int(self._costs.argmin())
        going_on, broken = self._costs[_PREVIOUS] + linked, self._costs[best] + _BREAK
        self._costs = np.minimum(going_on, broken) + alone
        self._outside += (linked + alone)[[_FRAMES, _VIDEO]]
        self._total += float(self._costs.min())
        self._costs -= self._costs.min()
        self._origins.append(np.where(going_on < broken, _PREVIOUS, best))

    def _resolve(self, lag: int) -> list[Phase]:
        resolved: list[Phase] = []
        while len(self._origins) > lag:
            state = np.arange(len(_STATES))
            for origin in list(self._origins)[:0:-1]:
                state = origin[state]
            chosen = int(state[self._costs.argmin()])
            self._costs[state != chosen] = np.inf  # what follows must go on from there
            resolved.append(self._phase(chosen))
            self._last = chosen
            self._origins.popleft()
        return resolved

    def _phase(self, chosen: int) -> Phase:
        phase = _STATES[chosen]
        is_parted = self._is_parted.popleft()[phase.order == "bottom first"] and _JOINS_BEFORE[chosen] > 0
        continues = self._last is not None and int(_NEXT[self._last]) == chosen and not is_parted
        is_blended = self._is_blended.popleft() and chosen == _VIDEO
        return Phase(phase.pattern, phase.order, phase.place, continues, is_blended)


def film_rate(pattern: str) -> Fraction:
    """Film frames for each frame of a video in this pattern."""
    lengths = PATTERNS[pattern]
    return Fraction(2 * len(lengths), sum(lengths))


def find_cadence(frames: Iterable[av.VideoFrame]) -> str | None:
    """The pattern of the first frames of a stream, if it is certain; a new size or format ends them."""
    tracker, phases, shape = CadenceTracker(), list[Phase](), None
    for frame in frames:
        if shape not in (None, (frame.width, frame.height, frame.format.name)):
            break
        shape = (frame.width, frame.height, frame.format.name)
        phases += tracker.push(luma_rows(frame))
    phases += tracker.finish()
    found = Counter(phase.pattern for phase in phases if phase.pattern)
    return found.most_common(1)[0][0] if found and tracker.gain >= _CERTAIN else None

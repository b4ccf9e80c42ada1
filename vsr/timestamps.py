"""Frame times that rise, with the least change to those that a decoder gave.

A file's times may be missing, repeated, far off, out of order, or restart where recordings were joined. Each fault
has its own remedy: a single time that is off is set between its neighbours; frames that only come out of order take
their times in order; a lasting jump starts a new timeline, which is joined one frame's length after the old one, so
that everything on it moves by the same amount. Times that already rise are never touched.

Each decision looks at the next `LOOKAHEAD` frames only, so that times are resolved while a file is still being decoded.
A frame that follows the last one by at most one and a half frame lengths is resolved at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from statistics import median_low
from typing import Literal

__all__ = ["LOOKAHEAD", "RepairKind", "Timestamp", "TimestampRepairer", "frame_ticks", "repair_timestamps"]

LOOKAHEAD = 20
"""Frames that are looked at after one with an irregular time; no codec reorders by more than 16."""

_LASTING = 8  # frames in a row on another clock that make a new timeline; fewer are outliers
_RECENT = 9  # steps whose median is taken for the usual one: headers may be wrong, and rates vary
_FIRST = 3  # steps that tell more than a header: its average counts gaps
_HIGHEST_RATE = 480  # frames a second; headers that claim more tell a clock
_CONTINUOUS = 8  # frame lengths from one time to the next at most, where both are said to be on one clock

RepairKind = Literal["", "missing", "repeated", "outlier", "sorted"]
"""What was wrong with one frame's time; empty where nothing was."""


@dataclass(frozen=True, slots=True)
class Timestamp:
    """The time of one frame, in ticks."""

    decoded: int | None
    """As the decoder gave it; None where it gave none."""
    used: int
    """Later than that of the frame before."""
    kind: RepairKind = ""
    """Why ``used`` is not ``decoded + offset``, if it is not."""
    offset: int = 0
    """Ticks by which this frame's timeline was moved, so that it follows the one before."""


@dataclass(frozen=True, slots=True)
class _Path:
    """Kept times up to one of a window, and what they cost."""

    changed: int
    """Frames that change, and as many for each gap as make a timeline."""
    roughness: Fraction
    kept: tuple[int, ...]
    """Places in the window, rising."""

    @property
    def cost(self) -> tuple[int, Fraction]:
        return self.changed, self.roughness


class TimestampRepairer:
    """Repairs the times of one stream, given in the order of its frames.

    ``step`` is the usual length of a frame in ticks, above 0, until the frames themselves tell it. A step forward of
    more than ``max_gap`` ticks is a jump of the clock if ``is_jump(before, after)`` agrees, given the decoded times on
    both sides; None: a gap is a gap.
    """

    def __init__(
        self,
        step: Fraction | int,
        *,
        max_gap: int | None = None,
        is_jump: Callable[[int, int], bool] = lambda before, after: True,
    ) -> None:
        if step <= 0:
            raise ValueError(f"a frame cannot last {step} ticks")
        self._step = self._usual = max(Fraction(step), Fraction(1))
        self._steps: deque[int] = deque(maxlen=_RECENT)
        self._max_gap = max_gap
        self._is_jump = is_jump
        self._pending: deque[int | None] = deque()
        self._last: int | None = None
        self._last_decoded: int | None = None
        self._offset = 0

    def push(self, decoded: int | None) -> list[Timestamp]:
        """Take the time of the next frame; returns those of the oldest waiting frames that are settled by it."""
        self._pending.append(decoded)
        return self._resolve(is_end=False)

    def finish(self) -> list[Timestamp]:
        """The times of all frames that still wait, once there are no more."""
        return self._resolve(is_end=True)

    def _resolve(self, *, is_end: bool) -> list[Timestamp]:
        resolved: list[Timestamp] = []
        while self._pending:
            first = self._pending[0]
            if first is not None and self._is_on_beat(first + self._offset):
                resolved.append(self._use(first + self._offset, is_sorted=False))
            elif is_end or len(self._pending) > LOOKAHEAD:
                resolved += self._decide(is_end=is_end)
            else:
                break
        return resolved

    def _is_on_beat(self, time: int) -> bool:
        return self._last is not None and 0 < time - self._last <= self._step * 3 / 2

    def _use(self, used: int, *, is_sorted: bool) -> Timestamp:
        """Give the oldest waiting frame its time."""
        decoded = self._pending.popleft()
        kind: RepairKind = ""
        if decoded is None:
            kind = "missing"
        elif used != decoded + self._offset:
            kind = "sorted" if is_sorted else "repeated" if decoded == self._last_decoded else "outlier"
        if self._last is not None and not kind:
            self._steps.append(used - self._last)
            self._step = Fraction(median_low(self._steps)) if len(self._steps) >= _FIRST else self._usual
        self._last = used
        self._last_decoded = decoded if decoded is not None else self._last_decoded
        return Timestamp(decoded, used, kind, self._offset)

    def _window(self) -> list[int | None]:
        return [None if decoded is None else decoded + self._offset for decoded in self._pending]

    def _decide(self, *, is_end: bool) -> list[Timestamp]:
        """Resolve one or more of the oldest frames; ``is_end``: none follows those that wait."""
        window = self._window()
        if (jump := self._jump(window, is_end=is_end)) is not None:
            self._offset += jump
            window = self._window()
        block, following = _is_disordered(window, self._last)
        if len(block) == 1:
            return [self._use(block[0], is_sorted=False)]
        scope = [*block, *following] if block else window
        path = _least_change(scope, self._last, self._step, is_end_kept=bool(following))
        ordered = sorted(block)
        if block and (is_end or following) and self._is_as_even(ordered, following, path):
            return [self._use(time, is_sorted=True) for time in ordered]
        path = self._first_timeline(scope, path)
        num_off = path.kept[0] if path.kept else len(block or window)
        after = scope[num_off] if path.kept else None
        if after is not None and not num_off:
            return [self._use(after, is_sorted=False)]
        return [self._use(time, is_sorted=False) for time in _between(self._last, after, num_off, self._step)]

    def _first_timeline(self, window: Sequence[int | None], path: _Path) -> _Path:
        """``path``, unless it gives up frames at the start of all that are a timeline: then the path through these.

        What follows is joined to them later, as it would be to a longer timeline.
        """
        num_off = path.kept[0] if path.kept else 0
        if self._last is not None or num_off < _LASTING:
            return path
        own = _least_change(window[:num_off], None, self._step)
        return own if 4 * len(own.kept) >= 3 * num_off else path

    def _is_as_even(self, ordered: Sequence[int], following: Sequence[int], path: _Path) -> bool:
        """Whether times are as even in order as they are where as few as possible change."""
        if any(before == after for before, after in pairwise(ordered)):
            return False
        start = [] if self._last is None else [self._last]
        links = pairwise([*start, *ordered, *following])
        return sum((_roughness(a, b, 0, self._step) for a, b in links), Fraction(0)) <= path.roughness

    def _jump(self, window: Sequence[int | None], *, is_end: bool) -> int | None:
        """Ticks to move the timeline that starts with the oldest frame; None where none starts there."""
        if self._last is None or window[0] is None:
            return None
        last = self._last
        times = [time for time in window if time is not None]
        run = times[: next((n for n, time in enumerate(times) if time > last), len(times))]
        if run:
            if not self._lasts(last, run, times[len(run) :], is_end=is_end):
                return None
        elif self._max_gap is None or window[0] - last <= self._max_gap or not self._is_gap_jump(times):
            return None
        # the first frame may come out of order: the earliest of those near it comes first
        first = min(run or times, key=lambda time: (abs(time - times[0]) > _CONTINUOUS * self._step, time))
        return last + round(self._step) - first

    def _lasts(self, last: int, run: Sequence[int], rest: Sequence[int], *, is_end: bool) -> bool:
        """Whether ``run``, times that are not later than ``last``, are on a clock of their own."""
        reach = _CONTINUOUS * self._step
        if rest and rest[0] - max(run) > reach and rest[0] - last <= reach * (len(run) + 1):
            return False  # back on the clock that it left
        requested = 2 if is_end and not rest else _LASTING
        start = run[:_LASTING]
        risen = len(_least_change(start, None, self._step).kept)
        return len(run) >= requested and 4 * risen >= 3 * len(start) and risen >= 2

    def _is_gap_jump(self, times: Sequence[int]) -> bool:
        assert self._last is not None
        stays = all(time >= times[0] - _CONTINUOUS * self._step for time in times)
        return stays and self._is_jump(self._last - self._offset, min(times) - self._offset)


def _is_disordered(window: Sequence[int | None], last: int | None) -> tuple[list[int], list[int]]:
    """The shortest beginning of ``window`` all of whose times are earlier than all that follow, and the next time.

    Both are empty where there is none. Times that are not after ``last`` cannot be right in any order: like missing
    ones, they end the search.
    """
    times = [None if time is None or (last is not None and time <= last) else time for time in window]
    lowest: int | None = None
    following: list[list[int]] = []  # the earliest of the times after each
    for time in reversed(times):
        following.append([] if lowest is None else [lowest])
        lowest = time if lowest is None else lowest if time is None else min(lowest, time)
    block: list[int] = []
    for time, after in zip(times, reversed(following), strict=True):
        if time is None:
            break
        block.append(time)
        if not after or max(block) < after[0]:
            return block, after
    return [], []


def _least_change(
    window: Sequence[int | None], last: int | None, step: Fraction, *, is_end_kept: bool = False
) -> _Path:
    """Which times of ``window`` can stay, after ``last``, so that as few as possible change and steps stay even.

    Between two that stay there is room for those that do not, a tick each. A gap counts like frames that change, since
    it could as well lead to another clock; so does keeping none at all.
    """
    best = _Path(len(window) + _LASTING, Fraction(0), ())
    ends: list[tuple[int, _Path]] = [] if last is None else [(last, _Path(0, Fraction(0), ()))]
    for place, time in enumerate(window):
        if time is None:
            continue
        found = _Path(place, Fraction(0), (place,)) if last is None else None
        for earlier, path in ends:
            num_between = place - (path.kept[-1] if path.kept else -1) - 1
            if time - earlier <= num_between:
                continue
            gap = _LASTING if time - earlier > _CONTINUOUS * (num_between + 1) * step else 0
            roughness = path.roughness + _roughness(earlier, time, num_between, step)
            longer = _Path(path.changed + num_between + gap, roughness, (*path.kept, place))
            if found is None or longer.cost < found.cost:
                found = longer
        if found is not None:
            ends.append((time, found))
            after = len(window) - 1 - place
            whole = _Path(found.changed + after, found.roughness, found.kept)
            if whole.cost < best.cost or (is_end_kept and not after):
                best = whole
    return best


def _roughness(before: int, after: int, num_between: int, step: Fraction) -> Fraction:
    """How far the steps from ``before`` to ``after``, with ``num_between`` times spread between, are from ``step``."""
    return abs(after - before - (num_between + 1) * step)


def _between(before: int | None, after: int | None, count: int, step: Fraction) -> list[int]:
    """``count`` times after ``before`` and earlier than ``after``: evenly, or a step apart where there is a gap."""
    if before is None:
        start = -step if after is None else after - (count + 1) * step
        return [round(start + step * n) for n in range(1, count + 1)]
    length = step
    if after is not None and after - before <= 2 * (count + 1) * step:
        length = Fraction(after - before, count + 1)
    return [before + int(length * n) for n in range(1, count + 1)]


def frame_ticks(time_base: Fraction, *rates: Fraction | None) -> Fraction:
    """How many ticks a frame lasts by the first of ``rates`` (frames a second) that can be one; else a 25th second."""
    rate = next((rate for rate in rates if rate and 0 < rate <= _HIGHEST_RATE), Fraction(25))
    return 1 / rate / time_base


def repair_timestamps(
    decoded: Iterable[int | None],
    step: Fraction | int,
    *,
    max_gap: int | None = None,
    is_jump: Callable[[int, int], bool] = lambda before, after: True,
) -> list[Timestamp]:
    """The times of a whole stream; see `TimestampRepairer`."""
    repairer = TimestampRepairer(step, max_gap=max_gap, is_jump=is_jump)
    times = [resolved for time in decoded for resolved in repairer.push(time)]
    return times + repairer.finish()

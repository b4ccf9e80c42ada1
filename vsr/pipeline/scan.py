"""The plan, made while the source streams past: shots, and segments inside them.

Segments come from content alone: they end at scene cuts, where the image's size, format, pixel aspect or colours
change, and at a length cap. The first ones are short, so that encoding starts at once however long the file. A segment
is handed out as soon as both its ends and its context are known.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import zip_longest

import av

from vsr.media.combing import FieldJudge, Fields, luma_rows
from vsr.media.decode import FrameRecord
from vsr.media.deinterlace import DEINTERLACE_CONTEXT
from vsr.media.thumbnails import thumbnail
from vsr.pipeline.job import Span
from vsr.registration.cuts import CutDetector
from vsr.timeline import Segment

__all__ = ["PlanRules", "PlannedSegment", "plan_segments"]

_log = logging.getLogger(__name__)

_FIRST_CAPS = (48, 96)


@dataclass(frozen=True)
class PlanRules:
    """What decides where segments end, besides the images."""

    segment_frames: int
    """Longest segment, unless a chain is longer."""
    halo_frames: int
    """Context on each side, within the shot."""
    chain_frames: int
    """Segments of a shot start whole multiples of this apart."""
    calibration_frames: int
    """First frames of each shot that are handed out with its segments."""
    cut_threshold: float
    span: Span
    origin: Fraction
    """Seconds from which times of ``span`` count."""
    time_base: Fraction


@dataclass(frozen=True)
class PlannedSegment:
    """A segment with everything needed to decode exactly its frames."""

    segment: Segment
    records: tuple[FrameRecord, ...]
    """Consecutive frames to decode: the halo range plus the deinterlacer's context, within the shot."""
    calibration: tuple[FrameRecord, ...] = ()
    """The shot's first frames, for restorers that want to know it."""
    next_pts: int | None = None
    """Time of the frame that follows ``records``, in this shot or the next; None at the end of the stream."""

    @property
    def core(self) -> tuple[FrameRecord, ...]:
        """The frames that are written."""
        first = self.segment.start - self.records[0].ordinal
        return self.records[first : first + self.segment.num_frames]


class _Planner:
    """Holds the frames whose segment is not yet decided."""

    def __init__(self, rules: PlanRules) -> None:
        self._rules = rules
        self._head: list[FrameRecord] = []  # first frames of the shot
        self._pending: list[FrameRecord] = []  # from the context of the next segment on
        self._shot_start = 0
        self._next_start: int | None = None  # first frame of the next segment; None: the span has not begun
        self._count = 0

    def add(self, record: FrameRecord) -> None:
        self._pending.append(record)
        if len(self._head) < self._rules.calibration_frames:
            self._head.append(record)

    def judge(self, ordinal: int, verdicts: Sequence[Fields]) -> None:
        """The frames from ``ordinal`` on were scanned like this; none of them is handed out yet."""
        if all(verdict == "progressive" for verdict in verdicts):
            return  # what all are taken for
        for frames in (self._pending, self._head):
            for place, record in enumerate(frames):
                number = record.ordinal - ordinal
                is_known = record.weave is not None and record.weave.is_film
                if 0 <= number < len(verdicts) and not is_known and record.fields != verdicts[number]:
                    frames[place] = replace(record, fields=verdicts[number])

    def resolve(self, known: int) -> Iterator[PlannedSegment]:
        """Frames before ordinal ``known`` are settled as part of the current shot: hand out what is complete."""
        margin = self._context()
        while True:
            start, stop = self._bounds(known)
            cap = self._cap()
            if start is None or stop - start < cap + max(margin, cap // 4):
                if start is not None and self._span_ends_before(known - margin) and stop > start:
                    yield self._make(start, stop, known)
                    self._next_start = stop
                    continue
                self._drop_unneeded(start if start is not None else known)
                return
            yield self._make(start, start + cap, known)
            self._next_start = start + cap

    def end_shot(self, stop: int) -> Iterator[PlannedSegment]:
        """The shot ends before ordinal ``stop``: hand out the rest of it."""
        yield from self.resolve(stop)
        start, last = self._bounds(stop)
        if start is not None and last > start:
            yield self._make(start, last, stop)
        self._pending = [record for record in self._pending if record.ordinal >= stop]
        self._head = self._pending[: self._rules.calibration_frames]
        self._shot_start, self._next_start = stop, None

    def is_past_span(self, known: int) -> bool:
        """Whether nothing requested can follow once frames before ``known`` are settled."""
        return self._span_ends_before(known - self._context())

    def _context(self) -> int:
        return self._rules.halo_frames + DEINTERLACE_CONTEXT

    def _cap(self) -> int:
        ramp = _FIRST_CAPS[self._count] if self._count < len(_FIRST_CAPS) else self._rules.segment_frames
        chain = self._rules.chain_frames
        return max(1, min(ramp, self._rules.segment_frames) // chain) * chain

    def _is_before(self, record: FrameRecord, bound: int | Fraction) -> bool:
        if isinstance(bound, int):
            return record.source_ordinal < bound
        return record.pts * self._rules.time_base - self._rules.origin < bound

    def _ends_before(self, record: FrameRecord, after: FrameRecord | None, bound: int | Fraction) -> bool:
        """Whether ``record`` comes before; for one frame alone, whether all that a film frame shows does."""
        stop = self._rules.span.stop
        if not isinstance(bound, int) or record.weave is None or stop != bound + 1:
            return self._is_before(record, bound)
        end = record.sources[-1].ordinal + 1 if after is None else after.source_ordinal
        return end <= bound

    def _bounds(self, known: int) -> tuple[int | None, int]:
        """Requested frames of this shot not yet handed out, among the settled ones."""
        span = self._rules.span
        first = self._next_start if self._next_start is not None else self._shot_start
        requested = [
            record.ordinal
            for record, after in zip_longest(self._pending, self._pending[1:])
            if first <= record.ordinal < known
            and (span.start is None or not self._ends_before(record, after, span.start))
            and (span.stop is None or self._is_before(record, span.stop))
        ]
        return (requested[0], requested[-1] + 1) if requested else (None, first)

    def _span_ends_before(self, ordinal: int) -> bool:
        stop = self._rules.span.stop
        if stop is None:
            return False
        return any(record.ordinal <= ordinal and not self._is_before(record, stop) for record in self._pending)

    def _make(self, start: int, stop: int, known: int) -> PlannedSegment:
        halo, context = self._rules.halo_frames, self._context()
        low, high = max(self._shot_start, start - context), min(known, stop + context)
        segment = Segment(
            index=self._count,
            start=start,
            stop=stop,
            halo_start=max(self._shot_start, start - halo),
            halo_stop=min(known, stop + halo),
        )
        self._count += 1
        _log.debug("planned %s", segment)
        return PlannedSegment(
            segment,
            tuple(r for r in self._pending if low <= r.ordinal < high),
            tuple(r for r in self._head if r.ordinal < known),
            next((r.pts for r in self._pending if r.ordinal >= high), None),
        )

    def _drop_unneeded(self, start: int) -> None:
        keep = max(self._shot_start, start - self._context())
        if self._pending and self._pending[0].ordinal < keep - 64:
            self._pending = [record for record in self._pending if record.ordinal >= keep]


class _Watch:
    """What has to be known of frames before they are handed out: where shots end, and how fields were scanned.

    It restarts where images change their look: neither tells anything across such a place.
    """

    def __init__(self, threshold: float, start: int) -> None:
        self._start = start
        self._judge, self._detector = FieldJudge(), CutDetector(threshold)
        self._pushed = start
        self._judged = start
        self._cuts: deque[int] = deque()

    def push(self, record: FrameRecord, frame: av.VideoFrame, planner: _Planner) -> None:
        """Take the next frame."""
        self._pushed = record.ordinal + 1
        self._cuts.extend(self._start + cut for cut in self._detector.push(thumbnail(frame)) if cut > 0)
        self._tell(planner, self._judge.push(luma_rows(frame), record.interlaced))

    def finish(self, planner: _Planner) -> None:
        """No more frames follow."""
        self._tell(planner, self._judge.finish())

    def _tell(self, planner: _Planner, verdicts: list[Fields]) -> None:
        if verdicts:
            planner.judge(self._judged, verdicts)
            self._judged += len(verdicts)

    def cuts(self) -> Iterator[int]:
        """First frames of new shots, each once, as soon as all frames before are judged."""
        while self._cuts and self._cuts[0] <= self._judged:
            yield self._cuts.popleft()

    @property
    def known(self) -> int:
        """Frames before this ordinal are settled as part of the current shot."""
        return min(max(self._start, self._pushed - 1 - self._detector.lag_frames), self._judged)


def plan_segments(frames: Iterable[tuple[FrameRecord, av.VideoFrame]], rules: PlanRules) -> Iterator[PlannedSegment]:
    """Segments of a linearly decoded stream, in order, each as soon as it is known."""
    planner = _Planner(rules)
    watch = _Watch(rules.cut_threshold, 0)
    last: FrameRecord | None = None
    for record, frame in frames:
        planner.add(record)
        if last is not None and record.look != last.look:
            watch.finish(planner)
            yield from _end_shots(planner, watch, record.ordinal)
            watch = _Watch(rules.cut_threshold, record.ordinal)
        watch.push(record, frame, planner)
        for cut in watch.cuts():
            yield from planner.end_shot(cut)
        known = watch.known
        yield from planner.resolve(known)
        last = record
        if planner.is_past_span(known):
            break
    if last is not None:
        watch.finish(planner)
        yield from _end_shots(planner, watch, last.ordinal + 1)


def _end_shots(planner: _Planner, watch: _Watch, stop: int) -> Iterator[PlannedSegment]:
    """All frames before ``stop`` are known, and the last shot ends there."""
    for cut in watch.cuts():
        yield from planner.end_shot(cut)
    yield from planner.end_shot(stop)

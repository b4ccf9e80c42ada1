"""Several methods run one after another, as one: all that is outside this package sees a single `Prepared`.

Each step is given what the step before it makes, unrounded. Results are those of each step run over the whole shot by
itself: context frames of later steps are made by the earlier ones in whole chains, counted from the segment's start.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import chain, islice
from typing import Any

from vsr.errors import UsageError
from vsr.frames import VideoFrame
from vsr.methods.consistency import watched
from vsr.methods.method import (
    NOT_ADAPTED,
    Adaptation,
    Capabilities,
    Geometry,
    Place,
    Prepared,
    Restorer,
    part_of,
    weakest_evidence,
    with_prefix,
)

__all__ = ["Composition", "PreparedComposition", "Step", "compose"]

_Placed = tuple[int, VideoFrame]
"""A frame and its place, counted from the segment's first frame; context before it is below 0."""


@dataclass(frozen=True)
class Step:
    """One of the methods of a composition."""

    name: str
    place: Place | None
    """Where a pass stands; None: the method that sets the size."""
    prepared: Prepared[Any]

    def geometry(self, whole: Geometry) -> Geometry:
        """Sizes for this step in a run with sizes ``whole``."""
        if self.place is None:
            return whole
        if self.place == "before":
            return Geometry(whole.width, whole.height, whole.width, whole.height)
        return Geometry(whole.out_width, whole.out_height, whole.out_width, whole.out_height)

    def key(self) -> Mapping[str, Any]:
        """All that decides its results."""
        return {"kind": type(self.prepared).__name__, "options": self.prepared.options, **self.prepared.key()}

    def describe(self) -> Mapping[str, Any]:
        """What the record says of a pass."""
        return {
            "name": self.name,
            "place": self.place,
            "evidence": self.prepared.capabilities.evidence,
            "options": self.prepared.options,
            **self.prepared.describe(),
        }

    def in_words(self) -> str:
        """Its name, place and options that are not as usual."""
        options = self.prepared.options
        changed = [
            f"{f.name}={getattr(options, f.name)}" for f in fields(options) if getattr(options, f.name) != f.default
        ]
        changes = f" with {', '.join(changed)}" if changed else ""
        return f"{self.name}{changes}, {self.place} the enlarging ({self.prepared.capabilities.evidence})"


@dataclass(frozen=True)
class _Reach:
    """How far steps go beyond a segment, so that later ones have their context."""

    needs: tuple[Capabilities, ...]

    def lead(self, number: int) -> int:
        """Frames that step ``number`` gives ahead of the segment: whole chains."""
        frames = 0
        for step, later in self._behind(number):
            frames = _rounded_up(frames + later.halo_frames, step.chain_frames)
        return frames

    def stop(self, number: int, last: int) -> int:
        """The place behind the last frame that step ``number`` gives for a segment that ends before ``last``."""
        stop = last
        for step, later in self._behind(number):
            if stop > last or later.halo_frames:
                stop = _rounded_up(stop + later.halo_frames, step.chain_frames)
        return stop

    @property
    def halo_frames(self) -> int:
        """Context of a segment on each side, wherever in a chain it ends."""
        most = 0
        for step, later in self._behind(0):
            most += later.halo_frames
            most += step.chain_frames - 1 if most else 0
        return most + self.needs[0].halo_frames

    def calibration(self, number: int) -> int:
        """First frames of a shot that step ``number`` is given for what it and later steps learn of it."""
        frames = self.needs[-1].adapt_frames
        for step, _ in self._behind(number):
            frames = max(step.adapt_frames, frames + step.halo_frames if frames else 0)
        return frames

    def _behind(self, number: int) -> list[tuple[Capabilities, Capabilities]]:
        """Steps with the one behind each, from the last pair down to that of step ``number``."""
        return list(zip(self.needs[number:], self.needs[number + 1 :], strict=False))[::-1]


def _rounded_up(count: int, block: int) -> int:
    return -(-count // block) * block


@dataclass(frozen=True)
class PreparedComposition(Prepared[Any]):
    """Methods in the order in which they run; one of them sets the size, and the options are its own."""

    steps: tuple[Step, ...]

    @property
    def _main(self) -> Prepared[Any]:
        [main] = (step.prepared for step in self.steps if step.place is None)
        return main

    @property
    def _reach(self) -> _Reach:
        return _Reach(tuple(step.prepared.capabilities for step in self.steps))

    @property
    def capabilities(self) -> Capabilities:
        """Halos add up, chains have a common length, and the weakest evidence counts."""
        reach = self._reach
        return Capabilities(
            evidence=weakest_evidence(needs.evidence for needs in reach.needs),
            halo_frames=reach.halo_frames,
            chain_frames=math.lcm(*(needs.chain_frames for needs in reach.needs)),
            adapt_frames=reach.calibration(0),
            bytes_per_pixel=sum(needs.bytes_per_pixel for needs in reach.needs),
            measures_agreement=True,
        )

    def key(self) -> Mapping[str, Any]:
        """All steps."""
        return {"steps": [step.key() for step in self.steps]}

    def describe(self) -> Mapping[str, Any]:
        """The method that sets the size, and each pass."""
        passes = [step.describe() for step in self.steps if step.place is not None]
        return {**self._main.describe(), "passes": passes}

    def plan_rows(self) -> list[tuple[str, str]]:
        """The order, each pass, and what the method that sets the size says."""
        rows = [("order", ", then ".join(step.name for step in self.steps))]
        for step in self.steps:
            if step.place is not None:
                rows.append(("pass", step.in_words()))
            rows += step.prepared.plan_rows()
        return rows

    def open(self, geometry: Geometry) -> Composition:
        """See `Prepared`."""
        return Composition(geometry, self.steps, self._reach)


def compose(before: Sequence[Step], name: str, prepared: Prepared[Any], after: Sequence[Step]) -> Prepared[Any]:
    """``prepared``, called ``name``, with passes before and after it; itself where there are none.

    Raises `UsageError` where a pass needs another one that does not run before it.
    """
    if not before and not after:
        return prepared
    steps = (*before, Step(name, None, prepared), *after)
    for number in range(len(steps)):
        _teacher(steps, number)
    return PreparedComposition(prepared.options, prepared.device, steps)


def _teacher(steps: Sequence[Step], number: int) -> int:
    """The number of the step whose adaptation step ``number`` is given: its own, or that of a pass before it."""
    step, name = steps[number], steps[number].prepared.learns_from
    if name is None:
        return number
    found = [at for at, one in enumerate(steps[:number]) if one.name == name and one.place is not None]
    if not found:
        raise UsageError(f"the pass {step.name} needs {name} before it; add --pass {name}")
    return found[-1]


class _Segment:
    """Counts the frames of a segment, and knows its end once it is over."""

    def __init__(self) -> None:
        self.stop: int | None = None
        """Its number of frames; None while it may go on."""

    def place(self, frames: Iterable[VideoFrame]) -> Iterator[_Placed]:
        """Each frame with its place. Context before the segment is held until its first frame comes."""
        source, lead = iter(frames), []
        first = next(source, None)
        while first is not None and first.is_halo:
            lead.append(first)
            first = next(source, None)
        if first is None:
            return
        for place, frame in enumerate(chain(lead, [first], source), -len(lead)):
            if place >= 0 and frame.is_halo and self.stop is None:
                self.stop = place
            yield place, frame


class Composition:
    """Restores by each step in turn."""

    def __init__(self, geometry: Geometry, steps: Sequence[Step], reach: _Reach) -> None:
        self._steps, self._reach = steps, reach
        self._geometries = [step.geometry(geometry) for step in steps]
        self._restorers: list[Restorer] = [
            step.prepared.open(own) for step, own in zip(steps, self._geometries, strict=True)
        ]

    def adapt(self, frames: Sequence[VideoFrame]) -> Adaptation:
        """What each step learns of what the steps before it make of the first frames, by ``NUMBER.NAME``."""
        learnt: dict[str, Any] = {}
        given = list(frames)
        for number, restorer in enumerate(self._restorers):
            requested = self._reach.needs[number].adapt_frames
            own = restorer.adapt(given[:requested]) if requested else NOT_ADAPTED
            learnt |= with_prefix(own, f"{number}.")
            if not any(needs.adapt_frames for needs in self._reach.needs[number + 1 :]):
                break
            count = self._reach.calibration(number + 1)
            known = given[: count + self._reach.needs[number].halo_frames]
            marked = [replace(frame, is_halo=place >= count) for place, frame in enumerate(known)]
            given = [_between(frame) for frame in restorer.restore(marked, own)]
        return learnt

    def restore(self, frames: Iterable[VideoFrame], adaptation: Adaptation = NOT_ADAPTED) -> Iterator[VideoFrame]:
        """One frame for each frame that is not halo, through all steps. See `vsr.methods.method.Restorer`."""
        segment = _Segment()
        placed = segment.place(frames)
        for number in range(len(self._steps)):
            learnt = part_of(adaptation, f"{_teacher(self._steps, number)}.")
            placed = self._through(number, placed, segment, learnt)
        for _, frame in placed:
            yield frame

    def _through(
        self, number: int, placed: Iterator[_Placed], segment: _Segment, adaptation: Adaptation
    ) -> Iterator[_Placed]:
        """What step ``number`` makes of frames, those before and behind the segment that later steps need included."""
        length, halo = self._reach.needs[number].chain_frames, self._reach.needs[number].halo_frames
        start, is_last = -self._reach.lead(number), number + 1 == len(self._steps)

        def stop() -> int | None:
            return None if segment.stop is None else self._reach.stop(number, segment.stop)

        def near() -> Iterator[_Placed]:
            for place, frame in placed:
                last = stop()
                if last is not None and place >= last + halo:
                    return
                if place >= start - halo:
                    yield place, frame

        source = near()
        head = list(islice(source, 1))
        if not head:
            return
        begin = max(start, head[0][0])
        if begin % length:  # the shot begins inside a chain, whose rest stands for itself
            end = _rounded_up(begin, length)
            while head[-1][0] < end + halo - 1 and (more := next(source, None)) is not None:
                head.append(more)
            made = self._run(number, _mark(head, begin - halo, begin, lambda: end), adaptation)
            yield from enumerate(made if is_last else map(_between, made), begin)
            begin = end
        made = self._run(number, _mark(chain(head, source), begin - halo, begin, stop), adaptation)
        yield from enumerate(made if is_last else map(_between, made), begin)

    def _run(self, number: int, frames: Iterator[VideoFrame], adaptation: Adaptation) -> Iterator[VideoFrame]:
        """Step ``number`` alone; what earlier steps found stays among the findings."""
        step, restorer = self._steps[number], self._restorers[number]
        found: dict[tuple[int, int], Mapping[str, float]] = {}

        def noted() -> Iterator[VideoFrame]:
            for frame in frames:
                if frame.findings and not frame.is_halo:
                    found[frame.ordinal, frame.pts] = frame.findings
                yield frame

        if step.place is None:
            made = watched(step.prepared, restorer, noted(), adaptation, self._geometries[number])
        else:
            made = restorer.restore(noted(), adaptation)
        for frame in made:
            earlier = found.pop((frame.ordinal, frame.pts), None)
            yield frame if earlier is None else replace(frame, findings={**earlier, **frame.findings})


def _mark(placed: Iterable[_Placed], first: int, start: int, stop: Callable[[], int | None]) -> Iterator[VideoFrame]:
    """Frames from place ``first`` on, those before ``start`` and from ``stop()`` on as context."""
    for place, frame in placed:
        if place >= first:
            last = stop()
            yield replace(frame, is_halo=place < start or (last is not None and place >= last))


def _between(frame: VideoFrame) -> VideoFrame:
    """A frame as the next step is given it: in the code range, unrounded."""
    if frame.layout.is_float:
        return frame
    return replace(frame, planes=tuple(plane.clamp(0, frame.layout.peak) for plane in frame.planes))

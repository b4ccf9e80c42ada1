"""Film frames of a telecined video, put together again: inverse telecine.

`vsr.media.cadence` tells which fields belong to one film frame. Here they become frames again: two fields of one
moment, which the video often holds in one frame and otherwise in two neighbours, none of it computed. Fields that only
repeat others are left out, and so are single fields whose other half is not in the video (cuts made after the
telecine leave some); no image is made up. Frames in no cadence stay as they are. So the film is a video of its own:
its frames have ordinals, times and fingerprints, and name the frames that they come from.

In an unbroken cadence, film frames are evenly spaced over the time of the fields that they were shown for: 24000/1001 a
second from 30000/1001. Where a cadence breaks, times start again from those of the video, so sound stays in step.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from vsr.media.cadence import PATTERNS, CadenceTracker, Order, Phase
from vsr.media.combing import luma_rows
from vsr.media.decode import FrameRecord, Weave
from vsr.media.filtering import FrameCopier
from vsr.media.planes import fingerprint, planes_of
from vsr.media.reading import Reader

__all__ = ["FILM_TICKS", "FilmFound", "FilmReader", "describe_film", "recover_film", "weave_fields"]

FILM_TICKS = 4
"""Ticks of a film frame's time for each tick of the video: four film frames lie evenly in the time of five."""


@dataclass
class FilmFound:
    """What was found in a video, counted."""

    film_frames: int = 0
    """Frames put together from the fields of a cadence."""
    woven_frames: int = 0
    """Those of them whose fields come from two frames of the video."""
    other_frames: int = 0
    """Frames in no cadence, or whose fields belong together anyway, which stay as they are."""
    blended_frames: int = 0
    """Those of them in which a field mixes two moments: converted from another rate, or in a dissolve."""
    single_fields: int = 0
    """Fields left out as the other one of their film frame is not in the video."""
    repeated_fields: int = 0
    """Fields left out as they show what others show."""
    breaks: int = 0
    """Places where a cadence begins, changes or breaks off."""
    patterns: Counter[str] = field(default_factory=Counter)
    """Film frames by the pattern of their cadence (key of `PATTERNS`)."""


def describe_film(found: Mapping[str, Any]) -> list[str]:
    """What was found, in words; ``found`` has the fields of `FilmFound`."""
    if not found["film_frames"]:
        return ["not telecined: no film frames were found, all frames stay as they are"]
    patterns = ", ".join(sorted(found["patterns"], key=lambda name: -found["patterns"][name]))
    lines = [
        f"film on video ({patterns}): {found['film_frames']} film frames, {found['woven_frames']} of them from two "
        f"frames; {found['repeated_fields']} repeated fields left out, cadence broken {found['breaks']} times"
    ]
    if found["single_fields"]:
        lines.append(
            f"{found['single_fields']} single fields left out: the other half of their film frame is not there"
        )
    if found["other_frames"]:
        lines.append(f"{found['other_frames']} frames in no cadence stay frames of their own")
    if found["blended_frames"]:
        lines.append(f"{found['blended_frames']} of these mix two moments (converted from another rate, or a dissolve)")
    return lines


@dataclass
class _Group:
    """Fields of one film frame, or a frame that stays as it is."""

    start: Fraction
    """When it begins, in fields of the video from the start of the section."""
    pattern: str | None
    order: Order
    fields: list[tuple[int, int]] = field(default_factory=list)
    """Number of the frame in the section, and 0 or 1: its first or second field."""

    @property
    def whole(self) -> int | None:
        """A frame of the video that holds both fields, if there is one."""
        return next((a[0] for a, b in pairwise(self.fields) if a[0] == b[0]), None)

    @property
    def rows(self) -> tuple[int, int]:
        """Frames of the video that hold its top field and its bottom one."""
        whole = self.whole
        if whole is not None:
            return whole, whole
        (first, _), (second, _) = self.fields[:2]
        # across frames, the second field of the earlier one comes first
        return (second, first) if self.order == "top first" else (first, second)


class _Groups:
    """Groups of the fields of frames whose phases are given one after another."""

    def __init__(self, found: FilmFound) -> None:
        self._found = found
        self._open: _Group | None = None
        self._count = 0
        self._dropped: int | None = None
        """Number of the frame whose first field was left out last."""

    def push(self, phase: Phase) -> list[_Group]:
        """Take the next frame; returns the groups that are complete."""
        number, self._count = self._count, self._count + 1
        done: list[_Group] = []
        self._found.breaks += not phase.continues and number > 0
        if phase.pattern is None:
            done += self.finish()
            self._found.blended_frames += phase.is_blended
            return [*done, _Group(Fraction(2 * number), None, phase.order, [(number, 0), (number, 1)])]
        for which in (0, 1):
            film, place = phase.within(which)
            if place == 0 or self._open is None or (which == 0 and not phase.continues):
                done += self.finish()
                self._open = _Group(self._start(phase, number, which, film, place), phase.pattern, phase.order)
            self._open.fields.append((number, which))
        return done

    def finish(self) -> list[_Group]:
        """The group that is open, if it has both fields."""
        group, self._open = self._open, None
        if group is not None and len(group.fields) < 2:
            number, which = group.fields[0]
            if which == 1 and self._dropped == number:  # both fields of one frame: it stays as it is
                self._dropped = None
                self._found.single_fields -= 1
                return [_Group(Fraction(2 * number), None, group.order, [(number, 0), (number, 1)])]
            self._dropped = number if which == 0 else None
            self._found.single_fields += 1
            return []
        return [group] if group is not None else []

    @staticmethod
    def _start(phase: Phase, number: int, which: int, film: int, place: int) -> Fraction:
        """Where the film frame begins if those of the pattern are evenly spaced."""
        assert phase.pattern is not None
        lengths = PATTERNS[phase.pattern]
        if phase.pattern == "2:2":
            return Fraction(2 * number)  # half a frame early, at the times that the video has
        even = 2 * number + which - place - sum(lengths[:film]) + Fraction(film * sum(lengths), len(lengths))
        return max(even, Fraction(2 * number if place else 0))


class _Clock:
    """Times of the frames of a section, between which those of film frames lie."""

    def __init__(self, last: int) -> None:
        self._first = 0  # number of the first time that is kept
        self._times: deque[int] = deque(maxlen=16)
        self.last = last
        """The latest answer."""

    def push(self, pts: int) -> None:
        """The time of the next frame, in ticks."""
        if len(self._times) == self._times.maxlen:
            self._first += 1
        self._times.append(pts)

    def at(self, fields: Fraction) -> int:
        """When so many fields have passed, in film ticks; later than the last answer."""
        place = fields / 2 - self._first
        number = max(0, min(int(place), len(self._times) - 2))
        if len(self._times) == 1:
            time = self._times[0] * FILM_TICKS
        else:
            before, after = self._times[number], self._times[number + 1]
            time = round(FILM_TICKS * (before + (after - before) * (place - number)))
        self.last = max(time, self.last + 1)
        return self.last


class _Section:
    """A run of frames of one look, whose film frames are put together."""

    def __init__(self, found: FilmFound, ordinal: int, last: int) -> None:
        """``ordinal`` is that of its first film frame; its times are later than ``last``."""
        self.ordinal = ordinal
        self._found = found
        self._tracker, self._groups, self._clock = CadenceTracker(), _Groups(found), _Clock(last)
        self._waiting: deque[tuple[FrameRecord, av.VideoFrame]] = deque()  # for their phases
        self._held: dict[int, tuple[FrameRecord, av.VideoFrame]] = {}  # by number; those of groups that may be open
        self._num_known = self._next_unread = 0
        self._copier = FrameCopier()

    @property
    def last(self) -> int:
        """The time of the latest film frame."""
        return self._clock.last

    def push(self, record: FrameRecord, frame: av.VideoFrame) -> Iterator[tuple[FrameRecord, av.VideoFrame]]:
        """Take the next frame; gives the film frames that are complete."""
        if not self._num_known and not self._waiting:
            self._clock.push(record.pts)
        self._waiting.append((record, self._copier.copy(frame)))
        yield from self._resolve(self._tracker.push(luma_rows(frame)))

    def finish(self) -> Iterator[tuple[FrameRecord, av.VideoFrame]]:
        """All film frames that are left."""
        yield from self._resolve(self._tracker.finish())
        yield from map(self._make, self._groups.finish())

    def _resolve(self, phases: Iterable[Phase]) -> Iterator[tuple[FrameRecord, av.VideoFrame]]:
        for phase in phases:
            self._held[self._num_known] = self._waiting.popleft()
            self._num_known += 1
            if self._waiting:
                self._clock.push(self._waiting[0][0].pts)
            yield from map(self._make, self._groups.push(phase))

    def _make(self, group: _Group) -> tuple[FrameRecord, av.VideoFrame]:
        first, last = group.fields[0][0], group.fields[-1][0]
        top, bottom = (self._held[number] for number in group.rows)
        is_film = group.pattern is not None
        read = range(min(first, self._next_unread), last + 1)
        weave = Weave(
            tuple(self._held[number][0] for number in read), top[0].ordinal, bottom[0].ordinal, is_film=is_film
        )
        frame = top[1] if top is bottom else weave_fields(self._copier.copy(top[1]), bottom[1])
        record = replace(
            top[0],
            ordinal=self.ordinal,
            decoded_pts=None,
            pts=self._clock.at(group.start),
            fingerprint=top[0].fingerprint if top is bottom else fingerprint(planes_of(frame)),
            interlaced=top[0].interlaced and not is_film,
            duration=0,
            weave=weave,
        )
        self.ordinal += 1
        self._next_unread = last + 1
        self._held = {number: one for number, one in self._held.items() if number >= last}
        self._count(group, is_woven=top is not bottom)
        return record, frame

    def _count(self, group: _Group, *, is_woven: bool) -> None:
        if group.pattern is None:
            self._found.other_frames += 1
            return
        self._found.film_frames += 1
        self._found.woven_frames += is_woven
        self._found.repeated_fields += len(group.fields) - 2
        self._found.patterns[group.pattern] += 1


def recover_film(
    frames: Iterable[tuple[FrameRecord, av.VideoFrame]], found: FilmFound
) -> Iterator[tuple[FrameRecord, av.VideoFrame]]:
    """The film in a linearly decoded video; its times are in a `FILM_TICKS`-th of the video's ticks.

    ``found`` is filled on the way. Frames come up to `vsr.media.cadence.LAG_FRAMES` late, as copies.
    """
    section, look = _Section(found, 0, -(1 << 63)), None
    for record, frame in frames:
        if look is not None and record.look != look:
            yield from section.finish()
            section = _Section(found, section.ordinal, section.last)
        look = record.look
        yield from section.push(record, frame)
    yield from section.finish()


def weave_fields(frame: av.VideoFrame, bottom: av.VideoFrame) -> av.VideoFrame:
    """``frame``, which is changed, with every other row from the second one on of ``bottom``, in all planes."""
    for into, source in zip(frame.planes, bottom.planes, strict=True):
        ours, theirs = _rows(into), _rows(source)
        width = min(ours.shape[1], theirs.shape[1])
        ours[1::2, :width] = theirs[1::2, :width]
    return frame


def _rows(plane: av.video.plane.VideoPlane) -> NDArray[np.uint8]:
    rows = np.frombuffer(memoryview(plane), np.uint8, count=plane.line_size * plane.height)
    return rows.reshape(plane.height, plane.line_size)


class FilmReader:
    """Reads film frames by what their records say; and frames of the video itself, as any reader does."""

    def __init__(self, reader: Reader) -> None:
        """``reader`` reads the frames of the video."""
        self._reader = reader
        self._copier = FrameCopier()

    def read(self, records: Sequence[FrameRecord]) -> Iterator[av.VideoFrame]:
        """See `vsr.media.reading.Reader`."""
        weaves = [record.weave for record in records if record.weave is not None]
        if not weaves:
            yield from self._reader.read(records)
            return
        needed = {one.ordinal: one for weave in weaves for one in weave.records}
        frames = zip(sorted(needed), self._reader.read([needed[number] for number in sorted(needed)]), strict=True)
        held: dict[int, av.VideoFrame] = {}
        for weave in weaves:
            first, last = weave.records[0].ordinal, weave.records[-1].ordinal
            while last not in held:
                number, frame = next(frames)
                held[number] = frame
            held = {number: frame for number, frame in held.items() if number >= min(first, weave.top, weave.bottom)}
            top, bottom = held[weave.top], held[weave.bottom]
            yield top if top is bottom else weave_fields(self._copier.copy(top), bottom)

    def close(self) -> None:
        """See `vsr.media.reading.Reader`."""
        self._reader.close()

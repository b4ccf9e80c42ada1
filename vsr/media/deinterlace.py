"""Deinterlacing, frame for frame or field for field: by FFmpeg's bwdif, and from there along the motion."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import groupby
from typing import Literal

import av
import av.error
import numpy as np
import torch
from av.filter import Graph
from numpy.typing import NDArray

from vsr.errors import InputError
from vsr.frames import PixelLayout
from vsr.media.combing import Fields
from vsr.media.field_motion import REACH_MOMENTS, ROUNDS, Moment, fill_rows
from vsr.media.planes import frame_from_planes, frame_layout, planes_of

__all__ = ["DEINTERLACE_CONTEXT", "Deinterlacer", "deinterlace"]

Deinterlacer = Literal["bwdif", "motion"]
"""FFmpeg's filter, which looks at a frame and its neighbours; or `vsr.media.field_motion`, which starts from that."""

DEINTERLACE_CONTEXT = ROUNDS * REACH_MOMENTS // 2 + 1
"""Frames on each side that a result depends on: two moments a frame, and bwdif's neighbour of the farthest one."""

_COUNTER = Fraction(1, 25)
_MODES: dict[Fields, str] = {"progressive": "prog", "top first": "tff", "bottom first": "bff"}


def _graph(frame: av.VideoFrame, name: str, options: str) -> Graph:
    graph = Graph()
    # times are counters here, so frames of any timing pass; the caller knows the real ones
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=_COUNTER)
    filters, sink = graph.add(name, options), graph.add("buffersink")
    as_given = graph.add("format", f"pix_fmts={frame.format.name}")  # FFmpeg converts what a filter does not take
    source.link_to(filters)
    filters.link_to(as_given)
    as_given.link_to(sink)
    graph.configure()
    return graph


def _pull(graph: Graph) -> Iterator[av.VideoFrame]:
    while True:
        try:
            frame = graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        if isinstance(frame, av.VideoFrame):
            yield frame


class _Flagger:
    """Gives frames the flags of what they are, which PyAV cannot write: the filter looks at these."""

    def __init__(self) -> None:
        self._graphs: dict[Fields, Graph] = {}

    def flagged(self, frame: av.VideoFrame, fields: Fields) -> av.VideoFrame:
        """The same image, marked as ``fields``; as it is for ``unknown``, which its own flags describe."""
        if fields == "unknown":
            return frame
        if fields not in self._graphs:
            self._graphs[fields] = _graph(frame, "setparams", f"field_mode={_MODES[fields]}")
        self._graphs[fields].push(frame)
        [marked] = _pull(self._graphs[fields])
        return marked


def deinterlace(
    frames: Iterable[tuple[av.VideoFrame, Fields]],
    rate: Literal["frame", "field"],
    *,
    only_interlaced: bool,
    by: Deinterlacer = "bwdif",
) -> Iterator[av.VideoFrame]:
    """Progressive frames: one for each that comes in, or two (``rate="field"``), in order; times are meaningless.

    Each frame comes with how it was scanned. ``only_interlaced``, which is for ``rate="frame"``, passes progressive
    ones untouched; without it these are deinterlaced too, in the order of their flags. Where size or format change,
    neighbours are not looked at.
    """
    given = returned = 0
    for _, run in groupby(frames, lambda one: (one[0].width, one[0].height, one[0].format.name)):
        counted = _Counter(run)
        make = _of_one_size if by == "bwdif" else _along_the_motion
        for frame in make(counted, rate, only_interlaced):
            returned += 1
            yield frame
        given += counted.count
    if returned != given * (2 if rate == "field" else 1):
        raise InputError(f"deinterlacing returned {returned} frames for {given}; try --deinterlace off")


class _Counter:
    """The same frames, counted."""

    def __init__(self, frames: Iterable[tuple[av.VideoFrame, Fields]]) -> None:
        self._frames = frames
        self.count = 0

    def __iter__(self) -> Iterator[tuple[av.VideoFrame, Fields]]:
        for one in self._frames:
            self.count += 1
            yield one


def _of_one_size(
    frames: Iterable[tuple[av.VideoFrame, Fields]], rate: Literal["frame", "field"], only_interlaced: bool
) -> Iterator[av.VideoFrame]:
    graph: Graph | None = None
    flagger = _Flagger()
    waiting: deque[tuple[av.VideoFrame, Fields]] = deque()

    def chosen(filtered: Iterable[av.VideoFrame]) -> Iterator[av.VideoFrame]:
        """Progressive frames themselves, which may have been converted on their way."""
        for made in filtered:
            if rate == "field" or not only_interlaced:
                yield made
            else:
                frame, fields = waiting.popleft()
                yield frame if fields == "progressive" else made

    for number, (frame, fields) in enumerate(frames):
        if graph is None:
            mode = "send_frame" if rate == "frame" else "send_field"
            graph = _graph(
                frame, "bwdif", f"mode={mode}:parity=auto:deint={'interlaced' if only_interlaced else 'all'}"
            )
        pts, time_base = frame.pts, frame.time_base
        frame.pts, frame.time_base = number, _COUNTER
        as_flagged: Fields = "unknown" if fields == "progressive" and not only_interlaced else fields
        graph.push(flagger.flagged(frame, as_flagged))
        frame.pts, frame.time_base = pts, time_base  # the reader may hand the same frame out again
        if rate == "frame" and only_interlaced:
            waiting.append((frame, fields))
        yield from chosen(_pull(graph))
    if graph is not None:
        graph.push(None)
        yield from chosen(_pull(graph))


Plane = NDArray[np.generic]


def _along_the_motion(
    frames: Iterable[tuple[av.VideoFrame, Fields]], rate: Literal["frame", "field"], only_interlaced: bool
) -> Iterator[av.VideoFrame]:
    """As `_of_one_size`; its images are the first guess."""
    given: deque[tuple[av.VideoFrame, Fields]] = deque()
    made: deque[tuple[Plane, ...]] = deque()

    def kept() -> Iterator[tuple[av.VideoFrame, Fields]]:
        for one in frames:
            given.append(one)
            yield one

    def moments() -> Iterator[Moment]:
        """Two for each frame."""
        for number, guess in enumerate(_of_one_size(kept(), "field", False)):
            is_second = bool(number % 2)
            frame, fields = given[number // 2 - taken]
            own: int | None = None
            planes = planes_of(frame)
            if not only_interlaced or fields != "progressive":
                guessed = planes_of(guess)
                own, planes = _own_rows(guessed[0], planes[0]), guessed
            made.append(planes)
            scale = 1 / frame_layout(guess).peak
            tensors = tuple(torch.from_numpy(plane.astype(np.float32)) * scale for plane in planes)
            yield Moment(tensors, own, is_requested=rate == "field" or not is_second)

    taken = 0
    for number, moment in enumerate(fill_rows(moments())):
        planes = made.popleft()
        frame, _ = given[0]
        if number % 2:
            given.popleft()
            taken += 1
        if not moment.is_requested:
            continue
        if moment.own is None and rate == "frame":
            yield frame
            continue
        layout = frame_layout(frame)
        yield frame_from_planes(_rounded(moment, planes, layout), layout, frame.width, frame.height)


def _own_rows(image: Plane, frame: Plane) -> int:
    """Which rows of ``frame`` a moment took over: 0 for even ones, 1 for odd ones."""
    even, odd = (
        np.abs(image[at::2].astype(np.float32) - frame[at::2].astype(np.float32)).sum(dtype=np.float64) for at in (0, 1)
    )
    return int(odd < even)


def _rounded(moment: Moment, guess: tuple[Plane, ...], layout: PixelLayout) -> tuple[Plane, ...]:
    """The planes of ``moment`` as samples; its own rows as they are in ``guess``."""
    planes = []
    for filled, plane in zip(moment.planes, guess, strict=True):
        made, white = plane.copy(), layout.peak
        if moment.own is not None:
            rows = filled[1 - moment.own :: 2].numpy() * np.float32(white)
            if not layout.is_float:
                rows = rows.round().clip(0, white)
            made[1 - moment.own :: 2] = rows.astype(plane.dtype)
        planes.append(made)
    return tuple(planes)

"""Deinterlacing with FFmpeg's bwdif, frame for frame or field for field."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Literal

import av
import av.error
from av.filter import Graph

from vsr.errors import InputError

__all__ = ["deinterlace"]

_COUNTER = Fraction(1, 25)


def _graph(frame: av.VideoFrame, mode: str, only_flagged: bool) -> Graph:
    graph = Graph()
    # times are counters here, so frames of any timing pass; the caller knows the real ones
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=_COUNTER)
    filters = graph.add("bwdif", f"mode={mode}:parity=auto:deint={'interlaced' if only_flagged else 'all'}")
    sink = graph.add("buffersink")
    source.link_to(filters)
    filters.link_to(sink)
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


def deinterlace(
    frames: Iterable[av.VideoFrame], rate: Literal["frame", "field"], *, only_flagged: bool
) -> Iterator[av.VideoFrame]:
    """Progressive pictures: one for each frame, or two (``rate="field"``), in order; times are meaningless.

    ``only_flagged`` passes frames that the decoder calls progressive untouched (doubled for ``field``).
    All frames must share one size and format.
    """
    graph: Graph | None = None
    given = returned = 0
    for frame in frames:
        if graph is None:
            graph = _graph(frame, "send_frame" if rate == "frame" else "send_field", only_flagged)
        pts, time_base = frame.pts, frame.time_base
        frame.pts, frame.time_base = given, _COUNTER
        graph.push(frame)
        frame.pts, frame.time_base = pts, time_base  # the reader may hand the same frame out again
        given += 1
        for picture in _pull(graph):
            returned += 1
            yield picture
    if graph is None:
        return
    graph.push(None)
    for picture in _pull(graph):
        returned += 1
        yield picture
    if returned != given * (2 if rate == "field" else 1):
        raise InputError(f"deinterlacing returned {returned} pictures for {given} frames; try --deinterlace off")

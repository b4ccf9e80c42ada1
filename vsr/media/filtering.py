"""One FFmpeg filter applied to decoded frames, whose times, flags and side data stay as they are."""

from __future__ import annotations

from fractions import Fraction

import av
import av.error
from av.filter import Graph

__all__ = ["FrameCopier", "FrameFilter"]

_COUNTER = Fraction(1, 1000)


class FrameFilter:
    """A filter that gives one frame, or none, for one frame. Not thread-safe."""

    def __init__(self, name: str, options: str | None = None) -> None:
        self._name, self._options = name, options
        self._graph: Graph | None = None
        self._shape: tuple[int, int, str] | None = None

    def __call__(self, frame: av.VideoFrame) -> av.VideoFrame:
        """The filtered frame; ``frame`` is left as it was."""
        found = self._filter(frame)
        assert found is not None
        return found

    def passes(self, frame: av.VideoFrame) -> bool:
        """Whether a filter that selects lets ``frame`` through; it is left as it was."""
        return self._filter(frame) is not None

    def _filter(self, frame: av.VideoFrame) -> av.VideoFrame | None:
        shape = (frame.width, frame.height, frame.format.name)
        if self._graph is None or shape != self._shape:
            self._graph, self._shape = self._make(frame), shape
        pts, time_base = frame.pts, frame.time_base
        frame.pts, frame.time_base = 0, _COUNTER  # a graph refuses some times, and rescales others
        try:
            self._graph.push(frame)
            found = self._graph.pull()
        except av.error.BlockingIOError:  # it waits for another frame
            return None
        finally:
            frame.pts, frame.time_base = pts, time_base
        assert isinstance(found, av.VideoFrame)
        found.pts, found.time_base = pts, time_base
        return found

    def _make(self, frame: av.VideoFrame) -> Graph:
        graph = Graph()
        source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=_COUNTER)
        made, sink = graph.add(self._name, self._options), graph.add("buffersink")
        source.link_to(made)
        made.link_to(sink)
        graph.configure()
        return graph


class FrameCopier:
    """Copies frames, pixels and properties alike, into memory of their own.

    A decoder paints into buffers that it reuses once they are released. Where a damaged frame is painted only in
    part, the rest shows what the buffer held before; so who holds on to frames changes what later ones look like. A
    reader that keeps copies leaves the decoder as it was in the first, linear pass, and gets the same frames.
    """

    def __init__(self) -> None:
        self._copy = FrameFilter("copy")

    def copy(self, frame: av.VideoFrame) -> av.VideoFrame:
        """``frame`` again, in memory that its decoder does not know."""
        return self._copy(frame)

"""Frames with memory of their own.

A decoder paints into buffers that it uses again once nobody holds them. Where a damaged picture is painted only in
part, the rest shows what the buffer held before; so who holds on to frames changes what later ones look like. A
reader that keeps copies leaves the decoder as it was in the first, linear pass, and gets the same pictures.
"""

from __future__ import annotations

from fractions import Fraction

import av
from av.filter import Graph

__all__ = ["FrameCopier"]

_COUNTER = Fraction(1, 1000)


class FrameCopier:
    """Copies frames, pixels and properties alike."""

    def __init__(self) -> None:
        self._graph: Graph | None = None
        self._shape: tuple[int, int, str] | None = None

    def copy(self, frame: av.VideoFrame) -> av.VideoFrame:
        """``frame`` again, in memory that its decoder does not know."""
        shape = (frame.width, frame.height, frame.format.name)
        if self._graph is None or shape != self._shape:
            self._graph, self._shape = self._make(frame), shape
        pts, time_base = frame.pts, frame.time_base
        frame.pts, frame.time_base = 0, _COUNTER
        self._graph.push(frame)
        copied = self._graph.pull()
        assert isinstance(copied, av.VideoFrame)
        for each in (frame, copied):
            each.pts, each.time_base = pts, time_base
        return copied

    @staticmethod
    def _make(frame: av.VideoFrame) -> Graph:
        graph = Graph()
        source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=_COUNTER)
        copy, sink = graph.add("copy"), graph.add("buffersink")
        source.link_to(copy)
        copy.link_to(sink)
        graph.configure()
        return graph

"""GIF: one palette for a whole clip, which is why its last step sees all frames, twice.

First FFmpeg's ``palettegen`` counts the colours of all frames, then ``paletteuse`` maps each to the 255 that serve them
best. Dither is ordered: its pattern stays in place from frame to frame, where error diffusion boils, and files are a
tenth smaller. Images of segments are lossless, so that nothing is lost twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import av
import av.error
from av.filter import Graph
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from vsr.errors import MachineError
from vsr.media.mux import SegmentFile
from vsr.media.safe_open import file_url

__all__ = ["GIF_MOST_TICKS", "GIF_TICK", "write_gif"]

GIF_TICK = Fraction(1, 100)
"""Seconds a tick of its clock."""
GIF_MOST_TICKS = 65535
"""That a frame can last."""
_DITHER = "dither=bayer:bayer_scale=3:diff_mode=rectangle"


def write_gif(segments: Sequence[SegmentFile], times: Sequence[int], last: int, target: Path, *, comment: str) -> None:
    """Write ``target`` from ``segments`` of images without loss, shown at ``times`` (1/100 s, from 0).

    ``last`` is how long the last one stays. It plays without end. Raises `MachineError` where it cannot be written.
    """
    try:
        palette = _palette(segments)
        options = {"loop": "0", "final_delay": str(last), "fflags": "+bitexact"}
        with (
            target.open("wb") as file,
            av.open(_Commented(file, comment), "w", format="gif", options=options) as container,
        ):
            stream = _stream(container, segments)
            for frame in _mapped(segments, palette, times):
                container.mux(_in(stream, frame))
            container.mux(_in(stream, None))
    except av.error.FFmpegError as error:
        raise MachineError(f"{target.name}: could not be put together: {error.strerror or error}") from error


def _frames(segments: Sequence[SegmentFile]) -> Iterator[av.VideoFrame]:
    """All images, in order. Raises `MachineError` where they are not as many as recorded."""
    for segment in segments:
        count = 0
        with av.open(file_url(segment.path)) as container:
            for frame in container.decode(video=0):
                count += 1
                yield frame
        if count != len(segment.packets):
            raise MachineError(
                f"{segment.path.name} holds {count} images, its sidecar says {len(segment.packets)}; "
                "remove the work folder and run again"
            )


def _buffer(graph: Graph, frame: av.VideoFrame) -> av.filter.context.FilterContext:
    return graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=GIF_TICK)


def _palette(segments: Sequence[SegmentFile]) -> av.VideoFrame:
    """The colours for all images, as ``palettegen`` gives them."""
    graph = Graph()
    source = None
    for number, frame in enumerate(_frames(segments)):
        if source is None:
            source = _buffer(graph, frame)
            count, sink = graph.add("palettegen"), graph.add("buffersink")
            source.link_to(count)
            count.link_to(sink)
            graph.configure()
        frame.pts, frame.time_base = number, GIF_TICK
        source.push(frame)
    assert source is not None
    source.push(None)
    found = graph.pull()
    assert isinstance(found, av.VideoFrame)
    return found


def _mapped(segments: Sequence[SegmentFile], palette: av.VideoFrame, times: Sequence[int]) -> Iterator[av.VideoFrame]:
    """All images in the colours of ``palette``, at their ``times``."""
    graph: Graph | None = None
    for frame, pts in zip(_frames(segments), times, strict=True):
        if graph is None:
            graph = Graph()
            source, colours = _buffer(graph, frame), _buffer(graph, palette)
            use, sink = graph.add("paletteuse", _DITHER), graph.add("buffersink")
            source.link_to(use, 0, 0)
            colours.link_to(use, 0, 1)
            use.link_to(sink)
            graph.configure()
            palette.pts, palette.time_base = 0, GIF_TICK
            colours.push(palette)
            colours.push(None)
        frame.pts, frame.time_base = pts, GIF_TICK
        source.push(frame)
        found = sink.pull()
        assert isinstance(found, av.VideoFrame)
        yield found


def _stream(container: av.container.OutputContainer, segments: Sequence[SegmentFile]) -> VideoStream:
    first = next(_frames(segments))
    stream = container.add_stream("gif", rate=1 / GIF_TICK)
    assert isinstance(stream, VideoStream)
    stream.width, stream.height, stream.pix_fmt = first.width, first.height, "pal8"
    stream.time_base = stream.codec_context.time_base = GIF_TICK
    return stream


def _in(stream: VideoStream, frame: av.VideoFrame | None) -> list[av.Packet[Any]]:
    context = stream.codec_context
    assert isinstance(context, VideoCodecContext)
    packets = list(context.encode(frame))
    for packet in packets:
        packet.stream = stream
    return packets


class _Commented:
    """A file that gets a comment behind the header and the global palette; FFmpeg's muxer writes none."""

    def __init__(self, file: IO[bytes], words: str) -> None:
        text = words.encode("ascii", "replace")
        blocks = b"".join(bytes([len(part)]) + part for part in (text[n : n + 255] for n in range(0, len(text), 255)))
        self._file, self._head, self._comment = file, b"", b"\x21\xfe" + blocks + b"\0"

    def write(self, data: bytes) -> int:
        """Take the next bytes."""
        if not self._comment:
            return self._file.write(data)
        self._head += data
        flags = self._head[10] if len(self._head) > 10 else 0
        place = 13 + (3 << (flags & 7) + 1 if flags & 128 else 0)
        if len(self._head) >= max(place, 13):
            self._file.write(self._head[:place] + self._comment + self._head[place:])
            self._head = self._comment = b""
        return len(data)

"""Decoding across a change of the sequence header, without the frame that FFmpeg's decoder drops there.

FFmpeg's decoders of MPEG-1, MPEG-2 and MPEG-4 hold the last reference frame back until the next one comes. Where a
header makes them restart (another size, chroma format or scan; another delay), they throw that frame away, or give
it twice. So they are drained ahead of such a header. Nothing may refer across it, by all three standards. The decoders
of H.264, HEVC, VP9 and AV1 give all frames by themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import av
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

__all__ = ["SequenceWatch", "decoded"]

_MPEG2_HEADER = re.compile(
    rb"\x00\x00\x01\xb3(?P<size>.{3})(?:.*?\x00\x00\x01\xb5(?P<extension>[\x10-\x1f].{5}))?",
    re.DOTALL,
)
_MPEG4_LAYER = re.compile(rb"\x00\x00\x01[\x20-\x2f](?P<layer>.*?)(?=\x00\x00\x01|\Z)", re.DOTALL)
_MPEG2_PICTURE, _MPEG4_PICTURE = b"\x00\x00\x01\x00", b"\x00\x00\x01\xb6"


def _mpeg2_sequence(data: bytes) -> bytes | None:
    """What MPEG-1's and MPEG-2's decoder cannot change without a restart.

    The size; of the sequence extension also progressive_sequence, chroma_format and low_delay. Aspect, rate and
    quantisers may change within a sequence that broadcasters have cut together.
    """
    found = _MPEG2_HEADER.search(data, 0, _end_of_headers(data, _MPEG2_PICTURE))
    if found is None:
        return None
    extension = found["extension"]
    if extension is None:
        return bytes(found["size"])
    return bytes([*found["size"], extension[1] & 0x0F, extension[2] & 0xE0, extension[5] & 0x80])


def _mpeg4_layer(data: bytes) -> bytes | None:
    """The whole header of MPEG-4's video object layer, which stays the same as long as the layer does."""
    found = _MPEG4_LAYER.search(data, 0, _end_of_headers(data, _MPEG4_PICTURE))
    return None if found is None else bytes(found["layer"]).rstrip(b"\0")


def _end_of_headers(data: bytes, start_code: bytes) -> int:
    place = data.find(start_code)
    return len(data) if place < 0 else place + len(start_code)


_READERS: dict[str, Callable[[bytes], bytes | None]] = {
    "mpeg1video": _mpeg2_sequence,
    "mpeg2video": _mpeg2_sequence,
    "mpeg4": _mpeg4_layer,
}


class SequenceWatch:
    """Follows the headers of one stream, packet by packet, in the order of decoding."""

    def __init__(self, stream: VideoStream) -> None:
        self._stream = stream
        self._context: VideoCodecContext = stream.codec_context
        self._read = _READERS.get(self._context.name)
        self._sequence = self._read(self._context.extradata or b"") if self._read is not None else None

    def restarts(self, packet: Packet[VideoStream]) -> bool:
        """Whether ``packet``, the next one to be decoded, brings another header than those before."""
        found = self._read(bytes(packet)) if packet.size and self._read is not None else None
        if found is None or found == self._sequence:
            return False
        is_first, self._sequence = self._sequence is None, found
        return not is_first

    def drain(self) -> Iterator[av.VideoFrame]:
        """The frames that the decoder still holds, which is then ready for the packet that restarts it.

        Raises what FFmpeg meets on the way.
        """
        try:
            held = self._context.decode(None)
        finally:
            self._context.flush_buffers()
        for frame in held:
            frame.time_base = self._stream.time_base  # PyAV takes it from the packet, and here is none
            yield frame


def decoded(packet: Packet[VideoStream]) -> Iterator[av.VideoFrame]:
    """The frames that the decoder gives once it has ``packet``. Raises what FFmpeg meets."""
    yield from packet.decode()

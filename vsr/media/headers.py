"""What the headers say of every decoded frame: its pixel aspect, which PyAV's frames do not tell, and its colours.

The decoder knows both, but is ahead of the frames it gives: by the time a frame comes out, the headers of later ones
have been read, and FFmpeg fills in from these what the frame's own left out. So each packet carries its number through
the decoder, and what the decoder knew right after that packet is what its frame has.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from fractions import Fraction

import av
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from vsr.media.color import UNTAGGED, ColorTags, color_tags

__all__ = ["Aspect", "HeaderWatch"]

Aspect = tuple[int, int]
"""Width over height of a sample as numerator and denominator, in lowest terms; ``(0, 1)`` where nothing says it."""


class HeaderWatch:
    """Follows the decoder of one stream from its first packet on.

    A container that contradicts the pixel aspect of the stream's first headers speaks for the whole stream, as it does
    for players; one that agrees with them is taken to describe only the beginning.
    """

    def __init__(self) -> None:
        self._context: VideoCodecContext | None = None
        self._fixed: Aspect | None = None
        self._numbers = [0]  # of the packets that brought something new
        self._found: list[tuple[Aspect, ColorTags]] = []
        self._taken: deque[tuple[Aspect, ColorTags]] = deque()
        self._sent = 0

    def follow(self, stream: VideoStream) -> None:
        """Begin with ``stream``, before its first packet is decoded."""
        self._context = stream.codec_context
        self._context.copy_opaque = True
        by_stream, by_container = self._context.sample_aspect_ratio, stream.sample_aspect_ratio
        if by_container and by_container != by_stream:
            self._fixed = _aspect(by_container)
        self._found = [_read_from(self._context)]

    def send(self, packet: Packet[VideoStream]) -> None:
        """Number ``packet``, which is about to be decoded."""
        self._note()
        packet.opaque = self._sent
        self._sent += 1

    def _note(self) -> None:
        """Remember what the decoder knows after the packet that it was given last."""
        assert self._context is not None
        now = _read_from(self._context)
        if self._sent and now != self._found[-1]:
            self._numbers.append(self._sent - 1)
            self._found.append(now)

    def pop(self) -> tuple[Aspect, ColorTags]:
        """The pixel aspect and the colour tags of the earliest frame that was taken and not asked for yet."""
        return self._taken.popleft()

    def take(self, frame: av.VideoFrame) -> None:
        """The decoder has just given ``frame``."""
        self._note()
        self._taken.append(self._of(frame))

    def _of(self, frame: av.VideoFrame) -> tuple[Aspect, ColorTags]:
        number = frame.opaque
        place = len(self._found) - 1
        if isinstance(number, int):  # else the decoder does not hand it on
            place = max(0, bisect_right(self._numbers, number) - 1)
        aspect, own = self._found[place]
        latest, tags = self._found[-1][1], color_tags(frame)
        if latest != own:
            tags = ColorTags(
                *(
                    untagged if known == untagged and tag == filled_in else tag
                    for tag, known, filled_in, untagged in zip(tags, own, latest, UNTAGGED, strict=True)
                )
            )
        return self._fixed or aspect, tags


def _read_from(context: VideoCodecContext) -> tuple[Aspect, ColorTags]:
    return _aspect(context.sample_aspect_ratio), color_tags(context)


def _aspect(ratio: Fraction | None) -> Aspect:
    return (ratio.numerator, ratio.denominator) if ratio and ratio > 0 else (0, 1)

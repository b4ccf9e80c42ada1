"""Exact reading of any run of frames that a linear decode has named.

A seek that lands wrong is noticed at the first frame that differs and is repeated from further back, at last from the
start.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction

import av
import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from vsr.errors import InputError
from vsr.media.cropping import crop_frames
from vsr.media.decode import FrameRecord, VideoTrack, decode_packets
from vsr.media.filtering import FrameCopier
from vsr.media.planes import fingerprint, planes_of

__all__ = ["FrameReader"]

_log = logging.getLogger(__name__)
_BACKOFF_SECONDS = (0, 1, 4, 16, 64)
_SHORT_SKIP = 48


class FrameReader:
    """Reads runs of frames that a linear decode has named, and proves that they are those frames.

    Runs that follow one another are read on without a seek: the last ``overlap_frames`` are kept for that.
    Not thread-safe; close it, or use it as a context manager.
    """

    def __init__(
        self,
        track: VideoTrack,
        time_base: Fraction,
        *,
        overlap_frames: int,
    ) -> None:
        self._track, self._time_base = track, time_base
        self._container: InputContainer | None = None
        self._frames: Iterator[av.VideoFrame] = iter(())
        self._next_ordinal: int | None = None
        self._copier = FrameCopier()
        self._tail: deque[tuple[int, av.VideoFrame]] = deque(maxlen=overlap_frames)

    def __enter__(self) -> FrameReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; a later read opens it again."""
        self._forget()
        if self._container is not None:
            self._container.close()
            self._container = None

    def read(self, records: Sequence[FrameRecord]) -> Iterator[av.VideoFrame]:
        """The frames of ``records`` (consecutive ordinals), each equal to the linear decode's.

        Raises `InputError` where even a decode from the start gives other frames.
        """
        done = 0
        fresh = self._next_ordinal or 0  # frames before it are kept copies already
        for frames in self._attempts(records[0]):
            for ordinal, frame in frames:
                if ordinal is not None and ordinal < records[done].ordinal:
                    continue
                if not _matches(frame, records[done]):
                    if ordinal is None and _is_before(frame, records[done]):
                        continue
                    break
                self._next_ordinal = records[done].ordinal + 1
                kept = self._copier.copy(frame) if ordinal is None or ordinal >= fresh else frame
                self._tail.append((records[done].ordinal, kept))
                done += 1
                yield kept
                if done == len(records):
                    return
                # from the first match on, ordinals are known; a mismatch ends this attempt
            _log.debug("frame %d not found by this way of reaching it", records[done].ordinal)
            self._forget()
            fresh = 0
        raise InputError(
            f"{self._track.path}: frame {records[done].ordinal} decodes differently from one pass to the next; "
            "the file changed while it was read, or its damage makes decoding ambiguous"
        )

    def _attempts(self, first: FrameRecord) -> Iterator[Iterable[tuple[int | None, av.VideoFrame]]]:
        """Ways to reach ``first``, cheapest first; each gives frames with their ordinals where known."""
        if self._next_ordinal is not None:
            oldest = self._tail[0][0] if self._tail else self._next_ordinal
            if oldest <= first.ordinal <= self._next_ordinal + _SHORT_SKIP:
                yield self._continue()
        if first.ordinal > _SHORT_SKIP and first.decoded_pts is not None:
            for seconds in _BACKOFF_SECONDS:
                yield self._after_seek(first.decoded_pts - int(seconds / self._time_base))
        yield self._from_start()

    def _continue(self) -> Iterator[tuple[int | None, av.VideoFrame]]:
        assert self._next_ordinal is not None
        kept, following = list(self._tail), self._next_ordinal
        self._tail.clear()
        yield from kept
        yield from enumerate(self._frames, following)

    def _after_seek(self, pts: int) -> Iterator[tuple[int | None, av.VideoFrame]]:
        container, stream = self._open()
        try:
            container.seek(pts, stream=stream, backward=True, any_frame=False)
        except av.error.FFmpegError:
            return
        self._frames = crop_frames(decode_packets(container, stream), self._track.crop)
        for frame in self._frames:
            yield None, frame

    def _from_start(self) -> Iterator[tuple[int | None, av.VideoFrame]]:
        self.close()
        container, stream = self._open()
        self._frames = crop_frames(decode_packets(container, stream), self._track.crop)
        yield from enumerate(self._frames)

    def _open(self) -> tuple[InputContainer, VideoStream]:
        if self._container is None:
            self._container, stream = self._track.open()
            return self._container, stream
        known = self._container.streams[self._track.stream_index]
        assert isinstance(known, VideoStream)
        return self._container, known

    def _forget(self) -> None:
        self._frames = iter(())
        self._next_ordinal = None
        self._tail.clear()


def _matches(frame: av.VideoFrame, record: FrameRecord) -> bool:
    return (
        frame.pts == record.decoded_pts
        and (frame.width, frame.height, frame.format.name) == record.geometry
        and fingerprint(planes_of(frame)) == record.fingerprint
    )


def _is_before(frame: av.VideoFrame, record: FrameRecord) -> bool:
    return frame.pts is None or record.decoded_pts is None or frame.pts <= record.decoded_pts

"""Decoding: a linear decode that names every frame, and exact reading of any run of frames.

A frame's identity is its ordinal in a linear decode of the whole stream. Seeking alone cannot be trusted (open
GOPs, transport streams, intra refresh: wrong frames, or wrong pixels without any flag), so the linear decode
records the time and a fingerprint of every frame, and whoever reads frames later checks both. A seek that lands
wrong is noticed at the first frame that differs and is repeated from further back, at last from the start.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from vsr.errors import InputError
from vsr.media.cropping import Crop, cropped
from vsr.media.detach import FrameCopier
from vsr.media.planes import fingerprint, planes_of
from vsr.media.safe_open import open_input

__all__ = ["Damage", "FrameReader", "FrameRecord", "decode_frames", "decode_linear"]

_log = logging.getLogger(__name__)
_BACKOFF_SECONDS = (0, 1, 4, 16, 64)
_SHORT_SKIP = 48
_MAX_EVENTS = 100


@dataclass(frozen=True)
class FrameRecord:
    """What a linear decode found out about one frame."""

    ordinal: int
    """Place in the linear decode, from 0."""
    decoded_pts: int | None
    """The time the decoder gave, in ticks; None where it gave none."""
    pts: int
    """The time used: the decoder's, or the least later tick where that is missing, repeated or backward."""
    fingerprint: str
    """Digest of the visible samples (`vsr.media.planes.fingerprint`)."""
    width: int
    height: int
    pix_fmt: str
    interlaced: bool
    duration: int
    """Ticks the container gives this frame; 0 where it says nothing."""

    @property
    def geometry(self) -> tuple[int, int, str]:
        """Size and pixel format: what a stage set up for one frame needs unchanged in the next."""
        return self.width, self.height, self.pix_fmt


@dataclass
class Damage:
    """What a linear decode had to conceal, skip or mend."""

    decode_errors: int = 0
    """Packets the decoder refused."""
    corrupt_frames: int = 0
    """Frames the decoder flagged as damaged (shown with concealment)."""
    read_errors: int = 0
    """Places where the container could not be read on."""
    mended_times: int = 0
    """Frames whose time was missing, repeated or backward and was moved to the next free tick."""
    missing_times: int = 0
    """Those of them that had no time."""
    repeated_times: int = 0
    """Those that had the time of the frame before."""
    backward_times: int = 0
    """Those that had an earlier one: frames out of order."""
    repeated_frames: int = 0
    """Frames with the very samples of the frame before; no damage, but nothing new either."""
    events: list[str] = field(default_factory=list)
    """The first hundred of them, in words."""

    def note(self, text: str) -> None:
        """Record one event in words (counters are the caller's)."""
        if len(self.events) < _MAX_EVENTS:
            self.events.append(text)

    def mend(self, ordinal: int, decoded: int | None, pts: int, last: int | None) -> None:
        """Record that a frame's time ``decoded`` became ``pts``; ``last`` is that of the frame before."""
        self.mended_times += 1
        if decoded is None:
            self.missing_times += 1
        elif decoded == last:
            self.repeated_times += 1
        else:
            self.backward_times += 1
        self.note(f"frame {ordinal}: time {decoded} became {pts}")

    @property
    def total(self) -> int:
        """Number of things that went wrong with pictures."""
        return self.decode_errors + self.corrupt_frames + self.read_errors


def _decode_packets(
    container: InputContainer, stream: VideoStream, damage: Damage | None = None
) -> Iterator[av.VideoFrame]:
    """Frames of ``stream`` from where the container stands to its end, the decoder drained; damage is passed over."""
    demuxer = container.demux(stream)
    failures = 0
    while True:
        try:
            packet = next(demuxer)
        except StopIteration:
            return
        except av.error.FFmpegError as error:
            failures += 1
            if damage is not None:
                damage.read_errors += 1
                damage.note(f"reading: {error.strerror}")
            if failures > 16 or isinstance(error, av.error.EOFError):
                return
            continue
        try:
            frames = packet.decode()
        except av.error.EOFError:
            continue
        except av.error.FFmpegError as error:
            if damage is not None:
                damage.decode_errors += 1
                damage.note(f"packet at pts {packet.pts}: {error.strerror}")
            continue
        for frame in frames:
            if isinstance(frame, av.VideoFrame):
                yield frame


def _open(path: Path, stream_index: int, threads: int) -> tuple[InputContainer, VideoStream]:
    container = open_input(path)
    stream = container.streams[stream_index]
    if not isinstance(stream, VideoStream):
        raise InputError(f"{path}: stream {stream_index} is not video any more; did the file change?")
    stream.codec_context.thread_count = threads
    return container, stream


def decode_linear(
    path: Path, stream_index: int, threads: int, damage: Damage, crop: Crop | None = None
) -> Iterator[tuple[FrameRecord, av.VideoFrame]]:
    """Decode a stream from start to end, naming every frame; ``damage`` is filled on the way.

    Of each frame only what ``crop`` leaves is given, and named.
    """
    before = ""
    for ordinal, (decoded, pts, frame) in enumerate(_timed(path, stream_index, threads, damage, crop)):
        record = _record(ordinal, decoded, pts, frame)
        damage.repeated_frames += record.fingerprint == before
        before = record.fingerprint
        yield record, frame


def decode_frames(
    path: Path, stream_index: int, threads: int, damage: Damage, crop: Crop | None = None
) -> Iterator[tuple[int, av.VideoFrame]]:
    """The frames of `decode_linear` with their times alone: nothing is proved, so it is quicker."""
    for _, pts, frame in _timed(path, stream_index, threads, damage, crop):
        yield pts, frame


def _timed(
    path: Path, stream_index: int, threads: int, damage: Damage, crop: Crop | None
) -> Iterator[tuple[int | None, int, av.VideoFrame]]:
    """Every frame in order with the time that the decoder gave and the time used."""
    container, stream = _open(path, stream_index, threads)
    with container:
        rate = stream.average_rate or stream.base_rate or Fraction(25)
        time_base = stream.time_base or Fraction(1, 1000)
        step = max(1, round(1 / rate / time_base))
        last: int | None = None
        for ordinal, frame in enumerate(cropped(_decode_packets(container, stream, damage), crop)):
            decoded = frame.pts
            pts = decoded if decoded is not None else (0 if last is None else last + step)
            if last is not None and pts <= last:
                pts = last + 1
            if pts != decoded:
                damage.mend(ordinal, decoded, pts, last)
            if frame.is_corrupt:
                damage.corrupt_frames += 1
                damage.note(f"frame {ordinal}: damaged picture at pts {pts}")
            last = pts
            yield decoded, pts, frame


def _record(ordinal: int, decoded: int | None, pts: int, frame: av.VideoFrame) -> FrameRecord:
    return FrameRecord(
        ordinal=ordinal,
        decoded_pts=decoded,
        pts=pts,
        fingerprint=fingerprint(planes_of(frame)),
        width=frame.width,
        height=frame.height,
        pix_fmt=frame.format.name,
        interlaced=bool(frame.interlaced_frame),
        duration=frame.duration or 0,
    )


class FrameReader:
    """Reads runs of frames that a linear decode has named, and proves that they are those frames.

    Runs that follow one another are read on without a seek: the last ``overlap_frames`` are kept for that.
    Not thread-safe; close it, or use it as a context manager.
    """

    def __init__(
        self,
        path: Path,
        stream_index: int,
        time_base: Fraction,
        *,
        threads: int,
        overlap_frames: int,
        crop: Crop | None = None,
    ) -> None:
        self._path, self._crop = path, crop
        self._stream_index = stream_index
        self._time_base = time_base
        self._threads = threads
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
            f"{self._path}: frame {records[done].ordinal} decodes differently from one pass to the next; "
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
        container, stream = self._opened()
        try:
            container.seek(pts, stream=stream, backward=True, any_frame=False)
        except av.error.FFmpegError:
            return
        self._frames = cropped(_decode_packets(container, stream), self._crop)
        for frame in self._frames:
            yield None, frame

    def _from_start(self) -> Iterator[tuple[int | None, av.VideoFrame]]:
        self.close()
        container, stream = self._opened()
        self._frames = cropped(_decode_packets(container, stream), self._crop)
        yield from enumerate(self._frames)

    def _opened(self) -> tuple[InputContainer, VideoStream]:
        if self._container is None:
            self._container, stream = _open(self._path, self._stream_index, self._threads)
            return self._container, stream
        known = self._container.streams[self._stream_index]
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

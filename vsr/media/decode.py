"""Decoding: a linear decode that names every frame, and exact reading of any run of frames.

A frame's identity is its ordinal in a linear decode of the whole stream. Seeking alone cannot be trusted (open
GOPs, transport streams, intra refresh: wrong frames, or wrong pixels without any flag), so the linear decode
records the time and a fingerprint of every frame, and whoever reads frames later checks both. A seek that lands
wrong is noticed at the first frame that differs and is repeated from further back, at last from the start.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import av
import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from vsr.errors import InputError
from vsr.media.color import UNTAGGED, ColorTags
from vsr.media.combing import Fields
from vsr.media.cropping import Crop, cropped
from vsr.media.damage import Damage, LeadCounter, Timeline
from vsr.media.demuxing import demux, open_for
from vsr.media.detach import FrameCopier
from vsr.media.headers import Aspect, HeaderWatch
from vsr.media.packets import is_empty_sample
from vsr.media.planes import fingerprint, planes_of
from vsr.media.sequences import SequenceWatch, decoded
from vsr.media.timelines import is_clock_jump
from vsr.timestamps import Timestamp, TimestampMender, frame_ticks

__all__ = [
    "Damage",
    "FrameReader",
    "FrameRecord",
    "Look",
    "decode_frames",
    "decode_linear",
    "decode_looks",
    "decode_once",
]

_log = logging.getLogger(__name__)
_BACKOFF_SECONDS = (0, 1, 4, 16, 64)
_SHORT_SKIP = 48
_TS_DISCONT = 0x0200  # FFmpeg's AVFMT_TS_DISCONT, which PyAV gives among other bits as a plain number
_MAX_GAP_SECONDS = 10  # as FFmpeg has it (dts_delta_threshold)


class Look(NamedTuple):
    """Everything about a frame that says how its samples are to be shown."""

    width: int
    height: int
    pix_fmt: str
    aspect: Aspect
    tags: ColorTags


@dataclass(frozen=True)
class FrameRecord:
    """What a linear decode found out about one frame."""

    ordinal: int
    """Place in the linear decode, from 0."""
    decoded_pts: int | None
    """The time the decoder gave, in ticks; None where it gave none."""
    pts: int
    """The time used: the decoder's, mended where it cannot be used; see `vsr.timestamps`."""
    fingerprint: str
    """Digest of the visible samples (`vsr.media.planes.fingerprint`)."""
    width: int
    height: int
    pix_fmt: str
    interlaced: bool
    """Whether the decoder flags it as interlaced."""
    duration: int
    """Ticks the container gives this frame; 0 where it says nothing."""
    aspect: Aspect = (0, 1)
    """Width over height of a sample, as `vsr.media.headers` found it."""
    tags: ColorTags = UNTAGGED
    """What the stream says of its colours."""
    fields: Fields = "progressive"
    """How its rows were scanned, judged by content (`vsr.media.combing`); a linear decode leaves it open."""

    @property
    def geometry(self) -> tuple[int, int, str]:
        """Size and pixel format: what a stage set up for one frame needs unchanged in the next."""
        return self.width, self.height, self.pix_fmt

    @property
    def look(self) -> Look:
        """How its samples are to be shown."""
        return Look(self.width, self.height, self.pix_fmt, self.aspect, self.tags)


def _decode_packets(
    container: InputContainer, stream: VideoStream, damage: Damage | None = None, watch: HeaderWatch | None = None
) -> Iterator[av.VideoFrame]:
    """Frames of ``stream`` from where the container stands to its end, the decoder drained; damage is passed over."""
    counted = damage if damage is not None else Damage()
    lead, sequences = LeadCounter(counted), SequenceWatch(stream)
    for packet in _packets(container, stream, counted):
        if is_empty_sample(packet):
            counted.empty_packets += 1
            continue
        if sequences.begins_anew(packet):
            yield from _given(sequences.drain(), packet, lead, counted, watch)
            lead = LeadCounter(counted, is_after_change=True)
        if packet.size and not packet.is_discard:
            lead.packet(packet.pts, is_key=bool(packet.is_keyframe))
        if watch is not None:
            watch.send(packet)
        yield from _given(decoded(packet), packet, lead, counted, watch)


def _given(
    frames: Iterator[av.VideoFrame],
    packet: av.Packet[Any],
    lead: LeadCounter,
    damage: Damage,
    watch: HeaderWatch | None,
) -> Iterator[av.VideoFrame]:
    """``frames``, which the decoder gives at ``packet``, as far as they can be decoded."""
    while True:
        try:
            frame = next(frames)
        except (StopIteration, av.error.EOFError):
            return
        except av.error.FFmpegError as error:
            damage.decode_errors += 1
            damage.note(f"packet at pts {packet.pts}: {error.strerror}")
            return
        lead.frame(frame.pts)
        if watch is not None:
            watch.take(frame)
        yield frame


def _packets(container: InputContainer, stream: VideoStream, damage: Damage) -> Iterator[av.Packet[Any]]:
    """The packets of ``stream`` from where the container stands; places that cannot be read are passed over."""
    demuxer = demux(container, stream)
    failures = 0
    while True:
        try:
            packet = next(demuxer)
        except StopIteration:
            return
        except av.error.FFmpegError as error:
            failures += 1
            damage.read_errors += 1
            damage.note(f"reading: {error.strerror}")
            if failures > 16 or isinstance(error, av.error.EOFError):
                return
            continue
        yield packet


def _open(path: Path, stream_index: int, threads: int) -> tuple[InputContainer, VideoStream]:
    container = open_for(path, stream_index)
    stream = container.streams[stream_index]
    if not isinstance(stream, VideoStream):
        raise InputError(f"{path}: stream {stream_index} is not video any more; did the file change?")
    stream.codec_context.thread_count = threads
    return container, stream


def decode_linear(
    path: Path,
    stream_index: int,
    threads: int,
    damage: Damage,
    *,
    crop: Crop | None = None,
    untimed_rate: Fraction | None = None,
) -> Iterator[tuple[FrameRecord, av.VideoFrame]]:
    """Decode a stream from start to end, naming every frame; ``damage`` is filled on the way.

    Of each frame only what ``crop`` leaves is given, and named. ``untimed_rate`` is frames a second of a stream without
    times of its own.
    """
    watch = HeaderWatch()
    yield from _named(_timed(path, stream_index, threads, damage, crop, untimed_rate, watch), watch, damage)


def decode_once(
    container: InputContainer,
    stream: VideoStream,
    damage: Damage,
    crop: Crop | None = None,
    untimed_rate: Fraction | None = None,
) -> Iterator[tuple[FrameRecord, av.VideoFrame]]:
    """`decode_linear` of an open ``container`` from where it stands: for what cannot be read twice.

    So every long gap of a broadcast clock is taken for a jump of it, whatever the sound does meanwhile.
    """
    watch = HeaderWatch()
    times = _times(container, stream, damage, crop, untimed_rate, watch, lambda before, after: True)
    yield from _named(times, watch, damage)


def _named(
    frames: Iterable[tuple[Timestamp, av.VideoFrame]], watch: HeaderWatch, damage: Damage
) -> Iterator[tuple[FrameRecord, av.VideoFrame]]:
    before = ""
    for ordinal, (time, frame) in enumerate(frames):
        record = _record(ordinal, time, frame, *watch.pop())
        damage.repeated_frames += record.fingerprint == before
        before = record.fingerprint
        yield record, frame


def decode_frames(
    path: Path,
    stream_index: int,
    threads: int,
    damage: Damage,
    *,
    crop: Crop | None = None,
    untimed_rate: Fraction | None = None,
) -> Iterator[tuple[int, av.VideoFrame]]:
    """The frames of `decode_linear` with their times alone: nothing is proved, so it is quicker."""
    for time, frame in _timed(path, stream_index, threads, damage, crop, untimed_rate):
        yield time.used, frame


def decode_looks(
    path: Path,
    stream_index: int,
    threads: int,
    *,
    crop: Crop | None = None,
    untimed_rate: Fraction | None = None,
) -> Iterator[tuple[int, Look]]:
    """The time and the look of every frame of `decode_linear`, alone; damage is passed over."""
    watch = HeaderWatch()
    for time, frame in _timed(path, stream_index, threads, Damage(), crop, untimed_rate, watch):
        yield time.used, Look(frame.width, frame.height, frame.format.name, *watch.pop())


def _timed(
    path: Path,
    stream_index: int,
    threads: int,
    damage: Damage,
    crop: Crop | None,
    untimed_rate: Fraction | None,
    watch: HeaderWatch | None = None,
) -> Iterator[tuple[Timestamp, av.VideoFrame]]:
    """Every frame in order with its time; frames are held back while a time is in doubt (`LOOKAHEAD` at most)."""
    container, stream = _open(path, stream_index, threads)
    with container:
        # broadcasts have one clock for all streams, which is set anew now and then; elsewhere a gap is meant
        yield from _times(
            container, stream, damage, crop, untimed_rate, watch, partial(is_clock_jump, path, stream_index)
        )


def _times(
    container: InputContainer,
    stream: VideoStream,
    damage: Damage,
    crop: Crop | None,
    untimed_rate: Fraction | None,
    watch: HeaderWatch | None,
    is_jump: Callable[[int, int], bool],
) -> Iterator[tuple[Timestamp, av.VideoFrame]]:
    if watch is not None:
        watch.follow(stream)
    time_base = stream.time_base or Fraction(1, 1000)
    frames = cropped(_flagged(_decode_packets(container, stream, damage, watch), damage), crop)
    if untimed_rate is not None:
        yield from _counted(frames, stream, time_base, untimed_rate)
        return
    max_gap = int(_MAX_GAP_SECONDS / time_base) if container.format.flags & _TS_DISCONT else None
    step = frame_ticks(time_base, stream.average_rate, stream.base_rate)
    yield from _mended(frames, TimestampMender(step, max_gap=max_gap, is_jump=is_jump), damage)


def _flagged(frames: Iterable[av.VideoFrame], damage: Damage) -> Iterator[av.VideoFrame]:
    """``frames`` as they are; damaged ones are counted."""
    for ordinal, frame in enumerate(frames):
        if frame.is_corrupt:
            damage.corrupt_frames += 1
            damage.note(f"frame {ordinal}: damaged picture at pts {frame.pts}")
        yield frame


def _mended(
    frames: Iterable[av.VideoFrame], mender: TimestampMender, damage: Damage
) -> Iterator[tuple[Timestamp, av.VideoFrame]]:
    """``frames`` with times that rise; what was mended is told to ``damage``.

    Frames that wait for their times are copies, so that the decoder is as it is for readers who need not wait.
    """
    waiting: deque[av.VideoFrame] = deque()
    copier = FrameCopier()
    log = _MendingLog(damage)

    def settled(times: Iterable[Timestamp]) -> Iterator[tuple[Timestamp, av.VideoFrame]]:
        for time in times:
            log.add(time)
            yield time, waiting.popleft()

    for frame in frames:
        waiting.append(frame)
        yield from settled(mender.push(frame.pts))
        if waiting:
            waiting[-1] = copier.copy(frame)
    yield from settled(mender.finish())


class _MendingLog:
    """Tells ``damage`` what was mended, frame by frame."""

    def __init__(self, damage: Damage) -> None:
        self._damage = damage
        self._ordinal = 0
        self._latest: int | None = None
        self._offset = 0

    def add(self, time: Timestamp) -> None:
        if time.kind:
            self._damage.mend(self._ordinal, time)
        on_clock = time.used - time.offset  # what the decoder gave, or would have given
        if time.offset != self._offset:
            assert self._latest is not None
            self._damage.join(Timeline(self._ordinal, self._latest, on_clock, time.offset))
        self._latest, self._offset = on_clock, time.offset
        self._ordinal += 1


def _counted(
    frames: Iterable[av.VideoFrame], stream: VideoStream, time_base: Fraction, rate: Fraction
) -> Iterator[tuple[Timestamp, av.VideoFrame]]:
    """``frames`` of a stream without times, one after another at ``rate``; fields that are repeated count."""
    now = Fraction(0)
    for frame in frames:
        own_rate = stream.codec_context.framerate or stream.average_rate or Fraction(25)
        fields = round(2 * frame.duration * time_base * own_rate) if frame.duration else 2
        yield Timestamp(frame.pts, round(now / time_base)), frame
        now += Fraction(fields if fields in (3, 4, 6) else 2, 2) / rate


def _record(ordinal: int, time: Timestamp, frame: av.VideoFrame, aspect: Aspect, tags: ColorTags) -> FrameRecord:
    return FrameRecord(
        ordinal=ordinal,
        decoded_pts=time.decoded,
        pts=time.used,
        fingerprint=fingerprint(planes_of(frame)),
        width=frame.width,
        height=frame.height,
        pix_fmt=frame.format.name,
        interlaced=bool(frame.interlaced_frame),
        duration=frame.duration or 0,
        aspect=aspect,
        tags=tags,
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

"""Decoding: a linear decode that names every frame.

A frame's identity is its ordinal in a linear decode of the whole stream. Seeking alone is not reliable (open
GOPs, transport streams, intra refresh: wrong frames, or wrong pixels without any flag), so the linear decode
records the time and a fingerprint of every frame, and readers of frames check both later
(`vsr.media.frame_reader`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from vsr.errors import InputError
from vsr.media.color import UNTAGGED, ColorTags
from vsr.media.combing import Fields
from vsr.media.cropping import Crop, crop_frames
from vsr.media.damage import Damage, LeadCounter
from vsr.media.demuxing import demux, open_for
from vsr.media.frame_times import timed
from vsr.media.headers import Aspect, HeaderWatch
from vsr.media.packets import is_empty_sample
from vsr.media.planes import fingerprint, planes_of
from vsr.media.sequences import SequenceWatch, decoded
from vsr.media.timelines import ClockJumps
from vsr.timestamps import Timestamp

__all__ = [
    "FrameRecord",
    "Look",
    "VideoTrack",
    "Weave",
    "decode_frames",
    "decode_from",
    "decode_linear",
    "decode_looks",
    "decode_once",
    "decode_packets",
]


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
    """The time used: the decoder's, repaired where it cannot be used; see `vsr.timestamps`."""
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
    weave: Weave | None = None
    """Of a film frame, what it comes from; then ``ordinal`` counts film frames, and ``pts`` finer ticks."""

    @property
    def sources(self) -> tuple[FrameRecord, ...]:
        """The frames of the video that have to be read for it."""
        return (self,) if self.weave is None else self.weave.records

    @property
    def source_ordinal(self) -> int:
        """Its ordinal among the frames of the video, also where film frames are counted."""
        return self.ordinal if self.weave is None else min(self.weave.top, self.weave.bottom)

    @property
    def geometry(self) -> tuple[int, int, str]:
        """Size and pixel format: what a stage set up for one frame needs unchanged in the next."""
        return self.width, self.height, self.pix_fmt

    @property
    def look(self) -> Look:
        """How its samples are to be shown."""
        return Look(self.width, self.height, self.pix_fmt, self.aspect, self.tags)


@dataclass(frozen=True)
class Weave:
    """What a film frame of a telecined video comes from; see `vsr.media.film`."""

    records: tuple[FrameRecord, ...]
    """Consecutive frames of the video: those that show it, and those left out since the film frame before."""
    top: int
    """Ordinal of the one that has its rows 0, 2, …"""
    bottom: int
    """Ordinal of the one that has its rows 1, 3, …"""
    is_film: bool
    """Whether the fields are of one moment; else it is a frame of the video as it is."""


@dataclass(frozen=True)
class VideoTrack:
    """A video stream of a file, and how it is decoded."""

    path: Path
    stream_index: int
    threads: int = 1
    """Of the decoder; part of the result for damaged files."""
    crop: Crop | None = None
    """What is left of each frame; None: all."""
    untimed_rate: Fraction | None = None
    """Frames a second of a stream without times of its own."""

    def open(self) -> tuple[InputContainer, VideoStream]:
        """The file and the stream in it. Raises `InputError` where it is not video any more."""
        container = open_for(self.path, self.stream_index)
        stream = container.streams[self.stream_index]
        if not isinstance(stream, VideoStream):
            raise InputError(f"{self.path}: stream {self.stream_index} is not video any more; did the file change?")
        stream.codec_context.thread_count = self.threads
        return container, stream


def decode_packets(
    container: InputContainer,
    stream: VideoStream,
    damage: Damage | None = None,
    watch: HeaderWatch | None = None,
    on_stranger: Callable[[], None] | None = None,
) -> Iterator[av.VideoFrame]:
    """Frames of ``stream`` from where the container stands to its end, the decoder drained; damage is passed over.

    ``on_stranger`` is that of `vsr.media.demuxing.demux`.
    """
    counted = damage if damage is not None else Damage()
    lead, sequences = LeadCounter(counted), SequenceWatch(stream)
    for packet in _packets(container, stream, counted, on_stranger):
        if is_empty_sample(packet):
            counted.empty_packets += 1
            continue
        if sequences.restarts(packet):
            yield from _emit(sequences.drain(), packet, lead, counted, watch)
            lead = LeadCounter(counted, is_after_change=True)
        if packet.size and not packet.is_discard:
            lead.packet(packet.pts, is_key=bool(packet.is_keyframe))
        if watch is not None:
            watch.send(packet)
        yield from _emit(decoded(packet), packet, lead, counted, watch)


def _emit(
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


def _packets(
    container: InputContainer, stream: VideoStream, damage: Damage, on_stranger: Callable[[], None] | None
) -> Iterator[av.Packet[Any]]:
    """The packets of ``stream`` from where the container stands; places that cannot be read are passed over."""
    demuxer = demux(container, stream, on_stranger=on_stranger)
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


def decode_linear(track: VideoTrack, damage: Damage) -> Iterator[tuple[FrameRecord, av.VideoFrame]]:
    """Decode a stream from start to end, naming every frame; ``damage`` is filled on the way.

    Of each frame only what the track's crop leaves is given, and named.
    """
    watch = HeaderWatch()
    yield from _name(_from_start(track, damage, watch), watch, damage)


def decode_once(
    container: InputContainer,
    stream: VideoStream,
    damage: Damage,
    *,
    crop: Crop | None = None,
    untimed_rate: Fraction | None = None,
    on_stranger: Callable[[], None] | None = None,
) -> Iterator[tuple[FrameRecord, av.VideoFrame]]:
    """`decode_linear` of an open ``container`` from where it stands: for what cannot be read twice.

    So every long gap of a broadcast clock is taken for a jump of it, whatever the sound does meanwhile.
    """
    watch = HeaderWatch()
    watch.follow(stream)
    frames = crop_frames(_flag(decode_packets(container, stream, damage, watch, on_stranger), damage), crop)
    times = timed(frames, container, stream, damage, untimed_rate=untimed_rate, is_jump=lambda before, after: True)
    yield from _name(times, watch, damage)


def decode_from(track: VideoTrack, pts: int, damage: Damage) -> Iterator[tuple[FrameRecord, av.VideoFrame]]:
    """`decode_once` from the key frame before ``pts``, for who looks at a place of a long file.

    Ordinals count from there. Where the container cannot seek, it is decoded from the start.
    """
    container, stream = track.open()
    with container:
        try:
            container.seek(pts, stream=stream, backward=True, any_frame=False)
        except av.error.FFmpegError:
            container.close()
            container, stream = track.open()
        yield from decode_once(container, stream, damage, crop=track.crop, untimed_rate=track.untimed_rate)


def decode_frames(track: VideoTrack, damage: Damage) -> Iterator[tuple[int, av.VideoFrame]]:
    """The frames of `decode_linear` with their times alone: nothing is proved, so it is quicker."""
    for time, frame in _from_start(track, damage):
        yield time.used, frame


def decode_looks(track: VideoTrack) -> Iterator[tuple[int, Look]]:
    """The time and the look of every frame of `decode_linear`, alone; damage is passed over."""
    watch = HeaderWatch()
    for time, frame in _from_start(track, Damage(), watch):
        yield time.used, Look(frame.width, frame.height, frame.format.name, *watch.pop())


def _from_start(
    track: VideoTrack, damage: Damage, watch: HeaderWatch | None = None
) -> Iterator[tuple[Timestamp, av.VideoFrame]]:
    """Every frame of a track with its time."""
    container, stream = track.open()
    with container:
        if watch is not None:
            watch.follow(stream)
        frames = crop_frames(_flag(decode_packets(container, stream, damage, watch), damage), track.crop)
        # broadcasts have one clock for all streams, which is reset now and then; elsewhere a gap is meant
        jumps = ClockJumps(track.path, track.stream_index)
        yield from timed(frames, container, stream, damage, untimed_rate=track.untimed_rate, is_jump=jumps.is_jump)


def _flag(frames: Iterable[av.VideoFrame], damage: Damage) -> Iterator[av.VideoFrame]:
    """``frames`` as they are; damaged ones are counted."""
    for ordinal, frame in enumerate(frames):
        if frame.is_corrupt:
            damage.corrupt_frames += 1
            damage.note(f"frame {ordinal}: damaged, at pts {frame.pts}")
        yield frame


def _name(
    frames: Iterable[tuple[Timestamp, av.VideoFrame]], watch: HeaderWatch, damage: Damage
) -> Iterator[tuple[FrameRecord, av.VideoFrame]]:
    before = ""
    for ordinal, (time, frame) in enumerate(frames):
        record = _record(ordinal, time, frame, *watch.pop())
        damage.repeated_frames += record.fingerprint == before
        before = record.fingerprint
        yield record, frame


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

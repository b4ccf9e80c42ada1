"""What a file holds, by its headers and first frames, without decoding it all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from vsr.errors import InputError, UsageError
from vsr.frames import ColorSpec, PixelLayout
from vsr.media.cadence import find_cadence
from vsr.media.color import UNTAGGED, ColorTags, chroma_location, color_from_tags, color_tags, complete_color
from vsr.media.combing import Fields, judge_fields
from vsr.media.cropping import Crop, crop_frames, find_crop
from vsr.media.demuxing import demux, frames_of
from vsr.media.dpx import DpxHeader
from vsr.media.exr import ExrHeader
from vsr.media.hdr import (
    ContentLight,
    DisplayTransform,
    MasteringDisplay,
    display_transform,
    find_lost_side_data,
    has_captions,
    read_hdr,
)
from vsr.media.icc import UNREADABLE, IccProfile, find_profile
from vsr.media.immersive import Immersive, read_immersive
from vsr.media.packets import is_empty_sample
from vsr.media.planes import frame_layout
from vsr.media.rates import UntimedRate, find_untimed_rate
from vsr.media.safe_open import describe_streams, open_input
from vsr.media.side_data import has_icc_profile, side_data
from vsr.media.streams import StreamInfo, is_cover, lacks_parameters, stream_infos
from vsr.media.tiff import TiffHeader

__all__ = ["MAX_PIXELS", "MediaInfo", "StreamInfo", "VideoInfo", "probe_media", "probe_streams"]

MAX_PIXELS = 1 << 28
"""Largest image that is decoded or made: 16,384 × 16,384 samples."""

_LATER_PLACES, _LATER_FRAMES = (0.2, 0.4, 0.6, 0.8), 30  # of the whole, where the first frames do not tell
_HEAD_FRAMES = 24
_WITHOUT_LIST = ("flv", "live_flv", "mpeg")
"""Demuxers of containers that need not list their streams at the start."""
_FIELD_ORDERS = {2: "top first", 3: "bottom first", 4: "top first", 5: "bottom first"}


@dataclass(frozen=True)
class VideoInfo:
    """The video stream that is restored."""

    index: int
    codec: str
    width: int
    height: int
    pix_fmt: str
    """FFmpeg's name of the decoder's format."""
    layout: PixelLayout
    """The planar layout that vsr works in."""
    color: ColorSpec
    """What the samples mean, completed by ``assumptions``."""
    assumptions: tuple[str, ...]
    """One sentence for each thing the stream does not say."""
    sample_aspect_ratio: Fraction
    """Width over height of a sample; 1 where untagged."""
    display: DisplayTransform
    mastering: MasteringDisplay | None
    content_light: ContentLight | None
    dropped_hdr: tuple[str, ...]
    """Dynamic HDR metadata that cannot be kept."""
    has_captions: bool
    """Whether the first frames carry closed captions (EIA-608/708) inside the video."""
    drops_alpha: bool
    """Whether the stream has an alpha channel that the decoder does not give (VP8 and VP9 keep it apart)."""
    time_base: Fraction
    average_rate: Fraction | None
    """Frames over duration, from the header."""
    base_rate: Fraction | None
    """The header's lowest rate that can hold every timestamp; not a measure of how many frames there are."""
    start_pts: int | None
    end_pts: int | None
    """Where the header ends the stream, in ticks; None where it does not say."""
    num_frames_from_header: int
    """What the container claims, or an estimate from its duration; 0 where it says nothing."""
    interlaced: bool
    """Whether any of the first frames is interlaced, judged by content (`vsr.media.combing`)."""
    field_order: str
    """``top first``, ``bottom first`` or ``unknown`` of interlaced video; else ``progressive``."""
    timecode: str | None
    crop: Crop | None = None
    """What the container leaves out of the coded frame; ``width`` and ``height`` are those of the rest."""
    lost: tuple[str, ...] = ()
    """What else the first frames carry that new frames lose: user data, EXIF and others, in words."""
    immersive: Immersive | None = None
    """Stereoscopic or spherical."""
    icc: IccProfile | None = None
    """The profile that the images carry."""
    header: DpxHeader | ExrHeader | TiffHeader | None = None
    """That of the first image, where they are DPX or OpenEXR."""
    cadence: str | None = None
    """The pattern in which it shows film, where it is certain to (key of `vsr.media.cadence.PATTERNS`)."""
    flagged_interlaced: bool = False
    """Whether any of the first frames is flagged as interlaced."""
    input_transfer: str | None = None
    """Key of `vsr.media.transfers.TRANSFERS` that was given instead of what the source says; None: what it says."""
    tags: ColorTags = UNTAGGED
    """The colour tags of the first frame, as they are."""
    untimed_rate: Fraction | None = None
    """Frames a second of a stream that has no times, as a raw one; None where it has times."""


@dataclass(frozen=True)
class MediaInfo:
    """A file, its streams, and the video stream that is restored."""

    path: Path
    container: str
    """FFmpeg's demuxer name."""
    start: Fraction
    """Earliest start of any stream, seconds."""
    duration: Fraction | None
    """Seconds, from the header."""
    size_bytes: int
    streams: tuple[StreamInfo, ...]
    num_chapters: int
    metadata: dict[str, str]
    video: VideoInfo
    chapter_ends: tuple[Fraction, ...] = ()
    """Seconds."""
    images: tuple[Path, ...] = ()
    """The images of an image sequence, in order; empty for files."""
    image_pts: tuple[int, ...] = ()
    """Their times, in ticks of the video's time base."""
    streams_path: Path | None = None
    """Where an image sequence's other streams are; None: in ``path``, or there are none."""
    deep: bool = False
    """Whether FFmpeg must read further into the file than usual to know what a copy of its streams needs."""
    image_tags: Mapping[str, str] = field(default_factory=dict)
    """What the first image of an image sequence says of itself."""
    is_piped: bool = False
    """Whether it comes through a pipe, so that there is nothing at ``path``; see `vsr.media.piped`."""


def probe_streams(path: Path) -> tuple[StreamInfo, ...]:
    """The streams of a file that needs no video."""
    with open_input(path) as container:
        return stream_infos(container, describe_streams(path))


def probe_media(path: Path, fps: Fraction | None = None, video_stream: int | None = None) -> MediaInfo:
    """Read headers and the first frames of ``path``; of its video streams, of number ``video_stream`` of the file.

    Without a number, of the stream that FFmpeg takes for the best. ``fps`` is the rate of a stream without times.
    Raises `InputError` where the file is no readable video: missing, not media, without video, encrypted, of an
    impossible size, or without a single decodable frame; `UsageError` where ``video_stream`` is none of its video
    streams.
    """
    container = open_input(path)
    deep = lacks_parameters(container) or container.format.name in _WITHOUT_LIST
    if deep:
        container.close()
        container = open_input(path, deep=True)
    with container:
        stream = _video_stream(path, container, video_stream)
        described = describe_streams(path, deep=deep)
        streams = stream_infos(container, described)
        frames, packet = _first_frames(path, container, stream)
        starts = [one.start_pts * one.time_base for one in streams if one.start_pts is not None]
        info = MediaInfo(
            path=path,
            container=container.format.name,
            start=min(starts, default=Fraction(0)),
            duration=_duration(container),
            size_bytes=path.stat().st_size,
            streams=streams,
            num_chapters=len(container.chapters()),
            chapter_ends=tuple(Fraction(one["end"]) * (one["time_base"] or 0) for one in container.chapters()),
            metadata=dict(container.metadata),
            video=_video_info(container, stream, frames, packet, described.get(stream.index, "")),
            deep=deep,
        )
        info = _without_times(info, find_untimed_rate(container, stream, fps))
        cadence = _find_later_cadence(container, stream, info.video)
        return replace(info, video=replace(info.video, cadence=cadence))


def _without_times(info: MediaInfo, found: UntimedRate | None) -> MediaInfo:
    """``info`` where a rate was found, since the stream has no times: they count from 0, and headers tell no length."""
    if found is None:
        return info
    video = replace(
        info.video,
        untimed_rate=found.rate,
        average_rate=found.rate,
        base_rate=None,
        start_pts=0,
        end_pts=None,
        num_frames_from_header=0,
        assumptions=(*info.video.assumptions, found.words),
    )
    return replace(info, video=video, start=Fraction(0), duration=None)


def _video_stream(path: Path, container: InputContainer, requested: int | None) -> VideoStream:
    videos = [stream for stream in container.streams.video if not is_cover(stream)]
    if not videos:
        kinds = Counter("cover image" if is_cover(s) else s.type for s in container.streams)
        held = ", ".join(f"{n} {kind}" for kind, n in kinds.items()) or "no streams"
        raise InputError(f"{path}: has no video stream (it holds {held})")
    stream = _best(container, videos) if requested is None else _choose(path, videos, requested)
    context = stream.codec_context
    if context is None:
        raise InputError(f"{path}: stream {stream.index} has a video codec that FFmpeg does not know")
    if context.codec_tag.startswith("enc"):
        raise InputError(f"{path}: stream {stream.index} is encrypted; vsr cannot decrypt it")
    if context.width * context.height > MAX_PIXELS:
        raise InputError(
            f"{path}: the header claims {context.width}x{context.height} pixels; the largest supported is 16384x16384"
        )
    return stream


def _best(container: InputContainer, videos: list[VideoStream]) -> VideoStream:
    known = [stream for stream in videos if stream.codec_context is not None] or videos
    best = container.streams.best("video")
    return best if isinstance(best, VideoStream) and best in known else known[0]


def _choose(path: Path, videos: list[VideoStream], number: int) -> VideoStream:
    for stream in videos:
        if stream.index == number:
            return stream
    known = ", ".join(f"{s.index} ({_size(s)})" for s in videos)
    raise UsageError(f"{path}: stream {number} is not a video; its video streams: {known} (see `vsr probe`)")


def _size(stream: VideoStream) -> str:
    context = stream.codec_context
    return f"{context.width}x{context.height}" if context is not None else "unknown codec"


def _first_frames(path: Path, container: InputContainer, stream: VideoStream) -> tuple[list[av.VideoFrame], bytes]:
    """The first frames, and the first packet."""
    stream.codec_context.thread_count = 1
    frames: list[av.VideoFrame] = []
    first, reason = b"", "no frame could be decoded"
    try:
        for packet in demux(container, stream):
            if is_empty_sample(packet):
                continue
            first = first or bytes(packet)
            try:
                frames += packet.decode()
            except av.error.FFmpegError as error:
                reason = f"no frame could be decoded: {error.strerror}"
            if len(frames) >= _HEAD_FRAMES:
                break
    except av.error.FFmpegError as error:
        reason = f"reading stopped: {error.strerror}"
    if not frames:
        raise InputError(f"{path}: stream {stream.index} ({stream.codec_context.name}) holds no image; {reason}")
    return frames[:_HEAD_FRAMES], first


def _video_info(
    container: InputContainer, stream: VideoStream, frames: list[av.VideoFrame], packet: bytes, description: str
) -> VideoInfo:
    coded, crop = frames[0], find_crop(description)
    crop_words = ""
    if crop is not None and crop.leaves(coded.width, coded.height):
        crop_words = f"{coded.width}x{coded.height} cropped as the container says: {crop}"
    elif crop is not None:
        crop, crop_words = None, f"not cropped: of {coded.width}x{coded.height} nothing would stay ({crop})"
    frames = list(crop_frames(iter(frames), crop))
    head = frames[0]
    context = stream.codec_context
    layout = frame_layout(head)
    codec = context.codec.canonical_name
    tags = color_tags(head)
    tagged = color_from_tags(tags, head.format.name, chroma_location(description))
    color, assumptions = complete_color(tagged, layout, codec, head.width, head.height)
    beside = [side_data(frame) for frame in frames]
    mastering, light, dropped = read_hdr(beside[0])
    scanned = judge_fields(frames)
    interlaced = any(one != "progressive" for one in scanned)
    aspect = stream.sample_aspect_ratio or context.sample_aspect_ratio
    return VideoInfo(
        index=stream.index,
        codec=codec,
        width=head.width,
        height=head.height,
        pix_fmt=head.format.name,
        layout=layout,
        color=color,
        tags=tags,
        assumptions=tuple(filter(None, (*assumptions, crop_words))),
        sample_aspect_ratio=aspect if aspect and aspect > 0 else Fraction(1),
        display=display_transform(beside[0]),
        mastering=mastering,
        content_light=light,
        dropped_hdr=dropped,
        has_captions=any(has_captions(items) for items in beside),
        drops_alpha=_is_tagged_alpha(stream) and not layout.has_alpha,
        time_base=stream.time_base or Fraction(1, 1000),
        average_rate=stream.average_rate,
        base_rate=stream.base_rate,
        start_pts=stream.start_time,
        end_pts=_end_from_header(container, stream),
        num_frames_from_header=_frames_from_header(container, stream),
        interlaced=interlaced,
        field_order=_field_order(scanned, int(context.field_order)),
        timecode=_timecode(container, stream, head),
        crop=crop,
        lost=tuple(sorted(set().union(*map(find_lost_side_data, beside)))),
        immersive=read_immersive(beside[0]),
        icc=find_profile(packet) or (UNREADABLE if has_icc_profile(head) else None),
        cadence=find_cadence(frames),
        flagged_interlaced=any(frame.interlaced_frame for frame in frames),
    )


def _find_later_cadence(container: InputContainer, stream: VideoStream, video: VideoInfo) -> str | None:
    """The pattern of film in a video that is interlaced or flagged so, and whose first frames do not tell."""
    if video.cadence is not None or not (video.interlaced or video.flagged_interlaced):
        return video.cadence
    duration = _duration(container)
    if duration is None or video.num_frames_from_header < 2 * _HEAD_FRAMES * len(_LATER_PLACES):
        return None
    for place in _LATER_PLACES:
        try:
            container.seek(int((container.start_time or 0) + duration * av.time_base * place))
            frames = islice(crop_frames(frames_of(container, stream), video.crop), _LATER_FRAMES)
            cadence = find_cadence(frames)
        except (av.error.FFmpegError, ValueError):
            continue
        if cadence is not None:
            return cadence
    return None


def _field_order(scanned: list[Fields], header: int) -> str:
    """The commonest order of the interlaced frames; where their content does not tell it, that of the header."""
    orders = Counter(one for one in scanned if one not in ("progressive", "unknown"))
    if orders:
        return orders.most_common(1)[0][0]
    return _FIELD_ORDERS.get(header, "unknown") if "unknown" in scanned else "progressive"


def _is_tagged_alpha(stream: VideoStream) -> bool:
    return any(key.lower() == "alpha_mode" and value == "1" for key, value in stream.metadata.items())


def _end_from_header(container: InputContainer, stream: VideoStream) -> int | None:
    if stream.start_time is not None and stream.duration:
        return int(stream.start_time + stream.duration)
    duration = _duration(container)
    if duration and stream.time_base:
        return int((Fraction(container.start_time or 0, av.time_base) + duration) / stream.time_base)
    return None


def _duration(container: InputContainer) -> Fraction | None:
    """Seconds, from the header. FFmpeg's muxer of Matroska writes the end of the last frame there, counted from 0."""
    if not container.duration:
        return None
    start = max(0, container.start_time or 0) if container.format.name.startswith("matroska") else 0
    ticks = container.duration - start
    return Fraction(ticks if ticks > 0 else container.duration, av.time_base)


def _frames_from_header(container: InputContainer, stream: VideoStream) -> int:
    if stream.frames:
        return int(stream.frames)
    rate = stream.average_rate or stream.base_rate
    seconds = (
        stream.duration * stream.time_base
        if stream.duration and stream.time_base
        else _duration(container) or Fraction(0)
    )
    return int(seconds * rate) if rate and rate < 1000 else 0


def _timecode(container: InputContainer, stream: VideoStream, head: av.VideoFrame) -> str | None:
    places = [stream.metadata, container.metadata, *(one.metadata for one in container.streams.data)]
    for metadata in [*places, head.metadata]:
        for key in ("timecode", "TIMECODE"):  # Matroska's tags are in capitals
            if metadata.get(key):
                return str(metadata[key])
    return None

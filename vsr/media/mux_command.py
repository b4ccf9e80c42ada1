"""The ffmpeg command that assembles an output: its inputs, streams, times, tags and header."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from vsr.media.codecs import fourcc
from vsr.media.color import COLOR_NAMES
from vsr.media.covers import attach_covers
from vsr.media.encode import EncoderSpec
from vsr.media.ffmpeg import ffmpeg_path
from vsr.media.gaps import ClosedGaps
from vsr.media.hdr import DisplayTransform
from vsr.media.immersive import Immersive, stereo_tag
from vsr.media.labels import label_options
from vsr.media.safe_open import file_url, input_options
from vsr.media.timelines import StreamMove

if TYPE_CHECKING:
    from vsr.media.y4m import Scanning

__all__ = ["MuxJob", "copy_command", "cover_options", "mux_command", "pipe_format"]

_FORMATS = {"mp4": "mp4", "mov": "mov", "mkv": "matroska", "nut": "nut"}
_COPY = ("-c", "copy", "-copy_unknown", "-fflags", "+bitexact", "-max_interleave_delta", "0")
_FIELD_ORDERS = {"progressive": "progressive", "top first": "tt", "bottom first": "bb"}
_NO_PARAMETER_SETS = "filter_units=remove_types=32-34"
"""Takes VPS, SPS and PPS out of HEVC packets: ``hvc1`` promises that they are in the header alone (ISO 14496-15)."""
_ITUNES_TAGS = frozenset(
    [
        "title",
        "artist",
        "album_artist",
        "composer",
        "album",
        "date",
        "encoder",
        "comment",
        "genre",
        "copyright",
        "grouping",
        "lyrics",
        "description",
        "synopsis",
        "show",
        "episode_id",
        "network",
        "keywords",
        "episode_sort",
        "season_number",
        "media_type",
        "hd_video",
        "gapless_playback",
        "compilation",
        "track",
        "disc",
        "major_brand",
        "minor_version",
        "compatible_brands",
        "creation_time",
        "timecode",
    ]
)
"""Tags that MP4's own list can hold; others need the general key-value list."""


@dataclass(frozen=True)
class MuxJob:
    """All that shapes an output file besides its packets."""

    source: Path
    container: str
    """``mp4``, ``mov``, ``mkv`` or ``nut``."""
    encoder: EncoderSpec
    display: DisplayTransform
    shift: Fraction
    """Seconds taken off every time of the source, video and other streams alike."""
    trim: tuple[Fraction, Fraction] | None
    """Source times (seconds) between which other streams are copied; None for all of them."""
    streams: tuple[int, ...]
    """Source streams copied beside the video, in the order of the output."""
    timecode: str | None
    """Written as a tag where no timecode track is copied."""
    last_duration: int
    """Ticks that the last frame lasts."""
    clock: int = 0
    """Ticks a second of MP4's and MOV's file clock, in which offsets between tracks are kept; 0: the video's."""
    metadata: dict[str, str] = field(default_factory=dict)
    """The source's file-level tags (copied by ffmpeg; here to choose where MP4 and MOV put them)."""
    video_metadata: dict[str, str] = field(default_factory=dict)
    """Tags of the video stream."""
    tags: Mapping[int, str] = field(default_factory=dict)
    """Four-character codes of copied streams, by their number in the source, where FFmpeg would choose another."""
    languages: Mapping[int, str] = field(default_factory=dict)
    """Codes of the languages of copied streams, by their number in the source, where the container takes another."""
    label: str = ""
    """What the file says of its making, as a tag; empty for nothing."""
    keep_chapters: bool = True
    moves: Mapping[int, StreamMove] = field(default_factory=dict)
    """What is added to the times of copied streams where the source's clock jumps, by stream."""
    immersive: Immersive | None = None
    """Stereoscopic or spherical, as the new image is."""
    copies_source: bool = True
    """Whether ``source`` is a file with tags and streams to copy."""
    covers: tuple[int, ...] = ()
    """Cover images of the source that become attached files, after all other streams: Matroska's way."""
    deep: bool = False
    """Whether ffmpeg must read further into ``source`` than usual to know its streams."""
    scanning: Scanning = "unknown"
    """How lines of the new video belong to fields."""
    unmeasured: tuple[int, ...] = ()
    """Copied sound whose packets may come without durations, where the container's last packet needs one."""


def _seconds(value: Fraction) -> str:
    return f"{float(value):.6f}"


def pipe_format(job: MuxJob) -> str:
    """The container of the pipe to ffmpeg: exact times for the codec; PyAV refuses FFV1 in MOV, NUT will do."""
    return {"av1": "mp4", "ffv1": "nut", "raw": "nut"}.get(job.encoder.codec.name, "mov")


def mux_command(
    job: MuxJob,
    target: str,
    first_dts: int,
    times: ClosedGaps,
    *,
    last_shown: int | None,
    scale: int,
    options: Sequence[str],
) -> list[str]:
    """The ffmpeg command that reads the new video from its standard input and writes ``target``, a URL.

    Decoding starts at ``first_dts`` ticks, and gaps are opened as ``times`` say; packet ``last_shown`` lasts as long as
    the job says, if it is known. ``scale`` is the video track's ticks a second, ``options`` are for the output.
    """
    pipe = ["-f", "nut" if pipe_format(job) == "nut" else "mov", "-protocol_whitelist", "pipe,file", "-i", "pipe:0"]
    command = [ffmpeg_path(), "-hide_banner", "-v", "error", "-y", "-copyts"]
    command += [*_video_input_options(job), *pipe]
    if job.copies_source:
        command += [part for key, value in _source_options(job).items() for part in (f"-{key}", value)]
        command += ["-i", file_url(job.source), "-map_metadata", "1"]
        command += ["-map_chapters", "1" if job.keep_chapters else "-1"]
    command += ["-map", "0:v:0"]
    for place, index in enumerate(job.streams, 1):
        command += ["-map", f"1:{index}"]
        if tag := job.tags.get(index):
            command += [f"-tag:{place}", tag]
        if language := job.languages.get(index):
            command += [f"-metadata:s:{place}", f"language={language}"]
        command += _packet_options(job, index, place)
    start = first_dts * job.encoder.time_base
    ticks = f"round({start.numerator}/{start.denominator}/TB)"
    last = job.last_duration * job.encoder.time_base  # of the packet shown last, which may not be the last one
    ends = -1 if last_shown is None else last_shown
    duration = f"'if(eq(N,{ends}),round({last.numerator}/{last.denominator}/TB),DURATION)'"
    shown, decoded = (times.reopening(name, job.encoder.time_base, first_dts) for name in ("PTS", "DTS"))
    filters = [f"setts=pts='{shown}+{ticks}':dts='{decoded}+{ticks}':duration={duration}"]
    if fourcc(job.encoder.codec, job.encoder.layout, job.container) == "hvc1":
        filters.insert(0, _NO_PARAMETER_SETS)
    command += ["-bsf:v:0", ",".join(filters), *_COPY, *options, *_container_options(job, scale)]
    command += label_options(job.container, job.label, job.metadata)
    command += _video_output_options(job)
    return [*command, "-f", _FORMATS[job.container], target]


def copy_command(job: MuxJob, target: str, options: Sequence[str]) -> list[str]:
    """The arguments with which ffmpeg copies ``job.streams`` to ``target``, a URL, without any new video.

    ``options`` are for the output.
    """
    opening = [part for key, value in _source_options(job).items() for part in (f"-{key}", value)]
    command = ["-v", "error", "-y", "-copyts", *opening, "-i", file_url(job.source)]
    for place, index in enumerate(job.streams):
        command += ["-map", f"0:{index}"]
        command += _packet_options(job, index, place)
    return [*command, *_COPY, *options, "-f", _FORMATS[job.container], target]


def cover_options(job: MuxJob, folder: Path, num_own: int) -> list[str]:
    """Options that attach the source's cover images, by way of ``folder``, behind ``num_own`` streams of ours."""
    return attach_covers(job.source, job.covers, folder, num_own + len(job.streams), deep=job.deep)


def _source_options(job: MuxJob) -> dict[str, str]:
    """How ffmpeg opens the source: fenced in, its times shifted and cut as the job says."""
    options = input_options(job.source, deep=job.deep) | {"itsoffset": _seconds(-job.shift)}
    if job.trim is not None and not job.moves:  # moves count packets from the start
        start, stop = job.trim
        # ffmpeg compares -t plus -ss with times that are already shifted; a filter cuts exactly
        reach = max(stop - start - job.shift, Fraction(0)) + 1
        options |= {"seek_timestamp": "1", "ss": _seconds(start), "t": _seconds(reach)}
    return options


def _packet_options(job: MuxJob, stream: int, place: int) -> list[str]:
    """What is done to the packets of a copied stream, number ``place`` of the output.

    Whole streams keep what comes before their first key frame, as recordings that begin anywhere have it.
    """
    options = [f"-copyinkf:{place}"] if job.trim is None else []
    if filters := _packet_filters(job, stream):
        options += [f"-bsf:{place}", filters]
    return options


def _packet_filters(job: MuxJob, stream: int) -> str:
    """The filters of a copied stream; empty for none.

    They move its packets with the timelines of the video, and drop those outside the span: a seek lands on a key frame
    before it. A packet without a duration lasts as long as the one before: MP4 shows no last packet that lasts no time.
    """
    filters = []
    if stream in job.unmeasured:
        filters.append("setts=duration='if(DURATION,DURATION,if(N,PTS-PREV_INPTS,0))'")
    if (move := job.moves.get(stream)) and move.runs:
        ticks = move.expression()
        filters.append(f"setts=pts='PTS+{ticks}':dts='DTS+{ticks}'")
    if job.trim is not None:
        start, stop = (_seconds(bound - job.shift) for bound in job.trim)
        filters.append(f"noise=drop='lt(pts*tb,{start})+gte(pts*tb,{stop})'")
    return ",".join(filters)


def _video_input_options(job: MuxJob) -> list[str]:
    options: list[str] = []
    if job.display:
        options += ["-display_rotation:v:0", f"{job.display.rotation:g}"]
        if job.display.mirrored:
            options += ["-display_hflip:v:0"]
    if job.encoder.mastering:
        options += ["-mastering_display:v:0", job.encoder.mastering.x265()]
    if job.encoder.content_light:
        options += ["-content_light:v:0", str(job.encoder.content_light)]
    return options


def _video_output_options(job: MuxJob) -> list[str]:
    color, encoder = job.encoder.color, job.encoder
    options = ["-color_range:v:0", "pc" if color.full_range else "tv"]
    if tag := fourcc(encoder.codec, encoder.layout, job.container):
        options += ["-tag:v:0", tag]
    for flag, table, code in (
        ("-color_primaries:v:0", "primaries", color.primaries),
        ("-color_trc:v:0", "transfer", color.transfer),
        ("-colorspace:v:0", "matrix", color.matrix),
    ):
        if code in COLOR_NAMES[table]:
            options += [flag, COLOR_NAMES[table][code]]
    if encoder.layout.family == "yuv" and color.chroma_location != "unspecified":
        options += ["-chroma_sample_location:v:0", color.chroma_location]
    if encoder.codec.name not in ("h264", "hevc") and encoder.sample_aspect_ratio != 1:
        # these streams do not say it themselves; ffmpeg takes the shape of the whole image, in terms up to 255
        shape = encoder.sample_aspect_ratio * encoder.width / encoder.height
        shape = next(f for n in range(255, 0, -1) if (f := shape.limit_denominator(n)).numerator <= 255)
        options += ["-aspect:v:0", f"{shape.numerator}:{shape.denominator}"]
    tags = dict(job.video_metadata)
    if name := tags.pop("name", None):  # as MOV and MP4 read the title that they were given
        tags.setdefault("title", name)
    for key, value in tags.items():
        options += ["-metadata:s:v:0", f"{key}={value}"]
    if job.timecode:
        options += ["-metadata:s:v:0", f"timecode={job.timecode}"]
    if job.container == "mkv" and (order := _FIELD_ORDERS.get(job.scanning)):
        options += ["-field_order:v:0", order]
    if job.container == "mkv" and job.immersive is not None and (mode := stereo_tag(job.immersive)):
        options += ["-metadata:s:v:0", f"stereo_mode={mode}"]
    return options


def _container_options(job: MuxJob, scale: int) -> list[str]:
    if job.container in ("mkv", "nut"):
        return []
    clock = job.clock or job.encoder.time_base.denominator
    return [
        *("-video_track_timescale", str(scale), "-movie_timescale", str(clock)),
        *("-movflags", "+faststart+use_metadata_tags" if _needs_key_list(job) else "+faststart"),
    ]


def _needs_key_list(job: MuxJob) -> bool:
    """Whether MP4's or MOV's own list cannot hold all tags. MOV's has no place for the label but the comment."""
    names = {name.lower() for name in job.metadata}
    return not names <= _ITUNES_TAGS or (job.container == "mov" and "comment" in names)

"""Putting segments together: one video track with exact times, and everything else of the source untouched.

The packets of all segments go through a pipe to the bundled ffmpeg, which copies them beside the source's other
streams. Presentation times come from the sidecars; decoding times are rebuilt over the whole file, since those
of single segments cannot be joined. Inside the pipe decoding starts at 0 (it holds no negative times); ffmpeg's
setts filter puts the real start back in whole ticks, so no rounding happens on the way.
"""

from __future__ import annotations

import math
import os
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import av
import av.error
import numpy as np
from av.container import OutputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from vsr.errors import InputError, MachineError
from vsr.media.boxes import HeaderInserter, insert_into_file
from vsr.media.codecs import fourcc
from vsr.media.color import COLOR_NAMES
from vsr.media.covers import attached_covers
from vsr.media.encode import EncoderSpec
from vsr.media.ffmpeg import ffmpeg_path, ffmpeg_reason, run_ffmpeg
from vsr.media.gaps import ClosedGaps, close_gaps, track_clock
from vsr.media.hdr import DisplayTransform
from vsr.media.immersive import Immersive, boxes_for, stereo_tag
from vsr.media.labels import label_options
from vsr.media.packets import PacketTable, decode_times
from vsr.media.safe_open import file_url, input_options
from vsr.media.timelines import StreamMove

__all__ = [
    "MuxJob",
    "SegmentFile",
    "copy_refusal",
    "copy_streams",
    "cover_options",
    "decode_times",
    "mux",
    "mux_command",
    "packets_of",
    "pipe_format",
    "pipe_options",
    "pipe_stream",
    "pipe_target",
    "refusal",
    "sync_file",
]

_DISK_REFUSES = ("space left", "File too large", "quota exceeded", "Input/output error", "Read-only file system")
_FIRST_BYTES = 1 << 16
_FORMATS = {"mp4": "mp4", "mov": "mov", "mkv": "matroska", "nut": "nut"}
_COPY = ("-c", "copy", "-copy_unknown", "-fflags", "+bitexact", "-max_interleave_delta", "0")
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
class SegmentFile:
    """Packets of one segment and their times, in decode order."""

    path: Path
    packets: PacketTable


@dataclass(frozen=True)
class MuxJob:
    """All that shapes an output file besides its packets."""

    source: Path
    container: str
    """``mp4``, ``mov`` or ``mkv``."""
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
    """Stereoscopic or spherical, as the new picture is."""
    copies_source: bool = True
    """Whether ``source`` is a file with tags and streams to copy."""
    covers: tuple[int, ...] = ()
    """Cover pictures of the source that become attached files, after all other streams: Matroska's way."""
    deep: bool = False
    """Whether ffmpeg must read further into ``source`` than usual to know its streams."""


def _seconds(value: Fraction) -> str:
    return f"{float(value):.6f}"


def mux(segments: Sequence[SegmentFile], job: MuxJob, target: Path) -> None:
    """Write ``target`` from ``segments`` and the source's other streams. Raises `MachineError` on failure.

    ``segments`` times are source ticks; ``job.shift`` is taken off here.
    """
    ended = _run(segments, job, target)
    if ended.reason is not None:
        kind = MachineError if ended.is_machine else InputError
        raise kind(f"{target.name}: could not be put together: {ended.reason}")
    if job.container in ("mp4", "mov") and job.immersive is not None and (extra := boxes_for(job.immersive)):
        insert_into_file(target, extra)


def refusal(segments: Sequence[SegmentFile], job: MuxJob, scratch: Path) -> str | None:
    """Why ffmpeg would not put these together, found by writing the header and the first packets to ``scratch``.

    None where it takes them. Raises `MachineError` where the disk refuses.
    """
    ended = _run(segments, job, scratch, "-fs", str(_FIRST_BYTES))
    if ended.reason is not None and ended.is_machine and ended.is_known:
        raise MachineError(f"{scratch}: cannot be written: {ended.reason}")
    return ended.reason


@dataclass(frozen=True)
class _Ended:
    """How ffmpeg came to its end."""

    reason: str | None
    """What it says of a failure; None where there was none."""
    is_machine: bool = False
    """Whether the machine, not the input, is to blame."""
    is_known: bool = False
    """Whether it is known for certain whose fault it is."""


def _run(segments: Sequence[SegmentFile], job: MuxJob, target: Path, *options: str) -> _Ended:
    time_base = job.encoder.time_base
    rebase = job.shift / time_base
    # a shift that is no whole number of ticks cannot be exact for the video: it is rounded once, here
    ticks = round(rebase)
    pts = np.concatenate([segment.packets.pts for segment in segments]) - ticks
    times = close_gaps(pts, dts := decode_times(pts))
    with tempfile.TemporaryFile() as log, tempfile.TemporaryDirectory(prefix="vsr-") as folder:
        options = (*cover_options(job, Path(folder), 1), *options)
        scale, shown_last = _track_scale(job, pts, dts), int(np.argmax(times.pts))
        command = mux_command(
            job, file_url(target), int(times.dts[0]), times, last_shown=shown_last, scale=scale, options=options
        )
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=log)
        assert process.stdin is not None
        failure: Exception | None = None
        try:
            _feed(process.stdin, segments, job, times)
        except (BrokenPipeError, av.error.FFmpegError, OSError) as error:
            failure = error
        except BaseException:
            process.kill()
            process.wait()
            raise
        try:
            process.stdin.close()
        except OSError:
            pass  # ffmpeg left early: its own message, read below, says why
        status = process.wait()
        log.seek(0)
        lines = log.read().decode(errors="replace").strip().splitlines()
    if status == 0 and (failure is None or "-fs" in options):
        return _Ended(None)
    ended = f"ffmpeg was ended by signal {-status}" if status < 0 else str(failure or f"exit status {status}")
    refused = status < 0 or any(words in " ".join(lines) for words in _DISK_REFUSES)
    return _Ended(ffmpeg_reason(lines) or ended, refused or failure is None, refused)


def _track_scale(job: MuxJob, pts: NDArray[np.int64], dts: NDArray[np.int64]) -> int:
    """Ticks a second of the video's track. Raises `MachineError` where MP4 or MOV cannot hold its times."""
    base = job.encoder.time_base
    if job.container in ("mkv", "nut"):
        return base.denominator
    longest = max(int(np.diff(dts).max(initial=0)), int((pts - dts).max(initial=0)))
    scale = track_clock(math.gcd(*np.diff(np.sort(pts)).tolist(), int(pts[0])), longest, base)
    if scale is None:
        raise MachineError(
            f".{job.container} cannot hold gaps of {float(longest * base):.0f} s at a clock of {1 / base} Hz"
        )
    return scale


def _feed(pipe: IO[bytes], segments: Sequence[SegmentFile], job: MuxJob, times: ClosedGaps) -> None:
    """Write all packets to ffmpeg with their final times, counted from the first decoding time."""
    place, pts, dts = 0, times.pts, times.dts
    durations = np.append(np.diff(dts), job.last_duration)
    with av.open(pipe_target(pipe, job), "w", format=pipe_format(job), options=pipe_options(job)) as output:
        stream = None
        for segment in segments:
            for packet in packets_of(segment):
                stream = stream or pipe_stream(output, packet.stream, job)
                packet.pts, packet.dts = int(pts[place] - dts[0]), int(dts[place] - dts[0])
                packet.time_base = job.encoder.time_base
                packet.duration = int(durations[place])
                packet.stream = stream
                output.mux(packet)
                place += 1


def _boxes_of_pipe(job: MuxJob) -> bytes | None:
    """What ffmpeg must find in the pipe's header to write the projection into Matroska; None for nothing."""
    if job.container != "mkv" or job.immersive is None or pipe_format(job) == "nut":
        return None
    return boxes_for(replace(job.immersive, stereo=None)) or None


def pipe_target(pipe: IO[bytes], job: MuxJob) -> IO[bytes] | HeaderInserter:
    """Where the muxer of the pipe writes, so that ffmpeg finds all that it needs."""
    extra = _boxes_of_pipe(job)
    return pipe if extra is None else HeaderInserter(pipe, extra)


def pipe_stream(output: OutputContainer, source: VideoStream, job: MuxJob) -> VideoStream:
    """The stream of the pipe to ffmpeg, like that of the segments."""
    stream = output.add_stream_from_template(source, opaque=True)
    stream.time_base = job.encoder.time_base
    if job.encoder.codec.name == "raw":  # the tag alone says which pixel format it is
        stream.codec_context.codec_tag = source.codec_context.codec_tag
    return stream


def pipe_options(job: MuxJob) -> dict[str, str]:
    """Options of the muxer of the pipe to ffmpeg: every packet is written at once, with its exact time."""
    scale = str(job.encoder.time_base.denominator)
    flags = "frag_every_frame+empty_moov" + ("" if _boxes_of_pipe(job) is None else "+default_base_moof")
    return {"movflags": flags, "video_track_timescale": scale} if pipe_format(job) != "nut" else {}


def pipe_format(job: MuxJob) -> str:
    """The container of the pipe to ffmpeg: exact times for the codec; PyAV refuses FFV1 in MOV, NUT will do."""
    return {"av1": "mp4", "ffv1": "nut", "raw": "nut"}.get(job.encoder.codec.name, "mov")


def packets_of(segment: SegmentFile) -> Iterator[av.Packet[Any]]:
    """The packets of a segment file, in decode order. Raises `MachineError` where they are not as many as recorded."""
    with av.open(file_url(segment.path)) as container:
        count = 0
        for packet in container.demux(video=0):
            if packet.size:
                count += 1
                yield packet
        if count != len(segment.packets):
            raise MachineError(
                f"{segment.path.name} holds {count} packets, its sidecar says {len(segment.packets)}; "
                "remove the work folder and run again"
            )


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
        if copy_filters := _packet_filters(job, index):
            command += [f"-bsf:{place}", copy_filters]
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


def copy_streams(job: MuxJob, target: Path) -> None:
    """Write ``job.streams`` of the source to ``target`` without any new video. Raises `MachineError`."""
    if (reason := copy_refusal(job, target)) is not None:
        raise MachineError(f"{target.name}: streams could not be copied: {reason}")


def copy_refusal(
    job: MuxJob, target: Path, *, only_first: bool = False, stop: threading.Event | None = None
) -> str | None:
    """Why ffmpeg does not copy ``job.streams`` to ``target`` without any video; None where it does.

    With ``only_first`` it copies only the first packets. Raises `Interrupted` soon after ``stop`` is set.
    """
    options = [part for key, value in _source_options(job).items() for part in (f"-{key}", value)]
    command = ["-v", "error", "-y", "-copyts", *options, "-i", file_url(job.source)]
    for place, index in enumerate(job.streams):
        command += ["-map", f"0:{index}"]
        if filters := _packet_filters(job, index):
            command += [f"-bsf:{place}", filters]
    command += [*_COPY, *(("-fs", str(_FIRST_BYTES)) if only_first else ())]
    with tempfile.TemporaryDirectory(prefix="vsr-") as folder:
        command += cover_options(job, Path(folder), 0)
        result = run_ffmpeg([*command, "-f", _FORMATS[job.container], file_url(target)], stop=stop)
    if result.returncode == 0:
        return None
    return ffmpeg_reason(result.stderr.splitlines()) or f"exit status {result.returncode}"


def cover_options(job: MuxJob, folder: Path, num_own: int) -> list[str]:
    """Options that attach the source's cover pictures, by way of ``folder``, behind ``num_own`` streams of ours."""
    return attached_covers(job.source, job.covers, folder, num_own + len(job.streams), deep=job.deep)


def _source_options(job: MuxJob) -> dict[str, str]:
    """How ffmpeg opens the source: fenced in, its times shifted and cut as the job says."""
    options = input_options(job.source, deep=job.deep) | {"itsoffset": _seconds(-job.shift)}
    if job.trim is not None and not job.moves:  # moves count packets from the start
        start, stop = job.trim
        # ffmpeg compares -t plus -ss with times that are already shifted; a filter cuts exactly
        reach = max(stop - start - job.shift, Fraction(0)) + 1
        options |= {"seek_timestamp": "1", "ss": _seconds(start), "t": _seconds(reach)}
    return options


def _packet_filters(job: MuxJob, stream: int) -> str:
    """The filters of a copied stream; empty for none.

    They move its packets with the timelines of the video, and drop those outside the span: a seek lands on a key frame
    before it.
    """
    filters = []
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
        # these streams do not say it themselves; ffmpeg takes the shape of the whole picture, in terms up to 255
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


def sync_file(path: Path) -> None:
    """Make sure the bytes of ``path`` are on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())

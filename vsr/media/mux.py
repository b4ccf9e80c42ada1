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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
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
from vsr.media.ffmpeg import ffmpeg_reason, run_ffmpeg
from vsr.media.gaps import ClosedGaps, close_gaps, track_clock
from vsr.media.immersive import boxes_for
from vsr.media.matroska import complete_header
from vsr.media.mux_command import MuxJob, copy_command, cover_options, mux_command, pipe_format
from vsr.media.packets import PacketTable, decode_times
from vsr.media.safe_open import file_url

__all__ = [
    "SegmentFile",
    "copy_refusal",
    "copy_streams",
    "mux",
    "packets_of",
    "pipe_options",
    "pipe_stream",
    "pipe_target",
    "refusal",
    "sync_file",
]

_DISK_REFUSES = ("space left", "File too large", "quota exceeded", "Input/output error", "Read-only file system")
_FIRST_BYTES = 1 << 16


@dataclass(frozen=True)
class SegmentFile:
    """Packets of one segment and their times, in decode order."""

    path: Path
    packets: PacketTable


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
    if job.container == "mkv":
        complete_header(target)


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
    # a shift that is not a whole number of ticks cannot be exact for the video: it is rounded once, here
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
    first = ("-fs", str(_FIRST_BYTES)) if only_first else ()
    with tempfile.TemporaryDirectory(prefix="vsr-") as folder:
        options = (*first, *cover_options(job, Path(folder), 0))
        result = run_ffmpeg(copy_command(job, file_url(target), options), stop=stop)
    if result.returncode == 0:
        return None
    return ffmpeg_reason(result.stderr.splitlines()) or f"exit status {result.returncode}"


def sync_file(path: Path) -> None:
    """Make sure the bytes of ``path`` are on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())

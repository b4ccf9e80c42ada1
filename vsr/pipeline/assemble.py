"""From segments to the output: checked, put together under another name, checked again, renamed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vsr.errors import MachineError, VerificationError
from vsr.media.animated_webp import WEBP
from vsr.media.codecs import choose_fourcc
from vsr.media.image_text import with_text
from vsr.media.images import STREAMS_FILE, TIMING_FILE, Timing, frame_numbers, is_animation, is_numbered, place_of
from vsr.media.immersive import Immersive
from vsr.media.inspect import StreamDigest, digest_streams
from vsr.media.mux import SegmentFile, copy_streams, mux, sync_file
from vsr.media.mux_command import MuxJob
from vsr.media.timelines import StreamMove, stream_moves
from vsr.media.y4m import count_off_rate, header, write_y4m
from vsr.pipeline.animations import write_animation
from vsr.pipeline.checks import check_copied, check_cover, check_times
from vsr.pipeline.headers import add_header, first_timecode
from vsr.pipeline.job import Job
from vsr.pipeline.progress import Stage
from vsr.pipeline.provenance import image_text, label
from vsr.pipeline.publishing import is_output_of, note_output, publish, remove
from vsr.pipeline.raw_output import scanning
from vsr.pipeline.sidecar import SegmentPaths, SegmentResult
from vsr.pipeline.storage import WorkFolder
from vsr.pipeline.tags import copy_languages, video_tags

if TYPE_CHECKING:
    from vsr.pipeline.source import SourceSummary

__all__ = ["Assembled", "assemble", "mux_job", "partial_path"]

_WITH_DELAYS = ("gif", "apng", WEBP)  # animations: each frame says how long it lasts, nothing says when all ends
_WITH_DURATIONS = ("mov", "matroska", *_WITH_DELAYS)  # demuxers of containers in which each frame has its own
_FINEST_CLOCK = 1 << 27  # a day still fits MP4's 64-bit durations many times over, and no reader chokes


@dataclass(frozen=True)
class Assembled:
    """What was put together and found right."""

    num_frames: int
    shift: Fraction
    """Seconds taken off every source time."""
    container_shift: Fraction | None
    """Seconds that the container moved all streams by, because it holds no negative times; None where that was not
    read back, as from a pipe."""
    exact_times: bool
    """Whether every time is exact, not only equal after one rounding to the container's clock."""
    streams: tuple[StreamDigest, ...]
    """Streams of the output."""
    trim: tuple[Fraction, Fraction] | None
    """Source times (seconds) between which other streams were copied; None for all of them."""
    off_rate: int = 0
    """Images that lay off the constant rate, which is all that the container holds of their times."""


def partial_path(job: Job) -> Path:
    """Where the output grows before it gets its name: beside it, so that the rename is atomic."""
    if is_numbered(job.output):
        folder = place_of(job.output)
        return folder.with_name(f".{folder.name}.vsr-partial")
    return job.output.with_name(f".{job.output.stem}.vsr-partial{job.output.suffix}")


def assemble(
    job: Job,
    work: WorkFolder,
    results: Sequence[SegmentResult],
    source: SourceSummary,
    on_stage: Callable[[Stage], None],
    *,
    overwrite: bool,
) -> Assembled:
    """Put finished segments together into ``job.output``; over what is there only with ``overwrite``.

    ``source`` is what the linear decode learnt. Raises `VerificationError` where anything is not as planned,
    `UsageError` where another output has come to be; then the output's name stays untouched.
    """
    ordered = sorted(results, key=lambda result: result.start)
    check_cover(job, ordered, source.num_frames)
    partial = partial_path(job)
    remove(partial)
    try:
        on_stage("assembling")
        if is_numbered(job.output):
            assembled = _write_images(job, work, ordered, partial, source)
        elif is_animation(job.output):
            assembled = _write_animation(job, work, ordered, partial, source, on_stage)
        elif job.encoder.codec.kind == "images":
            assembled = _write_image(job, work, ordered, partial)
        elif job.container == "y4m":
            assembled = _write_y4m(job, work, ordered, partial, on_stage)
        else:
            assembled = _write_video(job, work, ordered, partial, source, on_stage)
        if partial.is_file():
            sync_file(partial)
        place = place_of(job.output)
        may_replace = overwrite or is_output_of(work, place)
        note_output(work, partial)
        publish(partial, place, replace=may_replace)
        return assembled
    except OSError as error:
        raise MachineError(f"cannot write {job.output}: {error.strerror or error}") from error
    finally:
        remove(partial)


def _segment_files(work: WorkFolder, ordered: Sequence[SegmentResult]) -> list[SegmentFile]:
    names = [SegmentPaths.of(work.path, result.index, result.key).media.name for result in ordered]
    return [SegmentFile(work.fetch(name), result.packets) for name, result in zip(names, ordered, strict=True)]


def _times(ordered: Sequence[SegmentResult]) -> NDArray[np.int64]:
    """Presentation times of all images, in order. Raises `VerificationError` where they do not rise."""
    pts = np.concatenate([np.sort(result.packets.pts) for result in ordered])
    late = np.flatnonzero(np.diff(pts) <= 0)
    if len(late):
        place = int(late[0])
        raise VerificationError(f"frame {place + 1} would be shown at {pts[place + 1]}, after one at {pts[place]}")
    return pts


def _last_duration(pts: NDArray[np.int64], job: Job, source: SourceSummary) -> int:
    """Ticks that the last image lasts: as the source says, else as long as the one before, else by the rate."""
    end = _end_of_last(job, source)
    if end is not None:
        length = end * job.images_per_frame - int(pts[-1])
        if length > 0 and (len(pts) < 2 or 2 * length >= int(np.diff(pts).min())):
            return length
    if len(pts) > 1:
        return int(pts[-1] - pts[-2])
    return max(1, round(1 / job.encoder.frame_rate / job.encoder.time_base))


def _end_of_last(job: Job, source: SourceSummary) -> int | None:
    """Where the source ends its last frame, in its ticks; None where that is not written in it, or cannot be true.

    MP4 and MOV give durations in decoding order: there the track's end counts, if no frame of it is missing.
    """
    video, last, form = job.video, source.last_frame, job.info.container
    if job.span or last is None or job.is_film or not form.startswith(_WITH_DURATIONS):
        return None
    if form in _WITH_DELAYS:
        return last.pts + last.duration if last.duration else None
    if video.end_pts is None:
        return None
    if form.startswith("mov") and source.num_frames + source.damage.empty_packets == video.num_frames_from_header:
        return video.end_pts
    is_inside = last.pts + last.duration <= video.end_pts + 1
    return last.pts + last.duration if last.duration and is_inside else None


def _final_job(job: Job, pts: NDArray[np.int64], source: SourceSummary) -> MuxJob:
    base = job.encoder.time_base
    last = _last_duration(pts, job, source)
    jumps = source.damage.timelines if job.copied else ()
    moves = stream_moves(job.info.streams_path or job.info.path, job.video.index, jumps) if jumps else {}
    start, stop = int(pts[0]) * base, (int(pts[-1]) + last) * base
    if job.span:
        return mux_job(job, last_duration=last, shift=start, trim=(start, stop), moves=moves)
    # repaired times may come before the first that the file has, and players drop what MP4 and MOV have before 0
    shift = min(job.shift, start) if job.container in ("mp4", "mov") else job.shift
    return mux_job(job, last_duration=last, shift=shift, moves=moves)


def mux_job(
    job: Job,
    *,
    last_duration: int,
    shift: Fraction,
    trim: tuple[Fraction, Fraction] | None = None,
    moves: Mapping[int, StreamMove] = MappingProxyType({}),
) -> MuxJob:
    """All that shapes the output besides its packets; the times as in `MuxJob`."""
    has_timecode_track = any(stream.codec == "timecode" for stream in job.copied)
    starts_at_zero = not job.span or job.span.start is None
    container = "mkv" if job.encoder.codec.kind == "images" else job.container
    return MuxJob(
        source=job.info.streams_path or job.info.path,
        container=container,
        encoder=job.encoder,
        display=job.video.display,
        shift=shift,
        trim=trim,
        streams=tuple(stream.index for stream in job.copied if container != "mkv" or stream.kind != "cover"),
        covers=tuple(stream.index for stream in job.copied if container == "mkv" and stream.kind == "cover"),
        timecode=job.video.timecode if starts_at_zero and not has_timecode_track and not job.is_film else None,
        last_duration=last_duration,
        clock=_clock(job),
        metadata=job.info.metadata,
        video_metadata=video_tags(job.info, job.container),
        tags=_copy_tags(job),
        languages=copy_languages(job.copied, job.container),
        immersive=_immersive(job),
        label=label(job.title, job.evidence, job.info.metadata, job.made_by),
        keep_chapters=job.info.num_chapters > 0 and not job.span,
        moves=moves,
        copies_source=job.info.streams_path is not None
        or not (job.info.images or job.info.is_piped or job.info.container == WEBP),
        deep=job.info.deep,
        scanning=scanning(job.video, job.deinterlace, job.out_height),
        unmeasured=_find_unmeasured(job),
    )


def _immersive(job: Job) -> Immersive | None:
    """What the source says of views and projection, for the size of the output."""
    found = job.video.immersive
    if found is None or found.spherical is None:
        return found
    return replace(found, spherical=found.spherical.scaled(Fraction(job.out_width, job.video.width)))


def _copy_tags(job: Job) -> dict[int, str]:
    """Codes of copied video: MP4 and MOV have their own already, and keep them."""
    if job.info.container.startswith("mov"):
        return {}
    found = {
        stream.index: choose_fourcc(stream.codec, job.container) for stream in job.copied if stream.kind == "video"
    }
    return {index: tag for index, tag in found.items() if tag is not None}


def _find_unmeasured(job: Job) -> tuple[int, ...]:
    """NUT has no durations, and FFmpeg knows those of most codecs but not of Vorbis."""
    if job.info.container != "nut" or job.container not in ("mp4", "mov"):
        return ()
    return tuple(stream.index for stream in job.copied if stream.kind == "audio")


def _expect(source: SourceSummary, mux_job: MuxJob) -> list[StreamDigest]:
    """Digests of the source's streams as they start once they are on one timeline, and end with a whole sample."""
    moves, cut = mux_job.moves, {part.index: part for part in source.cut_samples}
    expected = []
    for one in source.streams:
        if one.index in moves:
            one = replace(one, first_seconds=moves[one.index].first_seconds)
        if one.index in cut:
            one = replace(one, num_bytes=one.num_bytes - cut[one.index].num_bytes, sha256=cut[one.index].sha256)
        expected.append(one)
    return expected


def _clock(job: Job) -> int:
    """Ticks a second of the whole file that hold the times of all its streams, so that none is moved by rounding."""
    scale = job.encoder.time_base.denominator
    every = math.lcm(scale, *(stream.time_base.denominator for stream in job.copied))
    return every if every <= _FINEST_CLOCK else scale


def _write_video(
    job: Job,
    work: WorkFolder,
    ordered: Sequence[SegmentResult],
    partial: Path,
    source: SourceSummary,
    on_stage: Callable[[Stage], None],
) -> Assembled:
    pts = _times(ordered)
    final = _final_job(job, pts, source)
    mux(_segment_files(work, ordered), final, partial)
    on_stage("verifying")
    moved, exact = check_times(job, pts, final.shift, partial)
    streams = digest_streams(partial)
    check_copied(job, _expect(source, final), streams, moved - final.shift)
    return Assembled(len(pts), final.shift, moved, exact, streams, final.trim)


def _write_y4m(
    job: Job, work: WorkFolder, ordered: Sequence[SegmentResult], partial: Path, on_stage: Callable[[Stage], None]
) -> Assembled:
    pts = _times(ordered)
    write_y4m(
        _segment_files(work, ordered),
        header(job.encoder, scanning(job.video, job.deinterlace, job.out_height)),
        partial,
    )
    on_stage("verifying")
    streams = digest_streams(partial)
    if streams[0].num_packets != len(pts):
        raise VerificationError(f"{len(pts)} frames were encoded, the assembled file holds {streams[0].num_packets}")
    off_rate = count_off_rate(pts, job.encoder.time_base, job.encoder.frame_rate)
    start = int(pts[0]) * job.encoder.time_base
    return Assembled(len(pts), start, Fraction(0), not off_rate, streams, None, off_rate)


def _write_animation(
    job: Job,
    work: WorkFolder,
    ordered: Sequence[SegmentResult],
    partial: Path,
    source: SourceSummary,
    on_stage: Callable[[Stage], None],
) -> Assembled:
    pts = _times(ordered)
    words = image_text(job.title, job.evidence, job.info.metadata, job.made_by)
    words = add_header(job, words, ordered[0].start)
    last = _last_duration(pts, job, source)
    write_animation(_segment_files(work, ordered), pts, last, job.encoder, words, partial)
    on_stage("verifying")
    shift = int(pts[0]) * job.encoder.time_base  # it begins with its first frame
    moved, exact = check_times(job, pts, shift, partial)
    return Assembled(len(pts), shift, moved, exact, digest_streams(partial), None)


def _write_image(job: Job, work: WorkFolder, ordered: Sequence[SegmentResult], partial: Path) -> Assembled:
    """One image alone, without times or streams beside it."""
    pts = _times(ordered)
    if len(pts) != 1:
        raise VerificationError(f"{job.output}: {len(pts)} images were made for one file")
    [segment] = _segment_files(work, ordered)
    words = image_text(job.title, job.evidence, job.info.metadata, job.made_by)
    partial.write_bytes(with_text(segment.path.read_bytes(), add_header(job, words, ordered[0].start)))
    shift = int(pts[0]) * job.encoder.time_base  # it has no time of its own: its frame's is all of it
    return Assembled(1, shift, Fraction(0), True, (), None)


def _write_images(
    job: Job,
    work: WorkFolder,
    ordered: Sequence[SegmentResult],
    partial: Path,
    source: SourceSummary,
) -> Assembled:
    partial.mkdir()
    words = image_text(job.title, job.evidence, job.info.metadata, job.made_by)
    number_of = (lambda ordinal: ordinal) if job.is_film else frame_numbers(job.info)
    for segment, result in zip(_segment_files(work, ordered), ordered, strict=True):
        with segment.path.open("rb") as file:
            for place, packet in enumerate(result.packets):
                data = file.read(packet.size)
                if len(data) != packet.size:
                    raise VerificationError(f"{segment.path.name} is shorter than its sidecar says")
                ordinal, field = result.start + place // job.images_per_frame, place % job.images_per_frame
                number = number_of(ordinal) * job.images_per_frame + field
                text = add_header(job, words, ordinal)
                (partial / (job.output.name % number)).write_bytes(with_text(data, text))
    pts = _times(ordered)
    final = _final_job(job, pts, source)
    ticks = round(final.shift / job.encoder.time_base)
    timing = Timing(
        time_base=job.encoder.time_base,
        pts=tuple((pts - ticks).tolist()),
        color=job.encoder.color,
        sample_aspect_ratio=job.encoder.sample_aspect_ratio,
        timecode=first_timecode(job, ordered[0].start),
    )
    (partial / TIMING_FILE).write_text(timing.to_json(), encoding="utf-8")
    streams: tuple[StreamDigest, ...] = ()
    if job.copied:
        copy_streams(final, partial / STREAMS_FILE)
        streams = digest_streams(partial / STREAMS_FILE)
        check_copied(job, source.streams, streams, None, num_own=0)
    return Assembled(len(pts), final.shift, Fraction(0), True, streams, final.trim)

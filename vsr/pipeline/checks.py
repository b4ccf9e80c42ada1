"""What must be true of an assembled file before it gets its name: every frame, every time, every copied packet."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsr.errors import VerificationError
from vsr.media.inspect import StreamDigest, count_shown_packets, video_times
from vsr.pipeline.job import Job
from vsr.pipeline.sidecar import SegmentResult
from vsr.timeline import rescale

__all__ = ["check_copied", "check_cover", "check_times"]

_ADDED_TRACKS = 2  # MP4 and MOV append tracks of their own for chapters and timecode


def check_cover(job: Job, ordered: Sequence[SegmentResult], num_source_frames: int) -> None:
    """Segments, in order, hold every frame exactly once. Raises `VerificationError`."""
    for before, after in itertools.pairwise(ordered):
        if before.stop != after.start:
            raise VerificationError(
                f"segments {before.index} and {after.index} do not meet: {before.stop}, {after.start}"
            )
    covered = sum(result.stop - result.start for result in ordered)
    images = sum(len(result.packets) for result in ordered)
    if covered != num_source_frames or images != covered * job.images_per_frame:
        raise VerificationError(
            f"{num_source_frames} frames went in, {covered} are in segments as {images} images; nothing was written"
        )


def check_times(job: Job, pts: NDArray[np.int64], shift: Fraction, path: Path) -> tuple[Fraction, bool]:
    """The frames of ``path`` have the times ``pts`` less ``shift`` seconds, rounded once to its clock.

    Returns the seconds by which the container moved all streams (Matroska and NUT hold no negative times), and whether
    every time is exact. Raises `VerificationError` for anything else.
    """
    base = job.encoder.time_base
    found, clock = video_times(path)
    ticks = round(shift / base)
    if len(found) != len(pts):
        raise VerificationError(f"{len(pts)} frames were encoded, the assembled file holds {len(found)}")
    moved = int(found[0]) - rescale(int(pts[0]) - ticks, base, clock)
    wrong, exact = 0, True
    for time, out in zip(pts, found, strict=True):
        requested, there = int(time) - ticks, int(out) - moved
        wrong += rescale(requested, base, clock) != there
        exact = exact and requested * base == there * clock
    if wrong or (moved and job.container not in ("mkv", "nut")):
        raise VerificationError(f"{wrong or len(found)} of {len(found)} frames have another time in the assembled file")
    return moved * clock, exact


def check_copied(
    job: Job, source: Sequence[StreamDigest], output: Sequence[StreamDigest], moved: Fraction | None, num_own: int = 1
) -> None:
    """Every planned stream is in ``output``, in order, with all its packets or the same bytes cut otherwise, in place.

    ``num_own`` streams of ours come before them; ``moved`` is how far their times are from the source's (None: not
    compared). For a part of a video only kinds are compared: what is copied is cut. Raises `VerificationError`.
    """
    planned = ["video"] * num_own + [stream.kind.replace("cover", "video") for stream in job.copied]
    found = [stream.kind for stream in output]
    added = found[len(planned) :]
    if found[: len(planned)] != planned or set(added) - {"data", "subtitle"} or len(added) > _ADDED_TRACKS:
        raise VerificationError(f"planned streams: {', '.join(planned)}; the assembled file has {', '.join(found)}")
    if job.span:
        return
    by_index = {digest.index: digest for digest in source}
    for stream, got in zip(job.copied, output[num_own:], strict=False):
        requested = by_index[stream.index]
        if stream.kind not in ("audio", "video"):
            continue
        requested = _as_shown(job, requested, got)
        what = f"{stream.kind} stream {stream.index}"
        if got.num_packets != requested.num_packets and not _same_payload(requested, got):
            raise VerificationError(f"{what} has {requested.num_packets} packets, {got.num_packets} were copied")
        if moved is None or requested.first_seconds is None or got.first_seconds is None:
            continue
        drift = abs(got.first_seconds - requested.first_seconds - moved)
        if drift > max(got.tick, requested.tick):
            raise VerificationError(f"{what} starts {float(drift):.6f} s from its place in the assembled file")


def _as_shown(job: Job, requested: StreamDigest, got: StreamDigest) -> StreamDigest:
    """``requested`` without what an edit list hides, if that is all that is missing in MP4 or MOV.

    Where the list begins with a key frame, no reader gives the packets before it.
    """
    if got.num_packets >= requested.num_packets or job.container not in ("mp4", "mov"):
        return requested
    count, first = count_shown_packets(job.info.streams_path or job.info.path, requested.index)
    return replace(requested, num_packets=count, first_seconds=first) if count == got.num_packets else requested


def _same_payload(requested: StreamDigest, got: StreamDigest) -> bool:
    """Whether two streams are the same bytes, however they are cut: MOV gives PCM back in small blocks of its own."""
    return (got.num_bytes, got.sha256) == (requested.num_bytes, requested.sha256)

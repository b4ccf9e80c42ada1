"""One pass over a source: its segments as they become known, and what the pass learnt of the whole."""

from __future__ import annotations

import concurrent.futures
import itertools
import math
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av

from vsr.errors import DamageError, InputError, UsageError
from vsr.media.damage import Damage
from vsr.media.decode import FrameRecord
from vsr.media.film import FilmFound, recover_film
from vsr.media.framemd5 import Checksums, FrameHasher, hash_frames
from vsr.media.gaps import StepMeter
from vsr.media.images import is_animation
from vsr.media.inspect import PartSample, StreamDigest, digest_streams
from vsr.media.looks import Changes
from vsr.media.reading import scan
from vsr.media.timelines import stream_moves
from vsr.pipeline.animations import CLOCKS
from vsr.pipeline.handling import describe_handling
from vsr.pipeline.job import Job
from vsr.pipeline.rehearsal import leave_out, refuse_copies
from vsr.pipeline.scan import PlannedSegment, PlanRules, plan_segments
from vsr.pipeline.sidecar import file_digest
from vsr.pipeline.streams import Lost
from vsr.pipeline.worker import in_source_frames
from vsr.timeline import rescale

__all__ = ["PipedFrames", "SourcePass", "SourceSummary"]


_MKV_TICK = Fraction(1, 1000)


@dataclass(frozen=True)
class SourceSummary:
    """What a whole pass learnt."""

    num_frames: int
    """Source frames in all segments."""
    interlaced_frames: int
    """Those of them that are interlaced, judged by content."""
    flagged_frames: int
    """Those of them that the decoder calls interlaced."""
    film: FilmFound | None
    """What was found in a video that is taken for telecined film."""
    changes: Changes
    """Where images change their size, shape, format, colours or scan."""
    damage: Damage
    sha256: str | None
    """Of the file; None for an image sequence, and for a pipe as long as it is being read."""
    streams: tuple[StreamDigest, ...]
    """Those that may be copied."""
    last_frame: FrameRecord | None
    """The last of all requested frames."""
    checksums: Checksums
    """Of every decoded frame, those before and after the requested ones too."""
    refused: tuple[Lost, ...] = ()
    """Streams that were to be copied and cannot be, to their end."""
    num_late_streams: int = 0
    """Streams that begin later than FFmpeg looks for streams; nothing else is known of these."""
    cut_samples: tuple[PartSample, ...] = ()
    """Where copied PCM ends within a sample, of which the output cannot hold a part."""


PipedFrames = Callable[[int, Damage], Iterator[tuple[FrameRecord, av.VideoFrame]]]
"""What `vsr.media.piped.PipedVideo.scan` is: the linear decode of what comes through a pipe."""


class SourcePass:
    """The linear decode of a job's source; digests are taken beside it, in threads. A context manager."""

    def __init__(self, job: Job, frames: PipedFrames | None = None, longest_segment: int | None = None) -> None:
        """``frames`` come instead of the file's where a pipe is read; no segment gets longer than ``longest_segment``.

        See `PlanRules` for what that means.
        """
        self._job, self._piped, self._longest = job, frames, longest_segment
        self._damage = Damage()
        self._frames = self._interlaced = self._flagged = 0
        self._film = FilmFound()
        self._changes = Changes(job.info, partial(describe_handling, job), job.record_time_base)
        self._first: FrameRecord | None = None
        self._last: FrameRecord | None = None
        self._stop = threading.Event()
        self._hasher = FrameHasher()
        self._pool = concurrent.futures.ThreadPoolExecutor(3, thread_name_prefix="digest")
        whole = None if job.info.images or job.info.is_piped else job.info.path
        parts = job.info.streams_path or whole
        self._file = self._pool.submit(file_digest, whole, self._stop) if whole is not None else None
        self._late = 0
        self._parts: list[PartSample] = []
        self._streams = self._pool.submit(self._digest, parts) if parts is not None else None
        self._copies = self._pool.submit(refuse_copies, job, self._stop)

    def __enter__(self) -> SourcePass:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._pool.shutdown(cancel_futures=True)
        self._hasher.close()

    def _digest(self, path: Path) -> tuple[StreamDigest, ...]:
        return digest_streams(
            path, self._stop, deep=self._job.info.deep, on_stranger=self._count_late, on_part=self._parts.append
        )

    def _count_late(self) -> None:
        self._late += 1

    @property
    def damage(self) -> Damage:
        """What was repaired and concealed so far."""
        return self._damage

    @property
    def num_frames(self) -> int:
        """Source frames planned so far."""
        return self._frames

    def segments(self) -> Iterator[PlannedSegment]:
        """Every segment, in order, as soon as it is known.

        Raises `InputError` where there is none, `DamageError` at damage where the settings are strict.
        """
        job, needs = self._job, self._job.prepared.capabilities
        rules = PlanRules(
            segment_frames=min(job.settings.segment_frames, self._longest or job.settings.segment_frames),
            halo_frames=in_source_frames(job, needs.halo_frames),
            chain_frames=math.lcm(needs.chain_frames, job.images_per_frame) // job.images_per_frame,
            calibration_frames=in_source_frames(job, needs.adapt_frames),
            cut_threshold=job.settings.cut_threshold,
            span=job.span,
            origin=job.info.start,
            time_base=job.record_time_base,
        )
        read = self._piped or partial(scan, job.info)
        frames = hash_frames(read(job.settings.decoder_threads, self._damage), self._hasher)
        steps = StepMeter(job.encoder.time_base, None if job.span else round(job.shift / job.encoder.time_base))
        if job.is_film:
            frames = recover_film(frames, self._film)
        for planned in plan_segments(frames, rules):
            self._refuse_damage()
            if self._copies.done() and not self._damage.timelines:
                self._refuse_streams(self._copies.result())
            if self._streams is not None and self._streams.done():
                leave_out(job, _is_broken_off(job, self._streams.result(), self._parts, ()))
            self._first = self._first or planned.core[0]
            if not steps.add(record.pts * job.images_per_frame for record in planned.core):
                self._refuse_gap(planned)
            self._refuse_crowd(planned)
            self._frames += planned.segment.num_frames
            self._interlaced += sum(record.fields != "progressive" for record in planned.core)
            self._flagged += sum(record.interlaced for record in planned.core)
            for record in planned.core:
                self._changes.add(record)
            self._last = planned.core[-1]
            yield planned
        self._refuse_damage()
        if not self._frames:
            raise InputError(f"{job.info.path}: no frame lies between --start and --end")

    def is_resolved(self, timeout: float) -> bool:
        """Whether `summary` would answer at once, waiting up to ``timeout`` seconds for that."""
        waited: list[concurrent.futures.Future[Any]] = [
            f for f in (self._file, self._streams, self._copies) if f is not None
        ]
        return not concurrent.futures.wait(waited, timeout).not_done

    def summary(self) -> SourceSummary:
        """What the pass learnt, once all segments were read; waits for the digests."""
        streams: Sequence[StreamDigest] = self._streams.result() if self._streams is not None else ()
        job, sha256 = self._job, self._file.result() if self._file is not None else None
        refused = self._copies.result()
        if refused and self._damage.timelines:
            refused = self._refuse_when_joined()
        refused = (*refused, *_without_packets(job, streams, refused))
        refused = (*refused, *_is_broken_off(job, streams, self._parts, refused))
        self._refuse_streams(refused)
        checksums = self._hasher.rows()
        return SourceSummary(
            num_frames=self._frames,
            interlaced_frames=self._interlaced,
            flagged_frames=self._flagged,
            film=self._film if job.is_film else None,
            changes=self._changes,
            damage=self._damage,
            sha256=sha256,
            streams=tuple(streams),
            last_frame=self._last,
            checksums=checksums,
            refused=refused,
            num_late_streams=self._late,
            cut_samples=tuple(_at_ends(streams, self._parts)) if _has_whole_samples(job) else (),
        )

    def _refuse_when_joined(self) -> tuple[Lost, ...]:
        """The same tried again with several timelines made one: what was refused may have been a jump of the clock."""
        job = self._job
        path = job.info.streams_path or job.info.path
        return refuse_copies(job, self._stop, stream_moves(path, job.video.index, self._damage.timelines))

    def _refuse_streams(self, refused: Sequence[Lost]) -> None:
        """Refuse, as soon as it is known, to go on without streams where the settings do not allow it."""
        job, settings = self._job, self._job.settings
        leave_out(job, refused)
        if self._late and not settings.drop_streams:
            raise UsageError(
                f"{job.info.path}: holds streams that begin later than FFmpeg looks for them; copy it first, with "
                f"ffmpeg -probesize 2G -analyzeduration 2G -i {job.info.path.name} -map 0 -c copy OUTPUT.mkv, or give "
                "--drop-streams to do without them"
            )

    def _refuse_gap(self, planned: PlannedSegment) -> None:
        job = self._job
        if job.encoder.codec.kind == "images" or job.container not in ("mp4", "mov"):
            return  # these hold any, or are not asked here
        frames = [*([self._last] if self._last is not None else []), *planned.core]
        steps = [(after.pts - before.pts, after.ordinal) for before, after in itertools.pairwise(frames)]
        step, ordinal = max(steps, key=lambda one: one[0])
        raise UsageError(
            f"{job.info.path}: frame {ordinal} comes {float(step * job.record_time_base):.0f} s after the one before, "
            f"which .{job.container} cannot hold at a clock of {1 / job.encoder.time_base} Hz; name the output .mkv"
        )

    def _refuse_crowd(self, planned: PlannedSegment) -> None:
        """Refuse frames so close that the output's clock gives two of them one time, or too far apart for it."""
        job, base = self._job, self._job.record_time_base
        if is_animation(job.output):
            tick = CLOCKS[job.container][0]
        elif job.container == "mkv" and job.encoder.codec.kind != "images":
            tick = _MKV_TICK
        else:
            return
        longest = CLOCKS[job.container][1] * tick if job.container in CLOCKS else None
        frames = [*([self._last] if self._last is not None else []), *planned.core]
        for before, after in itertools.pairwise(frames):
            length = (after.pts - before.pts) * base
            if longest is not None and length > longest:
                raise UsageError(
                    f"{job.info.path}: frame {before.ordinal} lasts {float(length):.0f} s, and .{job.container} has "
                    f"{float(longest):.0f} s for one; name the output .mp4"
                )
            if length >= tick:
                continue
            shifted = [rescale(one.pts - self._first_tick(), base, tick) for one in (before, after)]
            if shifted[0] == shifted[1]:
                apart = float(length * 1000)
                raise UsageError(
                    f"{job.info.path}: frame {after.ordinal} comes {apart:.2f} ms after the one before, "
                    f"which .{job.container} with its clock of {tick * 1000} ms cannot tell apart; name the output .mp4"
                )

    def _first_tick(self) -> int:
        """What is 0 in the output."""
        if is_animation(self._job.output) and self._first is not None:
            return self._first.pts
        return round(self._job.shift / self._job.record_time_base)

    def _refuse_damage(self) -> None:
        damage = self._damage
        if self._job.settings.strict and (damage.total or damage.repaired_times or damage.timelines):
            raise DamageError(
                f"{self._job.info.path}: {', '.join(damage.words)} (first: {damage.events[0]}); "
                "without --strict it is repaired and counted"
            )


def _has_whole_samples(job: Job) -> bool:
    """Whether the output counts the samples of PCM, so that it holds no part of one."""
    return job.container in ("mp4", "mov") and not job.span and job.encoder.codec.kind != "images"


def _at_ends(streams: Sequence[StreamDigest], parts: Sequence[PartSample]) -> Iterator[PartSample]:
    """Those of ``parts`` at the end of streams that are whole up to there."""
    num_packets = {digest.index: digest.num_packets for digest in streams}
    times = Counter(part.index for part in parts)
    return (part for part in parts if times[part.index] == 1 and part.num_packets == num_packets[part.index])


def _is_broken_off(
    job: Job, streams: Sequence[StreamDigest], parts: Sequence[PartSample], refused: Sequence[Lost]
) -> list[Lost]:
    """PCM that breaks off within a sample and goes on, which containers that count samples cannot hold."""
    if not _has_whole_samples(job):
        return []
    broken = {part.index for part in parts} - {part.index for part in _at_ends(streams, parts)}
    known = {one.stream.index for one in refused}
    return [
        Lost(stream, "it breaks off within a sample, and goes on", ("mkv",), is_ordinary=False)
        for stream in job.copied
        if stream.index in broken - known
    ]


def _without_packets(job: Job, streams: Sequence[StreamDigest], refused: Sequence[Lost]) -> list[Lost]:
    """The streams to be copied that hold nothing, for which MP4 and MOV make no track; but not those ``refused``."""
    if job.container not in ("mp4", "mov") or job.span or job.encoder.codec.kind == "images":
        return []
    empty = {digest.index for digest in streams if not digest.num_packets}
    known = {one.stream.index for one in refused}
    return [
        Lost(stream, "it holds no packets", ())
        for stream in job.copied
        if stream.index in empty - known and stream.kind in ("audio", "video", "subtitle")
    ]

"""A short run of frames that says much about a video: chosen, and kept, so that every method sees the same.

Short videos, and the beginning of long ones, are decoded from the start; then frames, shots and what is learnt of a
shot are those of a run over the whole file. Other places are reached by a seek. A shot that begins before the frames
that are looked at is then learnt from what is there, which `Excerpt.knows_shot` says.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

from vsr.errors import InputError, UsageError
from vsr.media.damage import Damage
from vsr.media.decode import FrameRecord
from vsr.media.deinterlace import DEINTERLACE_CONTEXT
from vsr.media.filtering import FrameCopier
from vsr.media.probe import MediaInfo
from vsr.media.reading import Reader, scan, scan_from
from vsr.media.thumbnails import thumbnail
from vsr.pipeline.job import Span
from vsr.pipeline.scan import PlanRules, plan_segments
from vsr.timeline import Segment, format_seconds

__all__ = ["Excerpt", "Needs", "find_excerpt"]

_LOOKED_AT_SAMPLES = 300e6  # of luma that are decoded to choose from; 325 frames of 720p
_FEWEST, _MOST = 96, 1500  # frames that are looked at
_PLACES = 8  # of a long video, one frame each
_STEP_FRAMES = 12  # between excerpts that are considered in shots whose beginning is not known
_STILL, _QUICK = 0.3, 6.0  # mean change of a small image, in codes, below which nothing moves, and that is plenty


@dataclass(frozen=True)
class Needs:
    """What the methods need of a video, each at most; see `vsr.methods.method.Capabilities`."""

    halo_frames: int
    chain_frames: int
    adapt_frames: int


@dataclass(frozen=True)
class _Look:
    """One decoded frame, as far as it counts for the choice."""

    detail: float
    """Mean step between neighbours of its small image, in codes."""
    change: float
    """Mean change from the frame before."""


@dataclass(frozen=True)
class _Shot:
    records: tuple[FrameRecord, ...]
    begins: bool
    """Whether its first record is the shot's first frame."""


@dataclass(frozen=True)
class Excerpt:
    """Frames of one shot, with the context that methods want."""

    records: tuple[FrameRecord, ...]
    """Consecutive: the excerpt and the frames around it. Ordinals count from `origin`."""
    start: int
    stop: int
    """Ordinals of the excerpt, half-open."""
    calibration: tuple[FrameRecord, ...]
    """Frames that methods learn from."""
    frames: Mapping[int, av.VideoFrame] = field(repr=False)
    """Decoded, by ordinal."""
    from_start: bool
    """Whether ordinals are those of the whole file."""
    knows_shot: bool
    """Whether ``calibration`` holds the first frames of the shot, as in a run over the whole file."""
    is_in_step: bool
    """Whether the excerpt begins where a run over the whole file, too, resets what it carries from frame to frame."""
    num_looked_at: int
    cuts: tuple[int, ...]
    """Ordinals of the new shots among the frames that were looked at."""
    num_interlaced: int
    """Of the excerpt's frames, by content."""
    decode_seconds: float
    """For one frame: decoding and what is looked at, measured."""
    motion_codes: float
    """Mean change from frame to frame of small images."""

    @property
    def core(self) -> tuple[FrameRecord, ...]:
        """The records of the excerpt itself."""
        return tuple(record for record in self.records if self.start <= record.ordinal < self.stop)

    def reader(self) -> Reader:
        """Reads the kept frames."""
        return _Kept(self.frames)

    def planned(self, halo_frames: int, adapt_frames: int) -> tuple[Segment, tuple[FrameRecord, ...]]:
        """The segment that a method with these needs restores, and the frames that it learns from."""
        low = max(self.records[0].ordinal, self.start - halo_frames)
        high = min(self.records[-1].ordinal + 1, self.stop + halo_frames)
        return Segment(0, self.start, self.stop, low, high), self.calibration[:adapt_frames]


class _Kept:
    def __init__(self, frames: Mapping[int, av.VideoFrame]) -> None:
        self._frames = frames

    def read(self, records: Sequence[FrameRecord]) -> Iterator[av.VideoFrame]:
        """See `Reader`."""
        return (self._frames[record.ordinal] for record in records)

    def close(self) -> None:
        """See `Reader`."""


def find_excerpt(
    info: MediaInfo,
    needs: Needs,
    *,
    at: int | Fraction | None,
    num_frames: int,
    threads: int,
    cut_threshold: float,
) -> Excerpt:
    """``num_frames`` (fewer where the shot ends) from ``at`` on, a frame number or seconds from the video's start.

    Without ``at`` the place with much detail that moves, as far as a look at some frames tells. Raises `UsageError` for
    a place after the end, `InputError` for what cannot be decoded.
    """
    window = _window(info, needs, at, num_frames, threads)
    began = time.perf_counter()
    shots, looks = _look(window, cut_threshold)
    seconds = (time.perf_counter() - began) / len(looks)
    shot, start = _choose(shots, looks, needs, num_frames) if at is None else _locate(info, shots, at)
    records = shot.records
    stop = min(start + num_frames, records[-1].ordinal + 1)
    context = needs.halo_frames + DEINTERLACE_CONTEXT
    first = records[0].ordinal
    around = records[max(0, start - context - first) : stop + context - first]
    calibration = (records if shot.begins else around)[: needs.adapt_frames]
    requested = {record.ordinal for record in (*around, *calibration)}
    core = records[start - first : stop - first]
    return Excerpt(
        records=around,
        start=start,
        stop=stop,
        calibration=calibration,
        frames=_keep(window, requested),
        from_start=window.is_from_start,
        knows_shot=shot.begins,
        is_in_step=shot.begins and (start - first) % needs.chain_frames == 0,
        num_looked_at=len(looks),
        cuts=tuple(each.records[0].ordinal for each in shots[1:]),
        num_interlaced=sum(record.fields != "progressive" for record in core),
        decode_seconds=seconds,
        motion_codes=float(np.mean([looks[record.ordinal].change for record in core])),
    )


@dataclass(frozen=True)
class _Window:
    """The frames that are looked at."""

    info: MediaInfo
    threads: int
    seconds: Fraction | None
    """Where they begin, by the file's clock; None: at the start."""
    num_frames: int
    at: int | Fraction = 0
    """From there on so many are looked at: an ordinal, or seconds from the video's start."""

    @property
    def is_from_start(self) -> bool:
        return self.seconds is None

    def frames(self) -> Iterator[tuple[FrameRecord, av.VideoFrame]]:
        if self.seconds is None:
            frames = scan(self.info, self.threads, Damage())
        else:
            frames = scan_from(self.info, self.threads, Damage(), self.seconds)
        left = self.num_frames
        for record, frame in frames:
            yield record, frame
            left -= _is_at(self.info, record, self.at)
            if not left:
                return


def _is_at(info: MediaInfo, record: FrameRecord, at: int | Fraction) -> bool:
    """Whether it is the frame ``at`` or a later one."""
    if isinstance(at, int):
        return record.ordinal >= at
    return record.pts * info.video.time_base - info.start >= at


def _window(info: MediaInfo, needs: Needs, at: int | Fraction | None, num_frames: int, threads: int) -> _Window:
    video = info.video
    around = num_frames + needs.halo_frames + DEINTERLACE_CONTEXT + _STEP_FRAMES
    usual = max(around, round(min(_MOST, max(_FEWEST, _LOOKED_AT_SAMPLES / (video.width * video.height)))))
    if isinstance(at, int):
        return _Window(info, threads, None, around, at)
    rate = video.average_rate or video.base_rate or Fraction(25)
    can_seek = bool(info.images) or (video.untimed_rate is None and bool(info.duration))
    if at is not None:
        first = at - (needs.halo_frames + usual // 2) / rate
        return _Window(info, threads, info.start + first if can_seek and first > 0 else None, around, at)
    if not can_seek or 0 < video.num_frames_from_header <= 2 * usual:
        return _Window(info, threads, None, usual)
    return _Window(info, threads, _liveliest(info, threads), usual)


def _liveliest(info: MediaInfo, threads: int) -> Fraction | None:
    """The time of the place with the most detail, of a few over the whole video; None for its start."""
    best, place = -1.0, None
    length = info.duration or Fraction(0)
    for number in range(_PLACES):
        seconds = info.start + length * Fraction(2 * number + 1, 2 * _PLACES)
        try:
            _, frame = next(scan_from(info, threads, Damage(), seconds))
        except (StopIteration, InputError):
            continue
        detail = _detail(_gray(frame))
        if detail > best:
            best, place = detail, seconds
    return place


def _gray(frame: av.VideoFrame) -> NDArray[np.float32]:
    gray: NDArray[np.float32] = thumbnail(frame).mean(axis=2, dtype=np.float32)
    return gray


def _detail(gray: NDArray[np.float32]) -> float:
    return float(np.abs(np.diff(gray, axis=0)).mean() + np.abs(np.diff(gray, axis=1)).mean())


def _look(window: _Window, cut_threshold: float) -> tuple[list[_Shot], list[_Look]]:
    """Shots of the window, whose images have one size each, and every frame's look, by ordinal."""
    looks: list[_Look] = []

    def seen() -> Iterator[tuple[FrameRecord, av.VideoFrame]]:
        before: NDArray[np.float32] | None = None
        for record, frame in window.frames():
            gray = _gray(frame)
            if before is None or before.shape != gray.shape:
                before = gray
            looks.append(_Look(_detail(gray), float(np.abs(gray - before).mean())))
            before = gray
            yield record, frame

    rules = PlanRules(
        segment_frames=10_000,
        halo_frames=0,
        chain_frames=1,
        calibration_frames=1,
        cut_threshold=cut_threshold,
        span=Span(),
        origin=window.info.start,
        time_base=window.info.video.time_base,
    )
    shots: dict[int, list[FrameRecord]] = {}
    for planned in plan_segments(seen(), rules):
        shots.setdefault(planned.calibration[0].ordinal, []).extend(planned.core)
    if not looks:
        raise InputError(f"{window.info.path}: not a single frame could be decoded")
    return [_Shot(tuple(records), window.is_from_start or first > 0) for first, records in shots.items()], looks


def _locate(info: MediaInfo, shots: Iterable[_Shot], at: int | Fraction) -> tuple[_Shot, int]:
    for shot in shots:
        for record in shot.records:
            if _is_at(info, record, at):
                return shot, record.ordinal
    said = f"frame {at}" if isinstance(at, int) else format_seconds(at)
    raise UsageError(f"{info.path}: {said} lies after the last frame")


def _choose(shots: Sequence[_Shot], looks: Sequence[_Look], needs: Needs, num_frames: int) -> tuple[_Shot, int]:
    """The excerpt with the most detail that moves. Whole ones count more than short ones."""
    best, chosen = -1.0, (shots[0], shots[0].records[0].ordinal)
    for shot in shots:
        first, stop = shot.records[0].ordinal, shot.records[-1].ordinal + 1
        step = needs.chain_frames if shot.begins else _STEP_FRAMES
        for start in range(first, stop, max(1, step)):
            part = looks[start : min(start + num_frames, stop)]
            detail = float(np.mean([look.detail for look in part]))
            change = float(np.mean([look.change for look in part[1:]])) if len(part) > 1 else 0.0
            moves = 0.2 + 0.8 * min(1.0, max(0.0, change - _STILL) / _QUICK)
            score = detail * moves * len(part) / num_frames
            if score > best:
                best, chosen = score, (shot, start)
    return chosen


def _keep(window: _Window, requested: set[int]) -> dict[int, av.VideoFrame]:
    """Copies of the frames with these ordinals, by a second decode of the window."""
    copier, kept = FrameCopier(), dict[int, av.VideoFrame]()
    last = max(requested)
    for record, frame in window.frames():
        if record.ordinal in requested:
            kept[record.ordinal] = copier.copy(frame)
        if record.ordinal == last:
            break
    return kept

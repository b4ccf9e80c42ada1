"""The frames around a time: read by a decode from the start, so that each is exact and known by its place."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from vsr.errors import UsageError
from vsr.media.damage import Damage
from vsr.media.decode import FrameRecord
from vsr.media.grabbing import Grabbed, grab_frames
from vsr.media.probe import MediaInfo
from vsr.registration.cuts import CutDetector
from vsr.timeline import format_seconds

__all__ = ["Place", "Window", "grab", "seconds_of"]

Place = int | Fraction
"""A frame's ordinal, or seconds from the start of the file."""

_SPARE_FRAMES = 4  # read beyond the requested ones: a cut is detected a few frames late
_NEAR_SECONDS = 2


@dataclass(frozen=True)
class Window:
    """The frames near a time that may show the same thing."""

    frames: tuple[Grabbed, ...]
    """Of one shot and one size, in order."""
    reference: int
    """Place among them of the frame that is shown at the time."""
    damage: Damage
    """What the decoder met up to the last frame that was read."""
    notes: tuple[str, ...]
    """What limits the window, in words."""

    @property
    def is_deinterlaced(self) -> bool:
        """Whether any of the frames was interlaced."""
        return any(frame.record.fields != "progressive" for frame in self.frames)


def seconds_of(info: MediaInfo, record: FrameRecord) -> Fraction:
    """The time of a frame, counted from the start of the file."""
    return record.pts * info.video.time_base - info.start


def _rate(info: MediaInfo) -> Fraction:
    return info.video.average_rate or info.video.base_rate or Fraction(25)


def grab(
    info: MediaInfo,
    at: Place,
    candidates: int,
    *,
    threads: int,
    cut_threshold: float,
    on_frame: Callable[[int], None] = lambda ordinal: None,
) -> Window:
    """The ``candidates`` frames nearest to the one that is shown at ``at``, as far as the shot goes.

    The frame shown at a time is the last one that is not later; the first one where all are later. ``on_frame``
    gets the ordinal of every decoded frame. Raises `UsageError` where the video ends before ``at``, `InputError`.
    """
    latest: FrameRecord | None = None

    def is_near(record: FrameRecord) -> bool:
        nonlocal latest
        latest = record
        on_frame(record.ordinal)
        if isinstance(at, int):
            return record.ordinal >= at - candidates - _SPARE_FRAMES
        return seconds_of(info, record) >= at - 2 * candidates / _rate(info) - _NEAR_SECONDS

    damage = Damage()
    found: deque[Grabbed] = deque()
    reference: int | None = None  # place among `found`
    for grabbed in grab_frames(info, threads, damage, is_near, progressive=True):
        if reference is None and found and _is_after(info, grabbed.record, at):
            reference = len(found) - 1
        found.append(grabbed)
        if reference is None and len(found) > candidates + _SPARE_FRAMES:
            found.popleft()
        if reference is not None and len(found) - reference > candidates + _SPARE_FRAMES:
            break
    if reference is None:
        assert latest is not None  # `scan` refuses a source without frames
        _refuse_past_end(info, latest, at)
        reference = len(found) - 1
    return _within_shot(info, [*found], reference, candidates, damage, cut_threshold)


def _is_after(info: MediaInfo, record: FrameRecord, at: Place) -> bool:
    return record.ordinal > at if isinstance(at, int) else seconds_of(info, record) > at


def _refuse_past_end(info: MediaInfo, last: FrameRecord, at: Place) -> None:
    length = last.duration * info.video.time_base if last.duration else 1 / _rate(info)
    past = at > last.ordinal if isinstance(at, int) else at >= seconds_of(info, last) + length
    if past:
        asked = f"frame {at}" if isinstance(at, int) else format_seconds(at)
        raise UsageError(
            f"{asked} is past the end of {info.path}: its last frame is {last.ordinal}, "
            f"at {format_seconds(seconds_of(info, last))}"
        )


def _within_shot(
    info: MediaInfo, found: list[Grabbed], reference: int, candidates: int, damage: Damage, cut_threshold: float
) -> Window:
    """The nearest frames that belong to the shot of the reference."""
    bounds = _shot_bounds(found, cut_threshold)
    first = max((bound for bound in bounds if bound <= reference), default=0)
    stop = min((bound for bound in bounds if bound > reference), default=len(found))
    nearest = sorted(range(first, stop), key=lambda n: (abs(n - reference), n))[:candidates]
    notes = []
    for bound in sorted({first, stop} & set(bounds)):
        if abs(bound - reference) <= candidates // 2:
            record, side = found[bound].record, "from it on" if bound <= reference else "before it"
            changes = record.look != found[bound - 1].record.look
            what = "the image changes its size, format, pixel aspect or colours" if changes else "there is a cut"
            when = format_seconds(seconds_of(info, record))
            notes.append(f"{what} at frame {record.ordinal} ({when}): only frames {side} are used")
    kept = sorted(nearest)
    return Window(tuple(found[n] for n in kept), kept.index(reference), damage, tuple(notes))


def _shot_bounds(found: list[Grabbed], cut_threshold: float) -> list[int]:
    """Places among ``found`` at which another shot, or another size, starts."""
    bounds: set[int] = set()
    detector, base = CutDetector(cut_threshold), 0
    for place, (before, grabbed) in enumerate(pairwise([found[0], *found])):
        if grabbed.record.look != before.record.look:
            bounds.add(place)
            detector, base = CutDetector(cut_threshold), place
        bounds.update(base + cut for cut in detector.push(grabbed.small) if cut > 0)
    return sorted(bounds)

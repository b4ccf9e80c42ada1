"""Frames of several videos brought together by their times, and what a manifest says of two videos.

A frame's time has been rounded to its container's clock, so equal times differ by up to half a tick of each. What has
no partner is counted, and where it lies is kept: nothing is paired by number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeVar

from vsr.errors import VsrError
from vsr.media.images import is_image_sequence
from vsr.media.probe import MediaInfo
from vsr.media.reading import probe, probe_output
from vsr.observation.degradation import DEGRADATIONS
from vsr.pipeline.manifest import load_manifest, manifest_path

__all__ = [
    "Alignment",
    "Stray",
    "Timed",
    "assumed_degradation",
    "clock_offsets",
    "manifest_of",
    "manifest_shift",
    "probe_related",
    "tolerance",
]


def manifest_of(output: Path, source: Path) -> Mapping[str, Any] | None:
    """The manifest of ``output``, if it says that it was made from ``source``; else None."""
    try:
        manifest = load_manifest(output)
        return manifest if Path(manifest["input"]["path"]).samefile(source) else None
    except (VsrError, OSError, KeyError, ValueError, TypeError):
        return None  # no output of ours, or nothing that can be relied on


def probe_related(path: Path, others: Sequence[Path], fps: Fraction | None) -> MediaInfo:
    """What ``path`` holds: of several videos the one that vsr restored, or that one of ``others`` was made from."""
    if manifest_path(path).is_file() and not is_image_sequence(path):
        return probe_output(path)
    made = (manifest_of(other, path) for other in others)
    chosen = next((manifest["settings"].get("video_stream") for manifest in made if manifest is not None), None)
    return probe(path, fps, chosen)


def assumed_degradation(infos: Sequence[MediaInfo]) -> str | None:
    """How the method that made one of the first two videos from the other takes the latter to have come about.

    None where neither was made from the other, or in a way that this version does not know.
    """
    for source, output in ((0, 1), (1, 0)):
        manifest = manifest_of(infos[output].path, infos[source].path)
        if manifest is not None:
            name = manifest.get("method", {}).get("assumed_degradation")
            return name if name in DEGRADATIONS else None
    return None


def manifest_shift(output: Path, source: Path) -> Fraction | None:
    """Seconds to add to the times of ``output`` for those of ``source``, from which its manifest says it was made.

    None where there is no manifest, or where it names another file.
    """
    manifest = manifest_of(output, source)
    try:
        times = manifest["times"] if manifest is not None else {}
        return Fraction(times["shift_seconds"]) - Fraction(times["container_shift_seconds"])
    except (KeyError, ValueError, TypeError):
        return None  # times are compared as they are


def clock_offsets(
    infos: Sequence[MediaInfo], requested: Fraction | Literal["start"] | None
) -> tuple[list[Fraction], list[str]]:
    """Seconds to add to each video's times, and what was done, in words."""
    if requested == "start":
        starts = [(info.video.start_pts or 0) * info.video.time_base for info in infos]
        return [-start for start in starts], ["times count from each video's first frame"]
    offsets = [Fraction(0) for _ in infos]
    if requested is not None:
        offsets[1] = requested
        return offsets, [f"{float(requested):+.6f} s added to the times of B"]
    for source, output, sign in ((0, 1, 1), (1, 0, -1)):
        shift = manifest_shift(infos[output].path, infos[source].path)
        if shift:
            offsets[1] = sign * shift
            return offsets, [f"{float(offsets[1]):+.6f} s added to the times of B, as the manifest says"]
    return offsets, []


class Timed(Protocol):
    """Something with a time."""

    @property
    def seconds(self) -> Fraction:
        """Presentation time."""
        ...


T = TypeVar("T", bound=Timed)


@dataclass
class Stray:
    """Frames of one video that have no partner in some other."""

    count: int = 0
    first: Fraction | None = None
    """Time of the first, by the file's own clock."""
    last: Fraction | None = None

    def add(self, seconds: Fraction) -> None:
        """One more."""
        self.count += 1
        self.first = seconds if self.first is None else self.first
        self.last = seconds


def tolerance(ticks: Sequence[Fraction], rates: Sequence[Fraction | None]) -> Fraction:
    """Seconds by which equal times may differ: half a tick of two clocks, and never a quarter of a frame."""
    coarsest = sum(sorted(ticks)[-2:], Fraction(0)) / 2
    known = [rate for rate in rates if rate]
    return min(coarsest, Fraction(1, 4) / max(known)) if known else coarsest


class Alignment(Generic[T]):
    """Groups of frames, one of each video, that are shown at one time; in order."""

    def __init__(self, streams: Sequence[Iterator[T]], offsets: Sequence[Fraction], within: Fraction) -> None:
        """``offsets`` are added to the times of each stream before they are compared."""
        self._streams, self._offsets, self._within = streams, offsets, within
        self.strays = [Stray() for _ in streams]
        self.counts = [0 for _ in streams]
        """Frames of each, paired or not."""
        self.num_groups = 0
        self.has_ended = False
        """Whether one of the videos has come to its end."""

    def __iter__(self) -> Iterator[tuple[T, ...]]:
        heads = [self._next(index) for index in range(len(self._streams))]
        while any(head is not None for head in heads):
            times = [head.seconds + offset if head else None for head, offset in zip(heads, self._offsets, strict=True)]
            now = min(time for time in times if time is not None)
            present = [index for index, time in enumerate(times) if time is not None and time - now <= self._within]
            if len(present) == len(heads):
                self.num_groups += 1
                yield tuple(head for head in heads if head is not None)
            else:
                for index in present:
                    head = heads[index]
                    assert head is not None
                    self.strays[index].add(head.seconds)
            for index in present:
                heads[index] = self._next(index)

    def _next(self, index: int) -> T | None:
        frame = next(self._streams[index], None)
        if frame is None:
            self.has_ended = True
        else:
            self.counts[index] += 1
        return frame

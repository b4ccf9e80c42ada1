"""From one file's clock to another's: what a manifest says, what the user says, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Literal

from vsr.media.probe import MediaInfo
from vsr.report.comparison.made_from import manifest_of

__all__ = ["clock_offsets", "manifest_shift"]


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
    infos: Sequence[MediaInfo], wanted: Fraction | Literal["start"] | None
) -> tuple[list[Fraction], list[str]]:
    """Seconds to add to each video's times, and what was done, in words."""
    if wanted == "start":
        starts = [(info.video.start_pts or 0) * info.video.time_base for info in infos]
        return [-start for start in starts], ["times count from each video's first frame"]
    offsets = [Fraction(0) for _ in infos]
    if wanted is not None:
        offsets[1] = wanted
        return offsets, [f"{float(wanted):+.6f} s added to the times of B"]
    for source, output, sign in ((0, 1, 1), (1, 0, -1)):
        shift = manifest_shift(infos[output].path, infos[source].path)
        if shift:
            offsets[1] = sign * shift
            return offsets, [f"{float(offsets[1]):+.6f} s added to the times of B, as the manifest says"]
    return offsets, []

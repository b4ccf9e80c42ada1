"""Comparing two videos, with or without the ground truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from vsr.media.probe import MediaInfo
from vsr.report.comparison.alignment import assumed_degradation, clock_offsets, probe_related
from vsr.report.comparison.measure import measure
from vsr.report.comparison.plan import Part, Requested
from vsr.report.comparison.records import Comparison

__all__ = ["compare"]

_NAMES = ("A", "B", "reference")


def compare(
    first: Path,
    second: Path,
    reference: Path | None = None,
    *,
    requested: Requested | None = None,
    fps: Fraction | None = None,
    on_pair: Callable[[int], None] | None = None,
) -> Comparison:
    """Measure two videos against each other, or each against ``reference``.

    Videos of one size are compared sample by sample. Where one is larger by one factor in both directions, it is made
    small again and compared with the smaller one (LR-PSNR); if its manifest says that it was made from that one, also
    in the way that its method assumes. Against a reference the smaller one is enlarged by bicubic.
    ``fps`` is the rate of images that do not tell theirs. Raises `UsageError` for videos that cannot be compared
    (other shapes, hardly any common times), `InputError` for what is not a video, `MachineError` where VMAF is
    requested and is not here.
    """
    paths = [first, second, *([reference] if reference is not None else [])]
    infos = _probe_all(paths, fps)
    options = requested or Requested()
    if options.degradation is None:
        options = replace(options, degradation=assumed_degradation(infos))
    offsets, notes = clock_offsets(infos, options.offset)
    parts = [Part(*each) for each in zip(_NAMES, infos, offsets, strict=False)]
    return measure(parts, options, notes=notes, on_pair=on_pair)


def _probe_all(paths: Sequence[Path], fps: Fraction | None) -> list[MediaInfo]:
    """Side by side: each decodes its first frames. Of several that cannot be read, the first is reported."""
    with ThreadPoolExecutor(len(paths), "probe") as pool:
        return list(pool.map(lambda path: probe_related(path, paths, fps), paths))

"""Making videos small, so that they can be enlarged again as well as may be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from vsr.api.arguments import PathLike
from vsr.api.upscaling import upscale
from vsr.errors import UsageError
from vsr.methods import ALONE, METHODS, find_method, is_network
from vsr.networks import network_family
from vsr.pipeline.executor import Executor
from vsr.pipeline.progress import OnProgress
from vsr.pipeline.request import Outcome

__all__ = ["downscale", "downscaling_settings"]

_USUAL = "rescale"
_MOST = 16
_INTERPOLATIONS = tuple(name for name, row in METHODS.items() if row.evidence == "interpolation" and name != ALONE)


def downscaling_settings(
    scale: float = 2.0, method: str = _USUAL, settings: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The settings of a run that makes frames ``scale`` times smaller by ``method``. Raises `UsageError`."""
    given = dict(settings or {})
    for key in ("scale", "size", "height", "to", "method"):
        if key in given:
            raise UsageError(f"{key} is not a setting of downscaling: give scale, how many times smaller, and method")
    if not 1 < scale <= _MOST:
        raise UsageError(f"scale {scale:g} makes nothing smaller; allowed are numbers above 1, to {_MOST}")
    find_method(method)  # refuses what is neither a name nor a file
    is_pair = method not in METHODS and is_network(method) and network_family(method) == "rescaling"
    if not is_pair and method not in _INTERPOLATIONS:
        known = ", ".join(_INTERPOLATIONS)
        raise UsageError(f"{method} only enlarges; what makes small: {_USUAL}, files of such pairs, {known}")
    return {**given, "method": method, "scale": float(1 / Fraction(scale).limit_denominator(1000))}


def downscale(
    inputs: PathLike | Sequence[PathLike],
    output: PathLike,
    *,
    scale: float = 2.0,
    method: str = _USUAL,
    preset: str = "default",
    start: str | int | Fraction | None = None,
    end: str | int | Fraction | None = None,
    overwrite: bool = False,
    work_dir: PathLike | None = None,
    on_progress: OnProgress | None = None,
    workers: int | None = None,
    executor: Executor | None = None,
    recursive: bool = False,
    settings: Mapping[str, Any] | None = None,
) -> list[Outcome]:
    """Make one video or several ``scale`` times smaller; `vsr.upscale` takes what comes out back.

    Args:
        scale: how many times smaller; both sides must be multiples of it where a pair of networks does it.
        method: ``rescale``, a file of such a pair, or interpolation: ``bicubic``, ``lanczos``
        inputs, output, preset, start, end, overwrite, work_dir, on_progress, workers, executor, recursive, settings: as
            for `vsr.upscale`.

    Returns what `vsr.upscale` does. The small file carries the pair's name and the digest of its weights, by which
    `vsr.upscale` finds it. The example makes a small file and enlarges it again::

        vsr.downscale("clip.mp4", "small.mp4")
        vsr.upscale("small.mp4", "again.mp4")
    """
    return upscale(
        inputs,
        output,
        preset=preset,
        start=start,
        end=end,
        overwrite=overwrite,
        work_dir=work_dir,
        on_progress=on_progress,
        workers=workers,
        executor=executor,
        recursive=recursive,
        settings=downscaling_settings(scale, method, settings),
    )

"""Any method's frames with how well they agree with the input added to their findings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from vsr.frames import VideoFrame
from vsr.restorers.consistency import Consistency
from vsr.restorers.method import Adaptation, Evidence, Geometry, Prepared, Restorer

__all__ = ["assumed_degradation", "consistency_of", "watched"]

_EVERY: Mapping[Evidence, int] = MappingProxyType(
    {"learned": 1, "generative": 1, "observation-model": 8, "interpolation": 24}
)
"""Which frames are compared, counted by ordinal: where a frame is soon made, the comparison would take longer."""


def assumed_degradation(options: Any) -> str:
    """How inputs are taken to have come about by a method with ``options``; bicubic where it assumes nothing."""
    return str(getattr(options, "assumed_degradation", "BI"))


def consistency_of(geometry: Geometry, options: Any) -> Consistency:
    """The comparison for a method with ``options``."""
    return Consistency(geometry, assumed_degradation(options), getattr(options, "noise_sigma", None))


def watched(
    prepared: Prepared[Any],
    restorer: Restorer,
    frames: Iterable[VideoFrame],
    adaptation: Adaptation,
    geometry: Geometry,
) -> Iterator[VideoFrame]:
    """What ``restorer`` makes of ``frames``, some with how well they agree with the input among their findings."""
    consistency = consistency_of(geometry, prepared.options).adapted(adaptation)
    if not consistency.applies:
        yield from restorer.restore(frames, adaptation)
        return
    every = _EVERY[prepared.capabilities.evidence]
    waiting: dict[tuple[int, int], VideoFrame] = {}

    def seen() -> Iterator[VideoFrame]:
        for frame in frames:
            if not frame.is_halo and frame.ordinal % every == 0:
                waiting[frame.ordinal, frame.pts] = frame
            yield frame

    restored = restorer.restore(seen(), adaptation)
    try:
        for result in restored:
            frame = waiting.pop((result.ordinal, result.pts), None)
            if frame is not None:
                agreement = consistency.measure(frame, result.planes)
                result = replace(result, findings={**result.findings, **agreement.findings()})
            yield result
            del frame, result  # they may be large, and the next one is made before these names are used again
    finally:
        close = getattr(restored, "close", None)
        if close is not None:
            close()

"""How far two images or two videos of one size are apart, in code values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsr.media.damage import Damage
from vsr.media.planes import planes_of
from vsr.media.reading import probe_output, scan

__all__ = ["Difference", "between_planes", "between_videos", "describe_elsewhere", "meaning"]

Planes = Sequence[NDArray[np.generic]]


@dataclass(frozen=True)
class Difference:
    """The largest difference between samples at one place."""

    largest: float
    """Code values; infinite where sizes, formats or lengths differ."""
    num_samples: int
    """Samples that differ."""
    frame: int | None = None
    """Of a video: the first frame that holds the largest."""

    def __str__(self) -> str:
        if self.largest == float("inf"):
            return "another size, format or length"
        if not self.num_samples:
            return "identical samples"
        where = "" if self.frame is None else f" (frame {self.frame})"
        unit = "code value" if self.largest == 1 else "code values"
        return f"largest difference {self.largest:g} {unit}{where}, in {self.num_samples} samples"

    @property
    def is_rounding(self) -> bool:
        """Whether it is no more than one code value: what another order of rounding can do."""
        return self.largest <= 1.0


def between_planes(first: Planes, second: Planes) -> Difference:
    """Between two images of the same layout."""
    if [(p.shape, p.dtype) for p in first] != [(p.shape, p.dtype) for p in second]:
        return Difference(float("inf"), 0)
    largest, count = 0.0, 0
    for one, other in zip(first, second, strict=True):
        apart = np.abs(one.astype(np.float64) - other.astype(np.float64))
        largest = max(largest, float(apart.max(initial=0.0)))
        count += int(np.count_nonzero(apart))
    return Difference(largest, count)


def between_videos(first: Path, second: Path) -> Difference:
    """Between the decoded frames of two outputs, videos or image sequences."""
    largest, count, frame = 0.0, 0, None
    sources = (scan(probe_output(path), 1, Damage()) for path in (first, second))
    for number, (one, other) in enumerate(zip_longest(*sources)):
        if one is None or other is None:
            return Difference(float("inf"), count, number)
        apart = between_planes(planes_of(one[1]), planes_of(other[1]))
        if apart.largest > largest:
            largest, frame = apart.largest, number
        count += apart.num_samples
        if largest == float("inf"):
            break
    return Difference(largest, count, frame)


def describe_elsewhere(record: Mapping[str, Any], device: str, versions: Mapping[str, str]) -> str:
    """How a processor and programs differ from those of a record or manifest; empty where they do not."""
    differences = [] if device == record["device"] else [f"processor {record['device']}, here {device}"]
    differences += [
        f"{name} {said}, here {versions[name]}"
        for name, said in record["versions"].items()
        if name in versions and versions[name] != said
    ]
    return f" (made on another kind of machine: {'; '.join(differences)})" if differences else ""


def meaning(*, is_rounding: bool, elsewhere: str) -> str:
    """What it means that an output made again differs, and whether to worry; ``elsewhere`` as `describe_elsewhere`."""
    if is_rounding and elsewhere:
        return "; that is rounding, as expected there: nothing to worry about"
    if is_rounding:
        return "; that is no more than rounding, but the same processor and programs make the same bytes: find out why"
    if elsewhere:
        return "; that is more than rounding: do not take it for the recorded result before it is made again there"
    return "; that is more than rounding: this output is not what its record says was made"

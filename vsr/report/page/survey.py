"""The first pass over output and input: how they agree frame by frame, and where shots begin."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from vsr.media.luma import LumaFrame
from vsr.media.probe import MediaInfo
from vsr.registration.cuts import CutDetector
from vsr.report.comparison import Comparison, Curve, Part, Requested, measure
from vsr.report.page.records import Pair

__all__ = ["Survey", "survey"]


@dataclass(frozen=True)
class Survey:
    """What the pass found."""

    comparison: Comparison
    """A is the input, B the output; with the output alone there is only B."""
    pairs: Sequence[Pair]
    """Every frame that can be shown, in order."""
    cuts: Sequence[int]
    """Places in ``pairs`` where a new shot begins."""

    def agreement(self) -> Curve | None:
        """How well the output agrees with the input: by the method's model, else by bicubic, else sample by sample."""
        names = ("model_lr_psnr", "lr_psnr", "psnr")
        return next((curve for name in names if (curve := self.comparison.curve(name)) is not None), None)

    def agreement_of(self, pair: Pair) -> float | None:
        """`agreement` of a frame that can be shown, where it was measured and is finite."""
        value = self.consistency().get(self.pairs.index(pair))
        return value if value is not None and math.isfinite(value) else None

    def consistency(self) -> dict[int, float]:
        """`agreement` by place in ``pairs``, where it was measured."""
        curve = self.agreement()
        if curve is None or self.pairs[0].input is None:
            return {}
        every = self.comparison.every
        return {every * index: value for index, value in enumerate(curve.values) if value is not None}


@dataclass
class _Watcher:
    """Keeps what is needed of every group of frames."""

    output: int
    """Place of the output among the parts."""
    input: int | None
    detector: CutDetector
    pairs: list[Pair] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)

    def see(self, group: Sequence[LumaFrame]) -> None:
        """One more group."""
        frame = group[self.output]
        source = None if self.input is None else group[self.input].ordinal
        self.pairs.append(Pair(frame.ordinal, source, frame.seconds))
        assert frame.thumbnail is not None
        self.cuts += [cut for cut in self.detector.push(frame.thumbnail) if cut > 0]


def survey(
    output: MediaInfo,
    source: MediaInfo | None,
    reference: MediaInfo | None,
    *,
    shift: Fraction,
    every: int,
    cut_threshold: float,
    degradation: str | None,
    on_pair: Callable[[int], None] | None,
) -> Survey:
    """Decode everything once. ``shift`` is added to the output's times for those of the input.

    ``degradation``: how the method takes the input to have come about.
    """
    parts = [Part("B", output, shift if source is not None else Fraction(0), thumbnails=True, called="the output")]
    if source is not None:
        parts.insert(0, Part("A", source, called="the input"))
    if reference is not None:
        parts.append(Part("reference", reference, shift if source is not None else Fraction(0), called="the reference"))
    place = 1 if source is not None else 0
    watcher = _Watcher(place, 0 if source is not None else None, CutDetector(cut_threshold))
    comparison = measure(
        parts, Requested(every=every, degradation=degradation, one_shape=False), on_pair=on_pair, watch=watcher.see
    )
    return Survey(comparison, watcher.pairs, watcher.cuts)

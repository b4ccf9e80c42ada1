"""What to measure of which videos: the meters that a comparison needs, and feeding them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from vsr.errors import UsageError
from vsr.media.luma import LumaCode, LumaFrame
from vsr.media.probe import MediaInfo
from vsr.media.vmaf import VmafRun
from vsr.observation.degradation import DEGRADATIONS
from vsr.report.comparison.measures import Luma, PairMeter, RecordingMeter, SharpnessMeter, enlarged
from vsr.report.comparison.records import Curve

__all__ = ["Part", "Plan", "Requested"]


@dataclass(frozen=True)
class Part:
    """One of the videos."""

    name: str
    """``A``, ``B`` or ``reference``."""
    info: MediaInfo
    offset: Fraction = Fraction(0)
    """Seconds added to its times."""
    thumbnails: bool = False
    """Whether its frames come with small images for finding cuts."""
    called: str = ""
    """What notes call it; by default its name."""

    @property
    def label(self) -> str:
        """What notes call it."""
        return self.called or self.name


@dataclass(frozen=True)
class Requested:
    """What to measure, and of which frames."""

    every: int = 1
    """Measure one in so many of the frames that all videos have."""
    vmaf: bool = False
    exact: bool = False
    """Of large images too, every window and every row counts."""
    offset: Fraction | Literal["start"] | None = None
    """Seconds added to B's times; ``start``: every video counts from its first frame; None: what B's manifest says."""

    degradation: str | None = None
    """How the smaller video is taken to have come about: LR-PSNR by that row of `vsr.observation.DEGRADATIONS`, too."""
    one_shape: bool = True
    """Refuse videos unless one is an enlargement of the other; else they are paired, and not measured as pairs."""

    def __post_init__(self) -> None:
        if self.every < 1:
            raise UsageError(f"--every counts from 1, got {self.every}")
        if self.degradation is not None and self.degradation not in DEGRADATIONS:
            raise UsageError(f"no degradation {self.degradation!r}; there are {', '.join(DEGRADATIONS)}")


class Plan:
    """The meters for one video, two, or two and a reference. A context manager, for the sake of VMAF's program.

    One alone gives sharpness. A and B are measured against each other, or against the reference where there is one;
    where A and B differ in size, the larger one also against the smaller one, as its recording.
    """

    def __init__(self, parts: Sequence[Part], code: LumaCode, requested: Requested) -> None:
        """``parts``: one to three of ``A``, ``B``, ``reference``, in this order.

        Raises `UsageError` where sizes do not fit each other, unless ``requested.one_shape`` is False.
        """
        self._peak = code.peak
        self._parts = parts
        self._infos = [part.info for part in parts]
        self._keys = [part.name.lower() for part in parts]
        self._sizes = [(info.video.height, info.video.width) for info in self._infos]
        self._stack = ExitStack()
        self.notes: list[str] = []
        self._requested = requested
        widest = max(width for _, width in self._sizes)
        self._sharpness = [
            (index, SharpnessMeter(self._keys[index], self._peak, width / widest, exact=requested.exact))
            for index, (height, width) in enumerate(self._sizes)
            if min(height, width) > 1
        ]
        self._recording = self._recording_meter()
        self._pairs = [
            (test, reference, PairMeter(about, *self._sizes[reference], self._peak, exact=requested.exact))
            for test, reference, about in self._requested_pairs()
        ]
        if requested.vmaf and not self._pairs:
            raise UsageError("--vmaf needs videos of one size, or a --reference of the larger size")
        self._vmaf_depth = code.bit_depth if requested.vmaf else None
        self._vmaf: list[tuple[int, int, str, VmafRun]] = []

    def __enter__(self) -> Plan:
        with ExitStack() as stack:
            if self._vmaf_depth is not None:
                for test, reference, meter in self._pairs:
                    height, width = self._sizes[reference]
                    run = VmafRun(width, height, self._vmaf_depth, threads=len(os.sched_getaffinity(0)))
                    self._vmaf.append((test, reference, meter.about, stack.enter_context(run)))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _recording_meter(self) -> tuple[int, int, RecordingMeter] | None:
        """For the larger and the smaller one of A and B."""
        if len(self._sizes) < 2 or self._sizes[0] == self._sizes[1]:
            return None
        small, large = sorted((0, 1), key=lambda index: self._sizes[index])
        if not self._fits(small, large):
            return None
        sizes = self._sizes[large], self._sizes[small]
        return large, small, RecordingMeter("", self._peak, *sizes, self._requested.degradation)

    def _requested_pairs(self) -> list[tuple[int, int, str]]:
        """Test, reference and whom the curve is about."""
        if len(self._sizes) < 3:
            return [(1, 0, "")] if len(self._sizes) == 2 and self._sizes[0] == self._sizes[1] else []
        pairs = []
        for index in (0, 1):
            if not self._fits(index, 2):
                continue
            pairs.append((index, 2, self._keys[index]))
            if self._sizes[index] != self._sizes[2]:
                self.notes.append(f"{self._parts[index].label} is enlarged by bicubic to the size of the reference")
        return pairs

    def _fits(self, small: int, large: int) -> bool:
        """Whether one is an enlargement of the other, to within rounding; refuses or notes where it is not."""
        (a_height, a_width), (b_height, b_width) = self._sizes[small], self._sizes[large]
        drift = abs(a_width * b_height - a_height * b_width)
        if a_width <= b_width and a_height <= b_height and drift <= max(b_width, b_height):
            return True
        what = (
            f"{self._infos[small].path.name} is {a_width}x{a_height} and {self._infos[large].path.name} "
            f"{b_width}x{b_height}: neither one size nor one shape, so their images cannot be compared"
        )
        if self._requested.one_shape:
            raise UsageError(what)
        self.notes.append(what)
        return False

    @property
    def ssim_grid(self) -> tuple[int, int] | None:
        """Of SSIM's windows."""
        return self._pairs[0][2].grid if self._pairs else None

    def add(self, group: Sequence[LumaFrame]) -> None:
        """Measure one frame of each video."""
        lumas = [frame.luma for frame in group]
        for index, sharpness in self._sharpness:
            sharpness.add(lumas[index])
        if self._recording is not None:
            large, small, recording = self._recording
            recording.add(lumas[large], lumas[small])
        fitted = {test: self._fit(lumas[test], reference) for test, reference, _ in self._pairs}
        for test, reference, pair in self._pairs:
            pair.add(*_one_type(fitted[test], lumas[reference]))
        for test, reference, _, run in self._vmaf:
            run.push(fitted[test], lumas[reference])

    def _fit(self, luma: Luma, reference: int) -> Luma:
        height, width = self._sizes[reference]
        return luma if luma.shape == (height, width) else enlarged(luma, height, width, self._peak)

    def finish(self) -> list[Curve]:
        """All curves."""
        curves = [curve for _, _, pair in self._pairs for curve in pair.curves()]
        if self._recording is not None:
            curves += self._recording[2].curves()
        for _, _, about, run in self._vmaf:
            scores = run.finish()
            curves.append(Curve("vmaf", about, [score.vmaf for score in scores]))
            curves.append(Curve("vmaf_neg", about, [score.vmaf_neg for score in scores]))
        return curves + [curve for _, meter in self._sharpness for curve in meter.curves()]


def _one_type(test: Luma, reference: Luma) -> tuple[Luma, Luma]:
    """Both as they are where their types agree, else as floats."""
    if test.dtype == reference.dtype:
        return test, reference
    return test.astype("float32"), reference.astype("float32")

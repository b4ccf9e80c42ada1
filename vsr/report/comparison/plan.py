"""Which meters a comparison needs, and feeding them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack

from vsr.errors import UsageError
from vsr.media.luma import LumaCode, LumaFrame
from vsr.media.probe import MediaInfo
from vsr.media.vmaf import VmafRun
from vsr.report.comparison.measures import Luma, PairMeter, RecordingMeter, SharpnessMeter, enlarged
from vsr.report.comparison.records import Curve

__all__ = ["Plan"]


class Plan:
    """The meters for two videos and perhaps the truth. A context manager, for the sake of VMAF's program."""

    def __init__(self, infos: Sequence[MediaInfo], code: LumaCode, with_vmaf: bool, exact: bool) -> None:
        """Raises `UsageError` where sizes do not fit each other."""
        self._peak = code.peak
        self._sizes = [(info.video.height, info.video.width) for info in infos]
        self._stack = ExitStack()
        self.notes: list[str] = []
        self._sharpness = [
            SharpnessMeter(name, code.peak, width / max(size[1] for size in self._sizes), exact=exact)
            for name, (_, width) in zip(("a", "b", "reference"), self._sizes, strict=False)
            if min(self._sizes[0]) > 1
        ]
        self._pairs: list[tuple[int, int, PairMeter]] = []
        self._recording: tuple[int, int, RecordingMeter] | None = None
        self._vmaf: list[tuple[int, int, str, VmafRun]] = []
        self._choose(infos, exact)
        if with_vmaf:
            self._add_vmaf(code)

    def __enter__(self) -> Plan:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _choose(self, infos: Sequence[MediaInfo], exact: bool) -> None:
        first, second = self._sizes[:2]
        if first != second:
            small, large = sorted((0, 1), key=lambda index: self._sizes[index])
            _check_shapes(infos[small], infos[large])
            self._recording = (large, small, RecordingMeter("", self._peak))
        if len(self._sizes) == 2:
            if first == second:
                self._pairs = [(1, 0, PairMeter("", *second, self._peak, exact=exact))]
            return
        for index, name in enumerate(("a", "b")):
            if self._sizes[index] != self._sizes[2]:
                _check_shapes(infos[index], infos[2])
                self.notes.append(f"{name.upper()} is enlarged by bicubic to the size of the reference")
            meter = PairMeter(name, *self._sizes[2], self._peak, exact=exact)
            self._pairs.append((index, 2, meter))

    def _add_vmaf(self, code: LumaCode) -> None:
        if not self._pairs:
            raise UsageError("--vmaf needs videos of one size, or a --reference of the larger size")
        for test, truth, _ in self._pairs:
            height, width = self._sizes[truth]
            run = VmafRun(width, height, code.bit_depth, threads=len(os.sched_getaffinity(0)))
            about = ("a", "b")[test] if len(self._sizes) > 2 else ""
            self._vmaf.append((test, truth, about, self._stack.enter_context(run)))

    @property
    def ssim_grid(self) -> tuple[int, int] | None:
        """Of SSIM's windows."""
        return self._pairs[0][2].grid if self._pairs else None

    def add(self, group: Sequence[LumaFrame]) -> None:
        """Measure one frame of each video."""
        lumas = [frame.luma for frame in group]
        for meter, luma in zip(self._sharpness, lumas, strict=False):
            meter.add(luma)
        if self._recording is not None:
            large, small, recording = self._recording
            recording.add(lumas[large], lumas[small])
        fitted = {index: self._fitted(lumas[index], truth) for index, truth, _ in self._pairs}
        for test, truth, pair in self._pairs:
            pair.add(*_one_type(fitted[test], lumas[truth]))
        for test, truth, _, run in self._vmaf:
            run.push(fitted[test], lumas[truth])

    def _fitted(self, luma: Luma, truth: int) -> Luma:
        height, width = self._sizes[truth]
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
        return curves + [curve for meter in self._sharpness for curve in meter.curves()]


def _one_type(test: Luma, truth: Luma) -> tuple[Luma, Luma]:
    """Both as they are where their types agree, else as floats."""
    if test.dtype == truth.dtype:
        return test, truth
    return test.astype("float32"), truth.astype("float32")


def _check_shapes(small: MediaInfo, large: MediaInfo) -> None:
    """Refuse sizes of which one is no enlargement of the other, to within rounding."""
    a, b = small.video, large.video
    drift = abs(a.width * b.height - a.height * b.width)
    if a.width > b.width or a.height > b.height or drift > max(b.width, b.height):
        raise UsageError(
            f"{small.path.name} is {a.width}x{a.height} and {large.path.name} {b.width}x{b.height}: neither one size "
            "nor one shape, so their pictures cannot be compared"
        )

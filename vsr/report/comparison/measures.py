"""Meters: each is fed images in the order of time, and keeps a curve for everything it measures."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vsr.metrics.sampled_ssim import SampledSsim
from vsr.metrics.sums import energy, errors, psnr_from_sum, rms_slope, sum_of_squares
from vsr.observation.bands import BandedAxes
from vsr.observation.recording import Recording
from vsr.observation.resample import resample
from vsr.report.comparison.records import Curve

__all__ = ["PairMeter", "RecordingMeter", "SharpnessMeter", "enlarged"]

Luma = NDArray[Any]
Size = tuple[int, int]


_SMALLEST_FOR_SSIM = 11
_LARGE_PIXELS = 1_000_000
_ROW_STEP = 4  # of large images, where a quarter of the rows tells as much


def _row_step(num_pixels: int, exact: bool) -> int:
    return _ROW_STEP if num_pixels > _LARGE_PIXELS and not exact else 1


class _PsnrTrack:
    """PSNR frame by frame, and of all frames together."""

    def __init__(self, metric: str, about: str, peak: float) -> None:
        self._metric, self._about, self._peak = metric, about, peak
        self._values: list[float | None] = []
        self._total, self._samples = 0.0, 0

    def add(self, total: float, num_samples: int) -> None:
        """The sum of squared errors of the next frame."""
        self._total += total
        self._samples += num_samples
        self._values.append(psnr_from_sum(total, num_samples, self._peak))

    def skip(self) -> None:
        """The next frame has none."""
        self._values.append(None)

    def curve(self) -> Curve:
        """All values."""
        pooled = psnr_from_sum(self._total, self._samples, self._peak) if self._samples else None
        return Curve(self._metric, self._about, self._values, pooled)


class _ChangeTrack:
    """PSNR of the change from frame to frame, computed from the errors of frames."""

    def __init__(self, metric: str, about: str, peak: float) -> None:
        self._track = _PsnrTrack(metric, about, peak)
        self._before: Luma | None = None

    def add(self, error: Luma) -> None:
        """The error of the next frame, ``(H, W)``."""
        if self._before is None:
            self._track.skip()
        else:
            self._track.add(sum_of_squares(error, self._before), error.size)
        self._before = error

    def curve(self) -> Curve:
        """All values; the first frame has none."""
        return self._track.curve()


class PairMeter:
    """A video against another of the same size: PSNR, SSIM, and PSNR of the change over time."""

    def __init__(self, about: str, height: int, width: int, peak: float, *, exact: bool) -> None:
        """``exact``: large images are not sampled."""
        self.about = about
        self._level = _PsnrTrack("psnr", about, peak)
        self._change = _ChangeTrack("temporal_psnr", about, peak)
        self._row_step = _row_step(height * width, exact)
        is_enough = min(height, width) >= _SMALLEST_FOR_SSIM
        self._ssim = SampledSsim(height, width, peak, grid=(1, 1) if exact else None) if is_enough else None
        self._similarities: list[float | None] = []

    @property
    def grid(self) -> tuple[int, int] | None:
        """Of SSIM's windows; None where the images are too small for one."""
        return self._ssim.grid if self._ssim else None

    def add(self, test: Luma, reference: Luma) -> None:
        """The next pair, of one shape and type."""
        self._level.add(sum_of_squares(test, reference), test.size)
        self._change.add(errors(test[:: self._row_step], reference[:: self._row_step]))
        number = len(self._similarities)
        self._similarities.append(self._ssim(test, reference, number) if self._ssim else None)

    def curves(self) -> list[Curve]:
        """PSNR, SSIM, temporal PSNR."""
        return [self._level.curve(), Curve("ssim", self.about, self._similarities), self._change.curve()]


class RecordingMeter:
    """A restored video against its recording of smaller size: does it, degraded again, equal the recording?

    `vsr.metrics.lr_psnr` with `vsr.observation.Recording`, unrounded, as a manifest's ``lr_psnr_db``; that one is taken
    of what the method gives, this one of what was stored.
    """

    def __init__(self, about: str, peak: float, large: Size, small: Size, assumed: str | None = None) -> None:
        """Sizes are ``(H, W)``. ``assumed``: a degradation other than BI, for LR-PSNR through it, too."""
        self._level = _PsnrTrack("lr_psnr", about, peak)
        self._change = _ChangeTrack("lr_temporal_psnr", about, peak)
        self._bicubic = _recording(large, small, "BI")
        self._assumed = _recording(large, small, assumed) if assumed not in (None, "BI") else None
        self._by_model = _PsnrTrack("model_lr_psnr", about, peak)
        self._large = np.empty(large, np.float32)

    def add(self, restored: Luma, recorded: Luma) -> None:
        """The next pair."""
        np.copyto(self._large, restored)
        large, small = torch.from_numpy(self._large), recorded.astype(np.float32, copy=False)
        error = self._bicubic(large).numpy() - small
        self._level.add(energy(error), error.size)
        self._change.add(error)
        if self._assumed is not None:
            self._by_model.add(energy(self._assumed(large).numpy() - small), error.size)

    def curves(self) -> list[Curve]:
        """LR-PSNR by the model, if it is another one than bicubic; LR-PSNR and LR temporal PSNR."""
        own = [self._by_model.curve()] if self._assumed is not None else []
        return [*own, self._level.curve(), self._change.curve()]


def _recording(large: Size, small: Size, name: str | None) -> BandedAxes:
    return Recording(large, small, name or "BI", (large[0] / small[0], large[1] / small[1])).banded()


class SharpnessMeter:
    """How steep a video is, by itself."""

    def __init__(self, about: str, peak: float, relative_width: float, *, exact: bool) -> None:
        """``relative_width``: the video's width over that of the largest one; slopes are those at the latter's size."""
        self._about, self._peak, self._factor, self._exact = about, peak, relative_width, exact
        self._values: list[float | None] = []

    def add(self, luma: Luma) -> None:
        """The next image, at least 2×2."""
        step = _row_step(luma.size, self._exact)
        self._values.append(rms_slope(luma, self._peak, row_step=step) * self._factor)

    def curves(self) -> list[Curve]:
        """Sharpness."""
        return [Curve("sharpness", self._about, self._values)]


def _as_float(luma: Luma) -> torch.Tensor:
    return torch.from_numpy(luma.astype(np.float32, copy=False))


def enlarged(luma: Luma, height: int, width: int, peak: float) -> Luma:
    """``luma`` at another size by Keys' cubic, rounded and clipped to codes as an enlarged file would be."""
    larger: Luma = resample(_as_float(luma), (height, width), kernel="bicubic").numpy()
    if luma.dtype.kind == "f":
        return larger
    codes: Luma = np.clip(np.rint(larger), 0, math.floor(peak)).astype(luma.dtype)
    return codes

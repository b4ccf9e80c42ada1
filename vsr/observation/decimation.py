"""From the grid of the sought image to the grid of the recorded one, as linear operators.

`Decimation` only takes samples (blur first); `Antialiased` is the whole of ``imresize``, its own blur within.
Both mirror the image about its edge, as often as a tiny image needs.
"""

from __future__ import annotations

import math
from fractions import Fraction

import torch
from torch import Tensor

from vsr.observation.axes import AxisMap, apply_axes, apply_axes_adjoint
from vsr.observation.operator import check_image
from vsr.observation.resample import KERNELS, Kernel, axis_taps, resample

__all__ = ["Antialiased", "Decimation", "decimated_size"]

_ROUNDING = 1e-9  # a place this near to a pixel is on it, and a size this near to a whole number is whole


def _scales(scale_yx: tuple[float | Fraction, float | Fraction]) -> tuple[float, float]:
    y, x = float(scale_yx[0]), float(scale_yx[1])
    if not (math.isfinite(y) and math.isfinite(x) and min(y, x) > 0):
        raise ValueError(f"scales must be positive and finite, got {scale_yx[0]} and {scale_yx[1]}")
    return y, x


def decimated_size(size_yx: tuple[int, int], scale_yx: tuple[float | Fraction, float | Fraction]) -> tuple[int, int]:
    """Low-resolution size of an image: its size over the scale, rounded up, as ``[::s]`` and ``imresize`` do."""
    height, width = (math.ceil(n / s - _ROUNDING) for n, s in zip(size_yx, _scales(scale_yx), strict=True))
    return max(1, height), max(1, width)


def _sample_axis(in_size: int, out_size: int, scale: float, offset: float) -> AxisMap:
    place = (torch.arange(out_size, dtype=torch.float64) + 0.5) * scale - 0.5 + offset
    place = torch.where((place - place.round()).abs() < _ROUNDING, place.round(), place)
    function, _ = KERNELS["bicubic"]
    source = place.floor().to(torch.int64) + torch.arange(-1, 3)[:, None]
    weights = function(place - source)
    used = (weights != 0).any(1)
    folded = torch.remainder(source, 2 * in_size)
    return AxisMap(in_size, torch.minimum(folded, 2 * in_size - 1 - folded)[used], weights[used])


class Decimation:
    """Takes the samples of a low-resolution grid from ``(..., H, W)`` float32 or float64 images.

    ``scale_yx`` is high-resolution (HR) pixels per low-resolution (LR) pixel: an int, a Fraction or a ratio of
    sizes. LR sample j sits at HR pixel index ``(j + 0.5)·s − 0.5 + offset``. ``offset_yx`` is in HR pixels:
    0 is the project's convention, the centre of the sample's block; ``−(s − 1)/2`` is phase 0, ``[::s]``.

    A sample that sits on a pixel is that pixel, exactly; between pixels Keys' cubic (a = −0.5) interpolates.
    No antialiasing. The result is ``(..., h, w)``, of `decimated_size` unless ``out_size_yx`` is given.
    """

    def __init__(
        self,
        size_yx: tuple[int, int],
        scale_yx: tuple[float | Fraction, float | Fraction],
        *,
        offset_yx: tuple[float, float] = (0.0, 0.0),
        out_size_yx: tuple[int, int] | None = None,
    ) -> None:
        scales = _scales(scale_yx)
        self._size = size_yx
        self.out_size_yx = out_size_yx or decimated_size(size_yx, scale_yx)
        """Size ``(h, w)`` of the result."""
        if min(*size_yx, *self.out_size_yx) < 1:
            raise ValueError(f"cannot decimate {size_yx} to {self.out_size_yx}: sizes must be positive")
        if not all(math.isfinite(offset) for offset in offset_yx):
            raise ValueError(f"offsets must be finite, got {offset_yx}")
        self._down, self._across = (
            _sample_axis(*axis) for axis in zip(size_yx, self.out_size_yx, scales, offset_yx, strict=True)
        )

    def A(self, image: Tensor) -> Tensor:  # noqa: N802
        """The samples, ``(..., h, w)``, of an image ``(..., H, W)``."""
        check_image(image, self._size)
        return apply_axes(image, self._down, self._across)

    def A_adjoint(self, image: Tensor) -> Tensor:  # noqa: N802
        """The transpose of `A`: ``(..., h, w)`` spread onto ``(..., H, W)``, zeros between."""
        check_image(image, self.out_size_yx)
        return apply_axes_adjoint(image, self._down, self._across)


class Antialiased:
    """`resample` as an operator: ``(..., *size_in)`` to ``(..., *size_out)``, float32 or float64.

    With ``bicubic`` and a smaller ``size_out`` it is MATLAB's ``imresize``, the literature's 'BI' degradation.
    ``scale_yx`` is output samples per input sample, by default the ratio of the sizes.
    """

    def __init__(
        self,
        size_in: tuple[int, int],
        size_out: tuple[int, int],
        kernel: Kernel = "bicubic",
        *,
        scale_yx: tuple[float, float] | None = None,
    ) -> None:
        if min(*size_in, *size_out) < 1:
            raise ValueError(f"cannot resample {size_in} to {size_out}: sizes must be positive")
        if kernel not in KERNELS:
            raise ValueError(f"kernel must be one of {', '.join(KERNELS)}, got {kernel!r}")
        self._size, self.out_size_yx, self._kernel = size_in, size_out, kernel
        self._scale = _scales(scale_yx or (size_out[0] / size_in[0], size_out[1] / size_in[1]))
        self._down, self._across = (
            AxisMap(n_in, *axis_taps(n_in, n_out, kernel, scale, 0.0))
            for n_in, n_out, scale in zip(size_in, size_out, self._scale, strict=True)
        )

    def A(self, image: Tensor) -> Tensor:  # noqa: N802
        """The resampled image, ``(..., *size_out)``; the very values of `resample`."""
        check_image(image, self._size)
        return resample(image, self.out_size_yx, kernel=self._kernel, scale_yx=self._scale)

    def A_adjoint(self, image: Tensor) -> Tensor:  # noqa: N802
        """The transpose of `A`: ``(..., *size_out)`` to ``(..., *size_in)``."""
        check_image(image, self.out_size_yx)
        return apply_axes_adjoint(image, self._down, self._across)

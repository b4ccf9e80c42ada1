"""What a camera would record of a restored plane: blur and sampling in one separable operator.

Equal to `degradation_operator` for luma; besides, planes may have their own siting, and both axes their own scale.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vsr.observation.axes import AxisMap, apply_axes, apply_axes_adjoint, apply_axis
from vsr.observation.bands import BandedAxes
from vsr.observation.degradation import blur_radius, degradation_at
from vsr.observation.operator import check_image
from vsr.observation.resample import KERNELS, axis_taps

__all__ = ["Recording"]

_ROUNDING = 1e-9  # a place this near to a sample is on it
_STRIP_COLUMNS = 1024


def _gaussian_axis(in_size: int, out_size: int, name: str, scale: float, siting: float) -> AxisMap:
    """Gaussian blur on the fine grid, then samples at the preset's places (Keys' cubic between fine samples)."""
    preset = degradation_at(name, scale)
    sigma = preset.psf_sigma_px * scale
    radius = blur_radius(sigma)
    steps = torch.arange(-radius, radius + 1, dtype=torch.float64)
    blur = torch.exp(-0.5 * (steps / sigma).square())
    blur = blur / blur.sum()
    place = (torch.arange(out_size, dtype=torch.float64) + 0.5) * scale - 0.5
    place = place + preset.offset_px * scale + siting * (scale - 1)
    place = torch.where((place - place.round()).abs() < _ROUNDING, place.round(), place)
    first = torch.floor(place).to(torch.int64) - 1
    between = KERNELS["bicubic"][0](place - (first + torch.arange(4)[:, None]))
    weights = torch.zeros(4 + 2 * radius, out_size, dtype=torch.float64)
    for tap, share in enumerate(between):
        weights[tap : tap + 2 * radius + 1] += blur[:, None] * share
    source = first - radius + torch.arange(weights.shape[0])[:, None]
    folded = torch.remainder(source, 2 * in_size)
    used = (weights != 0).any(1)
    return AxisMap(in_size, torch.minimum(folded, 2 * in_size - 1 - folded)[used], weights[used])


def _axis(in_size: int, out_size: int, name: str, scale: float, siting: float) -> AxisMap:
    if name == "BI":
        return AxisMap(in_size, *axis_taps(in_size, out_size, "bicubic", 1 / scale, siting))
    return _gaussian_axis(in_size, out_size, name, scale, siting)


class Recording:
    """``(..., H, W)`` float32 or float64 planes, to ``(..., h, w)`` as they would be recorded, in the same units.

    ``size_yx`` is ``(H, W)``, ``recorded_yx`` ``(h, w)``; ``name`` is one of `DEGRADATIONS`, ``scale_yx`` the
    magnification along each axis, from 1. ``siting_yx``: how far samples sit below and right of the centres of their
    cells, in samples of either grid, as chroma's do. Border: mirrored about the edge. ValueError for an unknown name
    or a scale under 1.
    """

    def __init__(
        self,
        size_yx: tuple[int, int],
        recorded_yx: tuple[int, int],
        name: str,
        scale_yx: tuple[float, float],
        siting_yx: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        for scale in scale_yx:
            degradation_at(name, scale)
        if min(*size_yx, *recorded_yx) < 1 or not all(math.isfinite(value) for value in siting_yx):
            raise ValueError(f"cannot record {size_yx} as {recorded_yx} with sites {siting_yx}")
        self._size, self._recorded = size_yx, recorded_yx
        self._down, self._across = (
            _axis(many, few, name, float(scale), siting)
            for many, few, scale, siting in zip(size_yx, recorded_yx, scale_yx, siting_yx, strict=True)
        )

    def A(self, image: Tensor) -> Tensor:  # noqa: N802
        """What would be recorded of ``image`` ``(..., H, W)``: ``(..., h, w)``."""
        check_image(image, self._size)
        return apply_axes(image, self._down, self._across)

    def of_stored(self, image: Tensor, peak: float) -> Tensor:
        """`A` of ``image`` as it is stored, cut to 0…``peak``; without a cut copy of all of it."""
        check_image(image, self._size)
        width = int(image.shape[-1])
        strips = [
            apply_axis(image[..., first : first + _STRIP_COLUMNS].clamp(0, peak), self._down, -2)
            for first in range(0, width, _STRIP_COLUMNS)
        ]
        return apply_axis(torch.cat(strips, -1), self._across, -1)

    def banded(self) -> BandedAxes:
        """`A` of ``(H, W)`` float32 images in a fraction of the time, up to rounding; for measuring many frames."""
        return BandedAxes(self._down, self._across)

    def A_adjoint(self, image: Tensor) -> Tensor:  # noqa: N802
        """The transpose of `A`: ``(..., h, w)`` to ``(..., H, W)``."""
        check_image(image, self._recorded)
        return apply_axes_adjoint(image, self._down, self._across)

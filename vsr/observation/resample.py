"""Separable, phase-exact resampling of images to any size.

Half-pixel centres, kernels widened when shrinking (MATLAB's ``imresize`` convention, so figures compare
with the literature), and an offset for planes whose samples do not sit at the centre of their cell, such as
left-sited chroma. Each axis is a short list of taps; a tap adds one weighted, re-ordered copy of the image.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor

__all__ = ["KERNELS", "Kernel", "axis_taps", "resample"]

Kernel = Literal["lanczos", "bicubic"]
"""``lanczos`` has 3 lobes; ``bicubic`` is Keys' cubic with a = −0.5 (MATLAB's and Pillow's, not torch's)."""

_NEGLIGIBLE = 1e-12  # a tap with no larger weight anywhere is rounding noise of an exact zero
_STRIP_SAMPLES = 1 << 18  # of one strip of rows: 1 MB in float32, about a core's second-level cache


def _lanczos3(distance: Tensor) -> Tensor:
    window = torch.sinc(distance / 3.0)
    return torch.where(distance.abs() < 3.0, torch.sinc(distance) * window, torch.zeros_like(distance))


def _keys(distance: Tensor) -> Tensor:
    d = distance.abs()
    near = (1.5 * d - 2.5) * d * d + 1.0
    far = ((-0.5 * d + 2.5) * d - 4.0) * d + 2.0
    return torch.where(d < 1.0, near, torch.where(d < 2.0, far, torch.zeros_like(d)))


KERNELS: Mapping[Kernel, tuple[Callable[[Tensor], Tensor], float]] = MappingProxyType(
    {"lanczos": (_lanczos3, 3.0), "bicubic": (_keys, 2.0)}
)
"""Kernel function (float64 distances in, weights out) and its radius in samples, by name."""


def axis_taps(
    in_size: int, out_size: int, kernel: Kernel, scale: float, offset: float, shift: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Taps of one axis: ``(indices, weights)``, both ``(taps, out_size)``, int64 and float64.

    Output sample ``j`` is ``sum_t weights[t, j] * input[indices[t, j]]`` and sits at input coordinate
    ``(j + 0.5 + offset) / scale - 0.5 - offset + shift``. Weights of a sample sum to 1. Beyond the border the
    image is mirrored about its edge (MATLAB's rule), as often as a tiny image needs.
    """
    function, radius = KERNELS[kernel]
    shrink = min(1.0, scale)
    reach = radius / shrink
    centre = (torch.arange(out_size, dtype=torch.float64) + 0.5 + offset) / scale - 0.5 - offset + shift
    first = torch.floor(centre - reach).to(torch.int64)
    source = first + torch.arange(math.ceil(2 * reach) + 2).unsqueeze(1)
    weights = function((centre - source) * shrink)
    weights = weights / weights.sum(0)
    used = weights.abs().amax(1) > _NEGLIGIBLE
    folded = torch.remainder(source, 2 * in_size)
    indices = torch.minimum(folded, 2 * in_size - 1 - folded)
    return indices[used], weights[used]


@lru_cache(maxsize=64)
def _device_taps(
    in_size: int,
    out_size: int,
    kernel: Kernel,
    scale: float,
    offset: float,
    shift: float,
    device: torch.device,
    dtype: torch.dtype,
) -> tuple[Tensor, Tensor]:
    """`axis_taps` ready for `_resample_rows`, kept because a video asks for the same few every frame."""
    indices, weights = axis_taps(in_size, out_size, kernel, scale, offset, shift)
    return indices.to(device), weights.to(device, dtype).unsqueeze(-1)


def _resample_rows(image: Tensor, taps: tuple[Tensor, Tensor]) -> Tensor:
    """Weighted sums of whole rows, ``(..., H, W)`` → ``(..., out, W)``; no atomics, so equal bytes every run.

    On CPUs it goes strip by strip, so that a strip stays in cache for all its taps; values do not change.
    """
    indices, weights = taps
    num_rows = indices.shape[1]
    result = image.new_empty((*image.shape[:-2], num_rows, image.shape[-1]))
    strip = num_rows
    if image.device.type == "cpu":
        strip = max(8, _STRIP_SAMPLES // max(1, result.numel() // num_rows))
    for start in range(0, num_rows, strip):
        rows = slice(start, start + strip)
        target = result[..., rows, :]
        torch.mul(image.index_select(-2, indices[0, rows]), weights[0, rows], out=target)
        for index, weight in zip(indices[1:, rows], weights[1:, rows], strict=True):
            target.addcmul_(image.index_select(-2, index), weight)
    return result


def resample(
    plane: Tensor,
    size_yx: tuple[int, int],
    *,
    kernel: Kernel = "lanczos",
    scale_yx: tuple[float, float] | None = None,
    offset_yx: tuple[float, float] = (0.0, 0.0),
    shift_yx: tuple[float, float] = (0.0, 0.0),
) -> Tensor:
    """``plane`` ``(..., H, W)`` on another grid, ``(..., *size_yx)``, contiguous, on the same device.

    ``scale_yx`` is output samples per input sample along each axis, by default the ratio of the sizes; give
    the luma's scale for subsampled chroma of odd sizes, where the ratio is not the scale. ``offset_yx`` is
    how far samples sit right of / below the centre of their cell, in samples, in the input and in the
    output alike (see `vsr.frames.PixelLayout.siting_offset`, which gives ``(x, y)``). ``shift_yx``: by how many
    input samples the places that are read lie further right / below.

    float64 stays float64, everything else becomes float32. Values keep their units and are not clipped;
    kernels with negative lobes overshoot. Border: mirrored about the edge. Scale 1 returns equal values.
    """
    out_h, out_w = size_yx
    in_h, in_w = plane.shape[-2:]
    if min(out_h, out_w, in_h, in_w) < 1:
        raise ValueError(f"cannot resample {in_h}x{in_w} to {out_h}x{out_w}: sizes must be positive")
    scale_y, scale_x = scale_yx or (out_h / in_h, out_w / in_w)
    if min(scale_y, scale_x) <= 0:
        raise ValueError(f"scales must be positive, got {scale_y} x {scale_x}")
    image = plane if plane.dtype == torch.float64 else plane.to(torch.float32)
    device, dtype = image.device, image.dtype
    across = _device_taps(in_w, out_w, kernel, scale_x, offset_yx[1], shift_yx[1], device, dtype)
    down = _device_taps(in_h, out_h, kernel, scale_y, offset_yx[0], shift_yx[0], device, dtype)
    wide = _resample_rows(image.transpose(-1, -2).contiguous(), across)
    return _resample_rows(wide.transpose(-1, -2).contiguous(), down)

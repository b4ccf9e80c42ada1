"""Dense motion between two images, both ways, and how well the two ways agree.

The engine is OpenCV's DIS optical flow (Kroeger et al. 2016) run down to full resolution with overlapping
patches and variational refinement, which brings its error from about 0.1 to 0.02 pixels. It computes on the
processor; its result depends on OpenCV's thread count, which the caller fixes for a whole run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsr.kernels import kernel

__all__ = [
    "MIN_FLOW_SIZE",
    "Detail",
    "FlowPair",
    "consistency_error",
    "flow_pair",
    "pixel_positions",
    "round_trip_error",
    "sample_bicubic",
    "sample_bilinear",
]

MIN_FLOW_SIZE = 24
"""Shortest image side, in pixels, for which motion is estimated."""

_GRADIENT_CONSTANCY = 20.0  # weight of slopes that stay the same; OpenCV's default is 10

Detail = Literal["coarse", "medium", "fine"]
"""How closely to look: down to half resolution; to full resolution; the same with more steps."""

_FULL_RESOLUTION: Mapping[Detail, tuple[int, int, int]] = MappingProxyType({"medium": (4, 8, 5), "fine": (3, 12, 5)})
"""Distance of patches in pixels, steps for each patch, and steps for all of them together."""


@dataclass(frozen=True)
class FlowPair:
    """Motion between images ``a`` and ``b``, each ``(2, H, W)`` float32 pixels, row displacement first.

    ``forward[:, y, x]`` says how far the content at ``(y, x)`` of ``a`` has moved in ``b``.
    """

    forward: Tensor
    """From ``a`` to ``b``, on the pixels of ``a``."""
    backward: Tensor
    """From ``b`` to ``a``, on the pixels of ``b``."""

    def reversed(self) -> FlowPair:
        """The pair seen from the other image."""
        return FlowPair(self.backward, self.forward)


def _dis(first: NDArray[np.uint8], second: NDArray[np.uint8], detail: Detail) -> NDArray[np.float32]:
    import cv2

    engine = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    if detail != "coarse":
        stride_px, patch_steps, refinement_steps = _FULL_RESOLUTION[detail]
        engine.setFinestScale(0)
        engine.setPatchStride(stride_px)
        engine.setGradientDescentIterations(patch_steps)
        engine.setVariationalRefinementIterations(refinement_steps)
        engine.setVariationalRefinementGamma(_GRADIENT_CONSTANCY)
    flow: NDArray[np.float32] = np.asarray(engine.calc(first, second, None), dtype=np.float32)
    return flow


def _gray8(image: Tensor) -> NDArray[np.uint8]:
    gray = (image * 255.0).round_().clamp_(0, 255).to(torch.uint8)
    return np.ascontiguousarray(gray.cpu().numpy())


def _equalise(a: Tensor, b: Tensor) -> Tensor:
    """``b`` with the mean and the spread of ``a``, so that flicker is not taken for motion."""
    gain = (a.std() / b.std().clamp(min=1e-3)).clamp(0.5, 2.0)
    return (b - b.mean()) * gain + a.mean()


def flow_pair(a: Tensor, b: Tensor, *, detail: Detail = "fine") -> FlowPair | None:
    """Motion between two ``(H, W)`` float32 images in 0…1, or None if they are too small to tell.

    Depends on the two images alone. The result is on their device. ``coarse`` is four times as fast as ``fine`` and
    errs by about 0.1 pixels instead of 0.02; ``medium`` is twice as fast.
    """
    if min(a.shape) < MIN_FLOW_SIZE:
        return None
    first, second = _gray8(a), _gray8(_equalise(a, b))
    flows = [_dis(first, second, detail), _dis(second, first, detail)]
    forward, backward = (torch.from_numpy(f).permute(2, 0, 1).flip(0).contiguous().to(a.device) for f in flows)
    if not bool(torch.isfinite(forward).all() & torch.isfinite(backward).all()):
        return None
    return FlowPair(forward, backward)


def pixel_positions(flow: Tensor) -> tuple[Tensor, Tensor]:
    """``(rows, cols)``, each ``(H, W)``: where each pixel of a ``(2, H, W)`` flow lands, in pixel indices."""
    height, width = flow.shape[-2:]
    rows = torch.arange(height, dtype=flow.dtype, device=flow.device)[:, None] + flow[0]
    cols = torch.arange(width, dtype=flow.dtype, device=flow.device)[None, :] + flow[1]
    return rows, cols


def _grid(rows: Tensor, cols: Tensor, size_yx: tuple[int, int]) -> Tensor:
    places = (cols, size_yx[1]), (rows, size_yx[0])
    return torch.stack([(2 * place).add_(1).div_(side).sub_(1) for place, side in places], dim=-1)[None]


def sample_bicubic(images: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
    """``(C, H, W)`` images read at ``(h, w)`` positions in pixel indices; clamped at borders."""
    size = (int(images.shape[-2]), int(images.shape[-1]))
    return torch.nn.functional.grid_sample(
        images[None], _grid(rows, cols, size), mode="bicubic", padding_mode="border", align_corners=False
    )[0]


def sample_bilinear(images: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
    """As `sample_bicubic`, between the four nearest samples."""
    size = (int(images.shape[-2]), int(images.shape[-1]))
    return torch.nn.functional.grid_sample(
        images[None], _grid(rows, cols, size), mode="bilinear", padding_mode="border", align_corners=False
    )[0]


def consistency_error(pair: FlowPair) -> Tensor:
    """Distance in pixels, ``(H, W)``, by which going to ``b`` and back misses each pixel of ``a``.

    Infinite where the content has left the image.
    """
    return round_trip_error(pair.forward, pair.backward)


@kernel("vsr.kernels.reading")
def round_trip_error(forward: Tensor, backward: Tensor) -> Tensor:
    """`consistency_error` of the two flows of a pair."""
    rows, cols = pixel_positions(forward)
    height, width = rows.shape
    back = sample_bilinear(backward, rows, cols)
    miss = torch.hypot(*(forward + back))
    inside = (rows > -0.5) & (rows < height - 0.5) & (cols > -0.5) & (cols < width - 0.5)
    return torch.where(inside, miss, torch.full_like(miss, torch.inf))

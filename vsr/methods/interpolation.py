"""Restoration by interpolation: every frame on its own, nothing added, nothing invented.

The baseline that every other method is measured against, and the path for planes that carry no detail.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from vsr.errors import InputError
from vsr.frames import VideoFrame
from vsr.methods.method import NOT_ADAPTED, Adaptation, Capabilities, Geometry, Prepared
from vsr.observation import Kernel, resample

__all__ = [
    "Interpolate",
    "InterpolateOptions",
    "PreparedInterpolation",
    "check_size",
    "resample_plane",
    "sampling_offset",
]


@dataclass(frozen=True)
class InterpolateOptions:
    """Interpolation has nothing to set; the kernel is the method's name."""


def check_size(frame: VideoFrame, geometry: Geometry) -> None:
    """Raise `InputError` if ``frame`` is not of the size that ``geometry`` was made for."""
    if (frame.width, frame.height) != (geometry.width, geometry.height):
        raise InputError(
            f"frame {frame.ordinal} is {frame.width}x{frame.height}, not {geometry.width}x{geometry.height}: "
            "the image size changes within the stream; split the file there"
        )


def sampling_offset(offset_px: float, scale: float) -> float:
    """The offset with which `resample` takes samples to sit ``offset_px`` samples right of (below) block centres."""
    return offset_px / (1 - 1 / scale) if scale != 1 else 0.0


def resample_plane(
    frame: VideoFrame,
    plane: int,
    geometry: Geometry,
    kernel: Kernel,
    device: torch.device,
    *,
    offset_px: float = 0.0,
) -> Tensor:
    """Plane number ``plane`` at the output size, ``(H, W)`` float32 code values on ``device``.

    Subsampled chroma keeps its siting: it sits in the output's luma grid where it sat in the input's.
    ``offset_px``: how far right of and below the centres of their blocks the luma's samples lie.
    """
    layout = frame.layout
    offset_x, offset_y = layout.siting_offset(frame.color.chroma_location) if layout.is_chroma(plane) else (0.0, 0.0)
    if offset_px:
        block_x, block_y = (
            (1 << layout.chroma_shift_x, 1 << layout.chroma_shift_y) if layout.is_chroma(plane) else (1, 1)
        )
        offset_x += sampling_offset(offset_px / block_x, geometry.scale_x)
        offset_y += sampling_offset(offset_px / block_y, geometry.scale_y)
    return resample(
        frame.planes[plane].to(device),
        layout.plane_size(plane, geometry.out_width, geometry.out_height),
        kernel=kernel,
        scale_yx=(geometry.scale_y, geometry.scale_x),
        offset_yx=(offset_y, offset_x),
    )


class Interpolate:
    """Resample each plane of each frame with one kernel, at its real siting."""

    def __init__(self, geometry: Geometry, kernel: Kernel, device: torch.device) -> None:
        self._geometry = geometry
        self._kernel: Kernel = kernel
        self._device = device

    def adapt(self, frames: Sequence[VideoFrame]) -> Adaptation:
        """Nothing: shots are all alike."""
        return NOT_ADAPTED

    def restore(self, frames: Iterable[VideoFrame], adaptation: Adaptation = NOT_ADAPTED) -> Iterator[VideoFrame]:
        """One resampled frame for each frame that is not halo. See `vsr.methods.method.Restorer`."""
        for frame in frames:
            check_size(frame, self._geometry)
            if not frame.is_halo:
                planes = tuple(
                    resample_plane(frame, number, self._geometry, self._kernel, self._device)
                    for number in range(frame.layout.num_planes)
                )
                yield replace(frame, planes=planes)


@dataclass(frozen=True)
class PreparedInterpolation(Prepared[InterpolateOptions]):
    """Interpolation with one kernel."""

    kernel: Kernel

    @property
    def capabilities(self) -> Capabilities:
        """Every frame stands for itself."""
        return Capabilities("interpolation")

    def key(self) -> Mapping[str, Any]:
        """The kernel."""
        return {"kernel": self.kernel}

    def open(self, geometry: Geometry) -> Interpolate:
        """See `Prepared`."""
        return Interpolate(geometry, self.kernel, self.torch_device)

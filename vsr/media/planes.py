"""Between PyAV's frames and arrays of samples: re-arranging, never rounding."""

from __future__ import annotations

from collections.abc import Sequence

import av
import numpy as np
import xxhash
from numpy.typing import NDArray

from vsr.frames import PixelLayout
from vsr.media.layouts import layout_for

__all__ = ["fingerprint", "frame_from_planes", "frame_layout", "planes_of"]

_RGB_ORDER = (2, 0, 1, 3)  # FFmpeg stores G, B, R, A; vsr speaks R, G, B, A
_FEW_BITS = {
    **dict.fromkeys(("rgb565", "bgr565"), (5, 6, 5)),
    **dict.fromkeys(("rgb555", "bgr555"), (5, 5, 5)),
    **dict.fromkeys(("rgb444", "bgr444"), (4, 4, 4)),
    **dict.fromkeys(("rgb8", "bgr8"), (3, 3, 2)),
}
"""Bits of R, G and B where swscale expands them without reaching 255."""


def frame_layout(frame: av.VideoFrame) -> PixelLayout:
    """The planar layout that holds the samples of ``frame``."""
    return layout_for(frame.format.name)


def _order(layout: PixelLayout) -> tuple[int, ...]:
    return _RGB_ORDER[: layout.num_planes] if layout.family == "rgb" else tuple(range(layout.num_planes))


def _dtype(layout: PixelLayout) -> np.dtype[np.generic]:
    return np.dtype("<f4" if layout.is_float else "u1" if layout.bit_depth <= 8 else "<u2")


def planes_of(frame: av.VideoFrame, first: int | None = None) -> tuple[NDArray[np.generic], ...]:
    """The planes of ``frame`` as contiguous ``(H, W)`` arrays in the order of `vsr.frames`; only the ``first`` few.

    Packed formats are re-arranged first; full and video range and the matrix stay as they are.
    """
    layout = frame_layout(frame)
    if layout.is_float and frame.format.name != layout.name:
        return _float_planes(frame, layout)[:first]
    few_bits = _FEW_BITS.get(frame.format.name.removesuffix("le").removesuffix("be"))
    if frame.format.name.removeprefix("yuvj").removeprefix("yuv") != layout.name.removeprefix("yuv"):
        frame = frame.reformat(format=layout.name)
    dtype = _dtype(layout)
    planes = []
    for index, source in enumerate(_order(layout)[:first]):
        plane = frame.planes[source]
        height, width = layout.plane_size(index, frame.width, frame.height)
        rows = np.frombuffer(memoryview(plane), dtype=dtype, count=plane.line_size * plane.height // dtype.itemsize)
        rows = rows.reshape(plane.height, plane.line_size // dtype.itemsize)
        planes.append(rows[:height, :width].copy())
    if few_bits is not None:
        planes = [_stretch(plane, bits) for plane, bits in zip(planes, few_bits, strict=False)]
    return tuple(planes)


def _float_planes(frame: av.VideoFrame, layout: PixelLayout) -> tuple[NDArray[np.generic], ...]:
    """Planes of half, big-endian or packed floats. swscale would round them to 16 bits and clip them to 0…1."""
    name = frame.format.name
    dtype = np.dtype((">" if name.endswith("be") else "<") + ("f2" if "f16" in name else "f4"))
    step = layout.num_planes if name.startswith("rgb") else 1  # samples from one of a component to its next
    planes: list[NDArray[np.generic]] = []
    for index, source in enumerate(_order(layout)):
        plane = frame.planes[source if step == 1 else 0]
        rows = np.frombuffer(memoryview(plane), dtype=dtype, count=plane.line_size * plane.height // dtype.itemsize)
        rows = rows.reshape(plane.height, plane.line_size // dtype.itemsize)
        first = index if step > 1 else 0
        planes.append(rows[: frame.height, first : first + step * frame.width : step].astype(_dtype(layout)))
    return tuple(planes)


def _stretch(plane: NDArray[np.generic], bits: int) -> NDArray[np.generic]:
    """8-bit codes whose upper ``bits`` count, evenly over 0…255: white becomes white."""
    table = [round((code >> (8 - bits)) * 255 / ((1 << bits) - 1)) for code in range(256)]
    stretched: NDArray[np.generic] = np.array(table, np.uint8)[plane]
    return stretched


def frame_from_planes(
    planes: Sequence[NDArray[np.generic]], layout: PixelLayout, width: int, height: int
) -> av.VideoFrame:
    """A PyAV frame of format ``layout.name`` holding ``planes`` (``(H, W)`` arrays of the layout's type)."""
    frame = av.VideoFrame(width, height, layout.name)
    dtype = _dtype(layout)
    for index, target in enumerate(_order(layout)):
        plane = frame.planes[target]
        rows = np.frombuffer(memoryview(plane), dtype=dtype).reshape(plane.height, plane.line_size // dtype.itemsize)
        plane_height, plane_width = layout.plane_size(index, width, height)
        rows[:plane_height, :plane_width] = planes[index]
    return frame


def fingerprint(planes: Sequence[NDArray[np.generic]]) -> str:
    """A 128-bit digest of the visible samples of all planes (XXH3), as 32 hex digits."""
    digest = xxhash.xxh3_128()
    for plane in planes:
        digest.update(f"{plane.shape}{plane.dtype}".encode())
        digest.update(plane.data)
    return digest.hexdigest()

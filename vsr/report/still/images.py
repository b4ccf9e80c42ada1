"""The images of a still's page: the versions that are compared, and the region as each frame shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vsr.frames import ColorSpec, VideoFrame
from vsr.media.damage import Damage
from vsr.media.display import Box, cut, resized, shown
from vsr.media.grabbing import Grabbed, grab_frames
from vsr.media.images import read_samples
from vsr.media.layouts import LAYOUTS
from vsr.media.looks import color_of
from vsr.media.probe import MediaInfo
from vsr.observation import ObservationModel, grid_positions, reading_blur

__all__ = ["Glance", "Looked", "Region", "difference", "look", "map_in_color", "sharpened", "still_image"]

Image = NDArray[np.uint8]
Point = tuple[float, float]

_CONTEXT = 0.6  # of the region's longer side, around it
_LEAST_CONTEXT_PX = 10
_SHARPEN_AMOUNT, _SHARPEN_RADIUS = 1.0, 1.5  # of an unsharp mask; the radius in widths of the blur that was found
_STRENGTH = 8  # of differences as they are shown
_GREY = 128


@dataclass(frozen=True)
class Region:
    """A rectangle of a frame, in whole pixels."""

    x: int
    y: int
    width: int
    height: int

    @classmethod
    def parse(cls, text: str) -> Region:
        """``X,Y,W,H``."""
        return cls(*(int(part) for part in text.split(",")))

    def moved(self, matrix: Sequence[Sequence[float]]) -> tuple[Point, ...]:
        """Its corners, clockwise, where ``matrix`` (of pixel centres) leads them; in pixels from the frame's corner."""
        points = []
        for x, y in (
            (self.x, self.y),
            (self.x + self.width, self.y),
            (self.x + self.width, self.y + self.height),
            (self.x, self.y + self.height),
        ):
            to_x, to_y, depth = (row[0] * (x - 0.5) + row[1] * (y - 0.5) + row[2] for row in matrix)
            points.append((to_x / depth + 0.5, to_y / depth + 0.5))
        return tuple(points)


@dataclass(frozen=True)
class Glance:
    """The region and what is around it, as one frame shows them."""

    image: Image
    outline: tuple[Point, ...]
    """Corners of the followed region in ``image``; none where it was not found."""


@dataclass
class Looked:
    """What was seen of the input."""

    glances: dict[int, Glance] = field(default_factory=dict)
    """By the frame's ordinal."""
    whole: Image | None = None
    """The reference."""
    own: Image | None = None
    """The region in the reference, ``(h, w, 3)``."""
    changed: int = 0
    """Frames that decode differently from what the record says."""


def look(info: MediaInfo, record: Mapping[str, Any], requested: Sequence[int]) -> Looked:
    """Decode up to the last of the frames ``requested`` (ordinals) and cut the region out of each.

    Raises `InputError` where the input cannot be read.
    """
    entries = {frame["ordinal"]: frame for frame in record["frames"]}
    region, reference = Region.parse(record["request"]["roi"]), int(record["reference"]["ordinal"])
    places = {*requested, reference}
    looked, last = Looked(), max(places)
    frames = grab_frames(
        info,
        int(record["request"]["decoder_threads"]),
        Damage(),
        lambda frame: frame.ordinal in places,
        progressive=bool(record["method"]["deinterlaced"]),
    )
    for grabbed in frames:
        ordinal = grabbed.record.ordinal
        entry = entries[ordinal]
        looked.changed += grabbed.md5 != entry["md5"]
        frame = _frame(info, grabbed)
        looked.glances[ordinal] = _glance(frame, region, entry, is_own=ordinal == reference)
        if ordinal == reference:
            looked.whole = shown(frame)
            looked.own = np.ascontiguousarray(
                looked.whole[region.y : region.y + region.height, region.x : region.x + region.width]
            )
        if ordinal >= last:
            break
    return looked


def _frame(info: MediaInfo, grabbed: Grabbed) -> VideoFrame:
    color = color_of(info.video, grabbed.record.look)
    return VideoFrame(grabbed.planes, grabbed.layout, color, grabbed.record.ordinal, 0, Fraction(1))


def _glance(frame: VideoFrame, region: Region, entry: Mapping[str, Any], *, is_own: bool) -> Glance:
    registration = entry["registration"]
    is_found = is_own or bool(registration["converged"])
    matrix = entry["fitted"]["matrix"] if "fitted" in entry else registration["matrix"]
    corners = region.moved(matrix if is_found else np.eye(3).tolist())
    middle = [sum(corner[axis] for corner in corners) / 4 for axis in (0, 1)]
    around = max(_LEAST_CONTEXT_PX, round(_CONTEXT * max(region.width, region.height)))
    height, width = frame.planes[0].shape
    left, across = _span(middle[0], region.width + 2 * around, int(width))
    top, down = _span(middle[1], region.height + 2 * around, int(height))
    image = shown(cut(frame, Box(top, left, down, across)))
    return Glance(image, tuple((x - left, y - top) for x, y in corners) if is_found else ())


def _span(middle: float, length: int, limit: int) -> tuple[int, int]:
    """Start, a multiple of 4, and length of a stretch of ``limit`` pixels around ``middle``."""
    length = min(limit, length)
    start = min(max(0, round(middle - length / 2)), limit - length) // 4 * 4
    return start, min(length, limit - start)


def still_image(output: Path, record: Mapping[str, Any]) -> Image:
    """The still as a browser shows it, ``(H, W, 3)``."""
    entry = record["output"]
    color = ColorSpec(**entry["color"])
    planes = tuple(torch.from_numpy(plane) for plane in read_samples(output))
    return shown(VideoFrame(planes, LAYOUTS[entry["layout"]], color, 0, 0, Fraction(1)))


def sharpened(enlarged: Image, psf_px: float) -> Image:
    """``enlarged`` ``(H, W, 3)`` through an unsharp mask; ``psf_px`` is the blur in its pixels."""
    import cv2

    values = enlarged.astype(np.float32)
    smooth = cv2.GaussianBlur(values, (0, 0), max(0.3, _SHARPEN_RADIUS * psf_px))
    codes = np.rint(values + _SHARPEN_AMOUNT * (values - smooth))
    return np.asarray(np.clip(codes, 0, 255), np.uint8)


def difference(own: Image, still: Image, record: Mapping[str, Any]) -> Image:
    """Own frame less the still as the model records it, on the frame's grid, grey where there is none.

    `_STRENGTH` times as strong as it is.
    """
    scale, psf = float(record["request"]["scale"]), float(record["found"]["psf_sigma_px"])
    height, width = own.shape[:2]
    rows, cols = grid_positions((height, width), (scale, scale))
    model = ObservationModel(
        (still.shape[0], still.shape[1]),
        rows[None].clamp(0, still.shape[0] - 1),
        cols[None].clamp(0, still.shape[1] - 1),
        reading_blur((psf * scale, psf * scale), (scale, scale)),
        (scale, scale),
    )
    luma = np.array([0.2126, 0.7152, 0.0722], np.float32)
    recorded = model.A(torch.from_numpy(still.astype(np.float32) @ luma))[0].numpy()
    apart = _GREY + _STRENGTH * (own.astype(np.float32) @ luma - recorded)
    grey = np.clip(np.rint(apart), 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def map_in_color(path: Path, size: tuple[int, int]) -> Image:
    """A map, 0 to 255, from dark violet to yellow (viridis), at ``size`` (height, width)."""
    import cv2

    [values] = read_samples(path)
    colored = cv2.applyColorMap(values.astype(np.uint8), cv2.COLORMAP_VIRIDIS)[:, :, ::-1]
    return resized(np.ascontiguousarray(colored), *size)

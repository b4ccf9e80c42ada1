"""A licence plate filmed by hand: ground truth and recording, rendered from nothing but a seed.

The plate is drawn with Pillow at four times the HR resolution and downscaled, so that the HR image is no pixel art.
Each frame sees it through a lens and a pixel under a pose of its own (shift, turn, zoom and slight perspective), read
with quintic splines; noise and eight bits follow. None of it is code of the package.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["FACE", "PLATE", "SCALE", "PlateClip", "film", "film_passing", "psnr_db"]

Floats = NDArray[np.float64]

SCALE = 4
"""HR pixels per pixel of a frame."""
PLATE = "KV 58 HTN"
FACE = ""
"""In place of a plate's text: a face is filmed."""
_FRAME_HW = (96, 144)
_PLATE_HW = (12, 46)  # in frame pixels
_MARGIN = 64  # HR pixels around what the frame sees
_LENS_PX = 0.3  # Gaussian blur of the lens by default, in frame pixels; with the pixel's own area 0.42


@dataclass(frozen=True)
class PlateClip:
    """What was filmed, and what there was to see."""

    frames: list[NDArray[np.uint8]]
    """``(h, w, 3)`` uint8 RGB."""
    hr_regions: list[Floats]
    """For each frame the scene on the ×4 grid of that frame's plate, gray 0…255, ``(4 h, 4 w)`` of `roi`."""
    roi: tuple[int, int, int, int]
    """x, y, width, height of the plate in the frames' first pose."""
    poses: list[Floats]
    """(3, 3): from frame pixel indices (x, y, 1) to those of the scene at frame resolution."""


def _wall() -> Floats:
    """Gray brick at HR resolution, 0…255."""
    from scipy import ndimage
    from skimage import data

    height, width = (SCALE * n + 2 * _MARGIN for n in _FRAME_HW)
    wall = np.asarray(data.brick(), dtype=np.float64)[:height, :width]
    wall = np.pad(wall, ((0, height - wall.shape[0]), (0, width - wall.shape[1])), mode="symmetric")
    return 40 + 0.45 * ndimage.gaussian_filter(wall, 2.0)


def _plate(text: str) -> Floats:
    """The plate alone, gray 0…255."""
    from PIL import Image, ImageDraw, ImageFont

    fine = 4
    plate_h, plate_w = (SCALE * n for n in _PLATE_HW)
    plate = Image.new("L", (plate_w * fine, plate_h * fine), 222)
    font = ImageFont.load_default(int(plate_h * fine * 0.72))
    centre = (plate_w * fine / 2, plate_h * fine / 2)
    ImageDraw.Draw(plate).text(centre, text, fill=25, font=font, anchor="mm")
    drawn: Floats = np.asarray(plate, dtype=np.float64).reshape(plate_h, fine, plate_w, fine).mean((1, 3))
    return drawn


def _face() -> Floats:
    """A face, gray 0…255, 30 x 36 frame pixels."""
    from skimage import color, data

    gray: Floats = 255 * color.rgb2gray(data.astronaut())
    return gray[36:180, 164:284]


def _scene(subject: Floats) -> Floats:
    """The wall with the plate or face in the middle."""
    wall, plate = _wall(), subject
    top, left = ((n - m) // 2 for n, m in zip(wall.shape, plate.shape, strict=True))
    wall[top : top + plate.shape[0], left : left + plate.shape[1]] = plate
    return wall


def _poses(count: int, rng: np.random.Generator, tremor_px: float, tilt: float) -> list[Floats]:
    """Of a hand: drift and tremor, turning and tilting a little about the middle of the frame."""
    middle = np.array([(_FRAME_HW[1] - 1) / 2, (_FRAME_HW[0] - 1) / 2])
    walk = np.cumsum(rng.standard_normal((count, 2)) * tremor_px, axis=0)
    walk = 6 * np.tanh((walk - walk[0]) / 6)
    poses = []
    for number in range(count):
        angle, zoom = 0.012 * rng.standard_normal(), 1 + 0.008 * rng.standard_normal()
        tilts = tilt * rng.standard_normal(2)
        to_middle, back = np.eye(3), np.eye(3)
        to_middle[:2, 2], back[:2, 2] = -middle, middle + walk[number]
        turn = np.array(
            [
                [zoom * np.cos(angle), -zoom * np.sin(angle), 0],
                [zoom * np.sin(angle), zoom * np.cos(angle), 0],
                [tilts[0], tilts[1], 1],
            ]
        )
        poses.append(back @ (np.eye(3) if number == 0 else turn) @ to_middle)
    return poses


def _seen(filtered: Floats, pose: Floats, x: Floats, y: Floats) -> Floats:
    """The spline-filtered scene where the frame's pixels ``(x, y)`` look."""
    from scipy import ndimage

    scene_x, scene_y, depth = (row[0] * x + row[1] * y + row[2] for row in pose)
    cols = (scene_x / depth + 0.5) * SCALE - 0.5 + _MARGIN
    rows = (scene_y / depth + 0.5) * SCALE - 0.5 + _MARGIN
    found: Floats = ndimage.map_coordinates(filtered, (rows, cols), order=5, mode="mirror", prefilter=False)
    return found


def _through_lens(scene: Floats, lens_px: float = _LENS_PX) -> Floats:
    """A Gaussian lens and the area of a pixel, which is four HR pixels wide: the box is centred by two halves."""
    from scipy import ndimage

    blurred: Floats = ndimage.gaussian_filter(scene, lens_px * SCALE)
    for axis in (0, 1):
        box = np.array([0.5, *[1.0] * (SCALE - 1), 0.5]) / SCALE
        blurred = ndimage.convolve1d(blurred, box, axis=axis, mode="mirror")
    return blurred


def film(
    count: int = 30,
    *,
    text: str = PLATE,
    noise: float = 8.0,
    seed: int = 3,
    tremor_px: float = 0.8,
    tilt: float = 1.5e-4,
    blurred: Sequence[int] = (),
    is_fixed: bool = False,
    lens_px: float = _LENS_PX,
) -> PlateClip:
    """``count`` frames of the plate with Gaussian noise of ``noise`` code values; ``blurred`` ones were shaken.

    ``is_fixed``: the camera stands, and all poses are the first. ``lens_px``: standard deviation of the lens's blur, in
    frame pixels, 0 for none; the area of a pixel adds 0.29.
    """
    from scipy import ndimage

    rng = np.random.default_rng(seed)
    subject = _plate(text) if text != FACE else _face()
    scene = _scene(subject)
    seen = _through_lens(scene, lens_px)
    sharp, lens, shaken = (
        ndimage.spline_filter(image, order=5, mode="mirror")
        for image in (scene, seen, ndimage.uniform_filter1d(seen, 5 * SCALE, axis=1))
    )
    poses = [np.eye(3)] * count if is_fixed else _poses(count, rng, tremor_px, tilt)
    height, width = _FRAME_HW
    roi_h, roi_w = (n // SCALE + 6 for n in subject.shape)
    left, top = (width - roi_w) // 2, (height - roi_h) // 2
    y, x = np.mgrid[:height, :width].astype(np.float64)
    fine_y, fine_x = ((np.mgrid[: roi_h * SCALE, : roi_w * SCALE] + 0.5) / SCALE - 0.5).astype(np.float64)
    frames, hr_regions = [], []
    for number, pose in enumerate(poses):
        clean = _seen(shaken if number in blurred else lens, pose, x, y)
        noisy = clean + noise * rng.standard_normal(clean.shape)
        gray = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
        frames.append(np.repeat(gray[..., None], 3, axis=2))
        hr_regions.append(_seen(sharp, pose, fine_x + left, fine_y + top))
    return PlateClip(frames, hr_regions, (left, top, roi_w, roi_h), poses)


def film_passing(count: int = 21, *, text: str = PLATE, noise: float = 4.0, seed: int = 5) -> PlateClip:
    """A fixed camera; the plate passes by over a wall that stands still, 2.25 pixels a frame and a little down.

    Its place is a multiple of a quarter pixel, so that it can be drawn exactly. `PlateClip.poses` are shifts.
    """
    rng = np.random.default_rng(seed)
    wall, plate = _wall(), _plate(text)
    height, width = _FRAME_HW
    first_yx = (30 * SCALE + _MARGIN, 10 * SCALE + _MARGIN)
    frames, hr_regions, poses = [], [], []
    roi_h, roi_w = (n + 2 for n in _PLATE_HW)
    for number in range(count):
        top, left = first_yx[0] + 2 * number, first_yx[1] + 9 * number
        scene = wall.copy()
        scene[top : top + plate.shape[0], left : left + plate.shape[1]] = plate
        seen = _through_lens(scene)
        # an even number of HR pixels a frame pixel: its centre lies between two of them
        half = (seen[:-1, :-1] + seen[1:, :-1] + seen[:-1, 1:] + seen[1:, 1:]) / 4
        place = _MARGIN + SCALE // 2 - 1
        clean = half[place : place + SCALE * height : SCALE, place : place + SCALE * width : SCALE]
        noisy = clean + noise * rng.standard_normal(clean.shape)
        frames.append(np.repeat(np.clip(np.rint(noisy), 0, 255).astype(np.uint8)[..., None], 3, axis=2))
        y, x = (edge - SCALE for edge in (top, left))
        hr_regions.append(scene[y : y + roi_h * SCALE, x : x + roi_w * SCALE])
        pose = np.eye(3)
        pose[:2, 2] = -9 * number / SCALE, -2 * number / SCALE
        poses.append(pose)
    return PlateClip(frames, hr_regions, (9, 29, roi_w, roi_h), poses)


def psnr_db(image: Floats, reference: Floats, crop: int = SCALE) -> float:
    """PSNR of gray images in 0…255 without a border of ``crop`` pixels."""
    inner = (slice(crop, -crop), slice(crop, -crop))
    return float(20 * np.log10(255 / np.sqrt(np.mean((image[inner] - reference[inner]) ** 2))))

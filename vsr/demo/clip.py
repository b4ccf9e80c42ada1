"""Cameras film photographs on a brick wall: ground truth, recording and sound, from nothing but a seed.

The photographs come inside scikit-image's wheel. Ground truth is the wall sampled with quintic splines. One recording
is the wall seen through lens and sensor of a hand-held camera, filtered in the Fourier domain and sampled at the
coarse pixel centres: that is not the operator that any restorer inverts, so a good score is not a tautology. The
other is what most videos are: the camera stands still, the ground truth is averaged over areas, and much of it goes in
compression.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["DemoClip", "make_clip", "make_ordinary_clip", "make_tone"]

Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]

_WALL_HW = (760, 920)  # canvas of the scene in its own pixels, a margin around what the camera sees
_CENTRE_YX = (_WALL_HW[0] / 2 - 20.0, _WALL_HW[1] / 2 - 10.0)  # where the cameras look
_LENS_SIGMA = 0.7  # Gaussian blur of the lens, in scene pixels at scale 2
_CARD_HW = (120, 150)  # the image that slides along the wall
_CARD_START_YX = (330.0, 350.0)
_CARD_STEP_YX = (-0.35, 1.3)  # scene pixels a frame


@dataclass(frozen=True)
class DemoClip:
    """A low-resolution recording and the ground truth it was made from."""

    name: str
    """One word for tables and sentences."""
    lr_frames: Sequence[Bytes]
    """Recorded frames, each ``(h, w, 3)`` uint8 RGB, full range."""
    hr_frames: Sequence[Bytes]
    """True frames, each ``(scale·h, scale·w, 3)`` uint8 RGB, full range."""
    fps: Fraction
    """Frames a second."""
    crf: int
    """How strongly the recording is to be compressed, in H.264's terms; 0 (not at all) to 51."""
    description: str
    """What was done to the ground truth, for reports."""


@dataclass(frozen=True)
class _Pose:
    """Where the camera looks in one frame: centre in scene pixels, turn in radians, magnification."""

    centre_y: float
    centre_x: float
    angle: float
    zoom: float


def _photo(name: str, height: int, width: int) -> Floats:
    """A photograph of scikit-image's wheel as ``(height, width, 3)`` in 0…255, tiled or cut to size."""
    from skimage import data

    image: Floats = np.asarray(getattr(data, name)(), dtype=np.float64)
    if image.ndim == 2:
        image = np.stack([image] * 3, axis=2)
    repeats = (-(-height // image.shape[0]), -(-width // image.shape[1]), 1)
    tiled: Floats = np.tile(image[:, :, :3], repeats)
    return np.ascontiguousarray(tiled[:height, :width])


def _hang(wall: Floats, name: str, top: int, left: int, height: int, width: int) -> None:
    """Put a photograph with a pale frame on the wall."""
    rim = 6
    wall[top - rim : top + height + rim, left - rim : left + width + rim] = 226.0
    wall[top : top + height, left : left + width] = _photo(name, height, width)


def _wall() -> Floats:
    wall = _photo("brick", *_WALL_HW) * np.array([1.05, 0.95, 0.88])
    _hang(wall, "astronaut", 60, 60, 500, 400)
    _hang(wall, "coffee", 70, 490, 340, 400)
    _hang(wall, "page", 450, 500, 190, 384)
    _hang(wall, "text", 600, 90, 140, 340)
    clipped: Floats = np.clip(wall, 0.0, 255.0)
    return clipped


def _card() -> Floats:
    """The sliding image with its coverage: ``(h, w, 4)`` premultiplied, with an empty border."""
    height, width = _CARD_HW
    margin = 12
    card = np.zeros((height + 2 * margin, width + 2 * margin, 4))
    inner = card[margin:-margin, margin:-margin]
    inner[:, :, :3] = _photo("chelsea", 300, 451)[60 : 60 + height, 130 : 130 + width]
    inner[:, :, 3] = 1.0
    return card


def _camera_path(num_frames: int, rng: np.random.Generator) -> list[_Pose]:
    """A smooth random walk, as of a hand: drift plus tremor, starting at the middle of the wall."""
    steps = rng.standard_normal((num_frames + 16, 4))
    kernel = np.hanning(9) / np.linalg.norm(np.hanning(9))
    smooth = np.stack([np.convolve(steps[:, i], kernel, "same") for i in range(4)], axis=1)[8 : 8 + num_frames]
    tremor = 0.35 * rng.standard_normal((num_frames, 2))
    walk = np.cumsum(smooth * [1.6, 2.0, 0.0009, 0.0012], axis=0)
    walk -= walk.mean(axis=0)
    walk[:, :2] = 36.0 * np.tanh((walk[:, :2] + tremor) / 36.0)
    return [_Pose(_CENTRE_YX[0] + y, _CENTRE_YX[1] + x, float(a), float(np.exp(z))) for y, x, a, z in walk]


def _sensor_filter(layer: Floats, scale: int) -> Floats:
    """Lens and pixel aperture (a ``scale``-wide box), applied in the Fourier domain; mirrored borders."""
    pad = 16
    padded = np.pad(layer, ((pad, pad), (pad, pad), (0, 0)), mode="symmetric")
    fy = np.fft.fftfreq(padded.shape[0])[:, None, None]
    fx = np.fft.rfftfreq(padded.shape[1])[None, :, None]
    sigma = _LENS_SIGMA * scale / 2
    response = np.exp(-2 * (math.pi * sigma) ** 2 * (fy**2 + fx**2)) * np.sinc(scale * fy) * np.sinc(scale * fx)
    spectrum = np.fft.rfft2(padded, axes=(0, 1)) * response
    filtered: Floats = np.fft.irfft2(spectrum, padded.shape[:2], axes=(0, 1))
    return filtered[pad:-pad, pad:-pad]


class _Layer:
    """An image prepared for sampling anywhere with quintic splines."""

    def __init__(self, image: Floats) -> None:
        from scipy import ndimage

        self._ndimage: Any = ndimage
        self._channels = [
            ndimage.spline_filter(image[:, :, c], order=5, mode="mirror").astype(np.float32)
            for c in range(image.shape[2])
        ]

    def at(self, rows: Floats, cols: Floats, outside: str) -> Floats:
        """Values at the coordinates, ``(..., C)``; ``outside`` is scipy's border mode."""
        sampled = [
            self._ndimage.map_coordinates(c, (rows, cols), order=5, mode=outside, prefilter=False)
            for c in self._channels
        ]
        return np.stack(sampled, axis=-1).astype(np.float64)


def _shoot(wall: _Layer, card: _Layer, pose: _Pose, frame: int, height: int, width: int, step: float) -> Floats:
    """The scene on a ``height`` × ``width`` grid whose pixels are ``step`` scene pixels apart, 0…255."""
    y = (np.arange(height) - (height - 1) / 2)[:, None] * step / pose.zoom
    x = (np.arange(width) - (width - 1) / 2)[None, :] * step / pose.zoom
    rows = pose.centre_y + y * math.cos(pose.angle) - x * math.sin(pose.angle)
    cols = pose.centre_x + y * math.sin(pose.angle) + x * math.cos(pose.angle)
    back = wall.at(rows, cols, "mirror")
    top, left = (start + frame * move for start, move in zip(_CARD_START_YX, _CARD_STEP_YX, strict=True))
    front = card.at(rows - top, cols - left, "constant")
    return back * (1.0 - front[:, :, 3:]) + front[:, :, :3]


def _quantise(image: Floats) -> Bytes:
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def make_clip(
    num_frames: int = 24,
    *,
    seed: int = 7,
    lr_height: int = 240,
    lr_width: int = 320,
    scale: int = 2,
    noise_sigma: float = 2.0,
    fps: Fraction = Fraction(25),
) -> DemoClip:
    """Film the wall out of the hand: the same arguments give the same arrays.

    ``noise_sigma`` is Gaussian read noise in 8-bit code values. Needs scikit-image.
    """
    rng = np.random.default_rng(seed)
    poses = _camera_path(num_frames, rng)
    wall, card = _wall(), _card()
    sharp = (_Layer(wall), _Layer(card))
    seen = (_Layer(_sensor_filter(wall, scale)), _Layer(_sensor_filter(card, scale)))
    hr_frames, lr_frames = [], []
    for frame, pose in enumerate(poses):
        hr_frames.append(_quantise(_shoot(*sharp, pose, frame, scale * lr_height, scale * lr_width, 1.0)))
        clean = _shoot(*seen, pose, frame, lr_height, lr_width, float(scale))
        lr_frames.append(_quantise(clean + noise_sigma * rng.standard_normal(clean.shape)))
    description = (
        f"{num_frames} frames, hand-held camera over a wall of photographs; lens and sensor blur, "
        f"1/{scale} of the pixels, noise {noise_sigma:g}/255"
    )
    return DemoClip("hand-held", tuple(lr_frames), tuple(hr_frames), fps, 16, description)


def make_ordinary_clip(
    num_frames: int = 12,
    *,
    seed: int = 7,
    lr_height: int = 240,
    lr_width: int = 320,
    scale: int = 2,
    noise_sigma: float = 1.0,
    fps: Fraction = Fraction(25),
) -> DemoClip:
    """Film the wall from a tripod, the card moving in front: the same arguments give the same arrays.

    Each recorded pixel is the mean of ``scale`` × ``scale`` true ones. ``noise_sigma`` and needs as for `make_clip`.
    """
    rng = np.random.default_rng(seed)
    wall, card, pose = _Layer(_wall()), _Layer(_card()), _Pose(*_CENTRE_YX, 0.0, 1.0)
    hr_frames, lr_frames = [], []
    for frame in range(num_frames):
        hr_frames.append(_quantise(_shoot(wall, card, pose, frame, scale * lr_height, scale * lr_width, 1.0)))
        clean = hr_frames[-1].reshape(lr_height, scale, lr_width, scale, 3).mean(axis=(1, 3))
        lr_frames.append(_quantise(clean + noise_sigma * rng.standard_normal(clean.shape)))
    crf = 28
    description = (
        f"{num_frames} frames, camera on a tripod before the same wall; areas averaged, 1/{scale} of the pixels, "
        f"noise {noise_sigma:g}/255, H.264 with crf {crf}"
    )
    return DemoClip("ordinary", tuple(lr_frames), tuple(hr_frames), fps, crf, description)


def make_tone(seconds: Fraction, *, sample_rate: int = 48_000, channels: int = 2) -> NDArray[np.int16]:
    """A soft two-note chord with a beep each second, ``(samples, channels)`` int16, for the clip's sound."""
    time = np.arange(int(seconds * sample_rate)) / sample_rate
    chord = 0.12 * np.sin(2 * math.pi * 220.0 * time) + 0.08 * np.sin(2 * math.pi * 277.18 * time)
    beep = 0.25 * np.sin(2 * math.pi * 880.0 * time) * (np.mod(time, 1.0) < 0.08)
    mono = np.rint(32767 * np.clip(chord + beep, -1.0, 1.0)).astype(np.int16)
    return np.repeat(mono[:, None], channels, axis=1)

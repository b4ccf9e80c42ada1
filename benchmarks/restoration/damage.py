"""Dirt from a seed, and small things that move, on ``(T, H, W)`` luma of 8 bits in video range."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

Frames = NDArray[np.uint8]

BLACK, WHITE = 16.0, 235.0


@dataclass(frozen=True)
class Damage:
    """Damaged frames and where they are damaged."""

    frames: Frames
    change: NDArray[np.int16]
    """``(T, H, W)``: codes by which a pixel was changed."""


def _blot(rng: np.random.Generator, size_px: int) -> NDArray[np.float64]:
    """Opacity of a blot, ``(n, n)``: noise that was blurred and cut off, inside a soft circle."""
    side = 2 * size_px + 5
    axis = np.linspace(-1, 1, side)
    rough = gaussian_filter(rng.standard_normal((side, side)), max(0.6, size_px / 4))
    rough /= max(rough.std(), 1e-6)
    shape = 0.55 - np.hypot(axis[:, None], axis) + 0.12 * rough
    return np.asarray(np.clip(shape * size_px / 1.2 + 0.5, 0, 1))


def _hair(rng: np.random.Generator, length_px: int) -> NDArray[np.float64]:
    """Opacity of a bent hair, ``(n, n)``."""
    side = length_px + 8
    along = np.linspace(0, 1, 8 * length_px)
    angle, bend = rng.uniform(0, 2 * np.pi), rng.uniform(-2, 2)
    turn = angle + bend * along
    rows, cols = (np.cumsum(f(turn)) / 8 for f in (np.sin, np.cos))
    rows, cols = (line - line.mean() + side / 2 for line in (rows, cols))
    drawn = np.zeros((side, side))
    drawn[np.clip(rows, 0, side - 1).astype(int), np.clip(cols, 0, side - 1).astype(int)] = 1
    return np.asarray(np.clip(2.2 * gaussian_filter(drawn, 0.6), 0, 1))


def _paste(image: NDArray[np.float64], opacity: NDArray[np.float64], top: int, left: int, code: float) -> None:
    """Blend ``code`` into ``image``, in place; what lies outside is cut off."""
    height, width = image.shape
    rows, cols = (
        slice(max(a, 0), min(a + n, m)) for a, n, m in zip((top, left), opacity.shape, (height, width), strict=True)
    )
    part = opacity[rows.start - top : rows.stop - top, cols.start - left : cols.stop - left]
    if part.size:
        image[rows, cols] += part * (code - image[rows, cols])


def add_dirt(frames: Frames, seed: int, *, spots: float = 20.0, largest_px: int = 8) -> Damage:
    """Dark and light blots, sparkle, hairs and dropouts, a Poisson number of them a frame, at random places."""
    rng = np.random.default_rng(seed)
    made = np.empty_like(frames)
    for number, frame in enumerate(frames):
        image = frame.astype(np.float64)
        for _ in range(rng.poisson(spots)):
            kind = rng.choice(4, p=[0.6, 0.2, 0.12, 0.08])
            top, left = (int(rng.integers(0, side)) for side in frame.shape)
            code = rng.uniform(BLACK, 50) if rng.random() < 0.5 else rng.uniform(200, WHITE)
            if kind == 0:
                opacity = _blot(rng, int(rng.integers(2, largest_px + 1))) * rng.uniform(0.7, 1)
            elif kind == 1:
                opacity = np.ones((1, int(rng.integers(1, 3))))
            elif kind == 2:
                opacity = _hair(rng, int(rng.integers(8, 24)))
            else:
                opacity = np.full((int(rng.integers(1, 3)), int(rng.integers(8, 24))), 0.9)
            _paste(image, opacity, top - opacity.shape[0] // 2, left - opacity.shape[1] // 2, code)
        made[number] = np.clip(np.rint(image), 0, 255)
    return Damage(made, made.astype(np.int16) - frames)


@dataclass(frozen=True)
class Mover:
    """Small things that are part of the scene."""

    count: int
    """At a time."""
    size_px: tuple[float, float]
    """Height and width of a disc or streak; its ends are soft."""
    step_yx: tuple[float, float]
    """From frame to frame."""
    spread: float
    """By which steps differ from one thing to the next, as a share."""
    code: float
    opacity: float


MOVERS = {
    "birds": Mover(5, (3.0, 4.0), (-1.5, 6.0), 0.4, 30.0, 0.9),
    "ball": Mover(1, (6.0, 6.0), (4.0, 13.0), 0.1, 225.0, 1.0),
    "rain": Mover(60, (12.0, 1.3), (22.0, 3.0), 0.1, 220.0, 0.35),
}
"""By name."""


def add_movers(frames: Frames, name: str, seed: int) -> Damage:
    """Things that fly over the scene evenly; where one leaves the frame it comes in again at the other side."""
    mover, rng = MOVERS[name], np.random.default_rng(seed)
    size = np.array(frames.shape[1:], np.float64)
    places = rng.uniform(0, 1, (mover.count, 2)) * size
    steps = np.array(mover.step_yx) * (1 + mover.spread * rng.uniform(-1, 1, (mover.count, 1)))
    if mover.count == 1:
        places = size / 2 - steps * (len(frames) - 1) / 2  # seen all the time
    rows, cols = (np.arange(side, dtype=np.float64) for side in frames.shape[1:])
    made = np.empty_like(frames)
    tall, wide = mover.size_px
    slant = mover.step_yx[1] / mover.step_yx[0] if tall > 3 * wide else 0.0
    for number, frame in enumerate(frames):
        image = frame.astype(np.float64)
        for row, col in (places + number * steps) % size:
            down = rows[:, None] - row
            across = cols - col - slant * down
            opacity = np.clip((1 - np.hypot(2 * down / tall, 2 * across / wide)) * min(tall, wide) / 2 + 0.5, 0, 1)
            image += mover.opacity * opacity * (mover.code - image)
        made[number] = np.clip(np.rint(image), 0, 255)
    return Damage(made, made.astype(np.int16) - frames)

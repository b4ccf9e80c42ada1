"""Still images as a camera would film them: in a hand, panning, on a tripod, zooming. Seeded.

Each function takes an image ``(H, W)`` uint8, the number of frames and the size ``(h, w)`` of what is seen of it,
which leaves `MARGIN_PX` of the image on every side, and gives ``(T, h, w)`` uint8.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

MARGIN_PX = 16
"""How far the camera may wander from the middle of the image."""

Image = NDArray[np.uint8]
Movement = Callable[[Image, int, tuple[int, int], np.random.Generator], Image]

_REACH_PX = 11.0  # of a hand; what is left of the margin is for turning and for the cubic's own reach
_TURN = 0.006  # radians, at most
_SPRITES = 3


def _seen(image: Image, size_yx: tuple[int, int], shift_yx: tuple[float, float], turn: float, zoom: float) -> Image:
    """The window of ``size_yx`` about the image's middle plus ``shift_yx``, turned and magnified, by cubics."""
    (height, width), (rows, columns) = size_yx, image.shape
    across, along = np.cos(turn) / zoom, np.sin(turn) / zoom
    linear = np.array([[across, -along], [along, across]])
    middle = np.array([(columns - 1) / 2 + shift_yx[1], (rows - 1) / 2 + shift_yx[0]])
    offset = middle - linear @ np.array([(width - 1) / 2, (height - 1) / 2])
    matrix = np.concatenate([linear, offset[:, None]], axis=1)
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(image, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REFLECT))


def _wander(count: int, step: float, limit: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """A path that starts anywhere near 0, has inertia and stays within ±``limit``."""
    speeds = np.zeros(count)
    speeds[0] = rng.normal(0, step)
    for number in range(1, count):
        speeds[number] = 0.8 * speeds[number - 1] + 0.6 * rng.normal(0, step)
    return np.asarray(limit * np.tanh((rng.normal(0, step) + np.cumsum(speeds)) / limit))


def hand(image: Image, count: int, size_yx: tuple[int, int], rng: np.random.Generator) -> Image:
    """Trembles by about a pixel a frame, and turns a little."""
    down, right = (_wander(count, 0.9, _REACH_PX, rng) for _ in range(2))
    turns = _wander(count, _TURN / 4, _TURN, rng)
    return np.stack([_seen(image, size_yx, place[:2], place[2], 1.0) for place in zip(down, right, turns, strict=True)])


def _to_and_fro(place: int, end: int) -> int:
    """``place`` of something that turns back at 0 and at ``end``."""
    return end - abs(place % (2 * end) - end)


def _corner(image: Image, size_yx: tuple[int, int]) -> tuple[int, int]:
    return (image.shape[0] - size_yx[0]) // 2, (image.shape[1] - size_yx[1]) // 2


def pan(image: Image, count: int, size_yx: tuple[int, int], rng: np.random.Generator) -> Image:
    """Moves by whole pixels, always as many, and turns back at the margin. No sample is interpolated."""
    speeds = int(rng.integers(0, 2)), int(rng.integers(1, 4))
    starts, signs = rng.integers(0, 2 * MARGIN_PX, 2), rng.choice([-1, 1], 2)
    top, left = _corner(image, size_yx)
    frames = []
    for number in range(count):
        places = [int(start) + int(sign) * v * number for start, sign, v in zip(starts, signs, speeds, strict=True)]
        down, right = (_to_and_fro(place, 2 * MARGIN_PX) - MARGIN_PX for place in places)
        frames.append(image[top + down : top + down + size_yx[0], left + right : left + right + size_yx[1]])
    return np.stack(frames)


def tripod(image: Image, count: int, size_yx: tuple[int, int], rng: np.random.Generator) -> Image:
    """Nothing moves but a few soft-edged ovals, cut from elsewhere in the image."""
    height, width = size_yx
    top, left = _corner(image, size_yx)
    frames = np.repeat(image[None, top : top + height, left : left + width].astype(np.float32), count, axis=0)
    tall, wide = height // 4, width // 6
    rows, columns = np.mgrid[-1 : 1 : tall * 1j, -1 : 1 : wide * 1j]
    opacity = np.clip((1 - np.hypot(rows, columns)) * min(tall, wide) / 3, 0, 1).astype(np.float32)
    for _ in range(_SPRITES):
        y, x = (int(rng.integers(0, side - part)) for side, part in zip(image.shape, (tall, wide), strict=True))
        sprite = image[y : y + tall, x : x + wide].astype(np.float32)
        y, x = (int(rng.integers(0, side - part)) for side, part in zip(size_yx, (tall, wide), strict=True))
        down, right = (int(speed) for speed in rng.choice([-3, -2, -1, 1, 2, 3], 2))
        for number in range(count):
            row, column = _to_and_fro(y + down * number, height - tall), _to_and_fro(x + right * number, width - wide)
            place = frames[number, row : row + tall, column : column + wide]
            place += opacity * (sprite - place)
    return np.rint(frames).astype(np.uint8)


def zoom(image: Image, count: int, size_yx: tuple[int, int], rng: np.random.Generator) -> Image:
    """Comes nearer by 0.4 to 1.2 % a frame, or goes away as fast; the widest frame is the image itself."""
    rate = rng.uniform(0.004, 0.012)
    frames = [_seen(image, size_yx, (0.0, 0.0), 0.0, float(np.exp(rate * number))) for number in range(count)]
    return np.stack(frames[:: int(rng.choice([-1, 1]))])


MOVEMENTS: Mapping[str, Movement] = MappingProxyType({"hand": hand, "pan": pan, "tripod": tripod, "zoom": zoom})
"""All of them, by name."""

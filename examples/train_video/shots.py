"""Shots to learn from: cut from clips, or made of still images by moving them; then made small, noisy, compressed.

Everything is luma in video range (16…235), in codes of 255, as videos hold it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d

from vsr.errors import InputError, UsageError, nearest
from vsr.media.compression import compress_luma
from vsr.media.damage import Damage
from vsr.media.image_files import IMAGE_FILE_SUFFIXES, read_image
from vsr.media.luma import LumaCode, read_luma
from vsr.media.probe import probe_media
from vsr.media.suffixes import VIDEO_SUFFIXES
from vsr.observation import resample
from vsr.observation.blur import GaussianBlur

__all__ = ["CODED_FRAMES", "DEGRADATIONS", "LEAST_PX", "SMALL_PX", "Luma", "Shots", "degrade", "whole_clip"]

Luma = NDArray[np.uint8]

CODED_FRAMES = 16
"""Frames of a shot that go through an encoder together; those that are learnt from lie anywhere in its groups."""
SMALL_PX, LEAST_PX = 112, 56
"""Side of a small frame, at most and at least."""

_CLIP_FRAMES = 100  # from a clip's start
_CLIP_SHARE = 0.62
_SIZES = (1.0, 1.0, 0.8, 0.65)  # of images
_MARGIN_PX = 16  # of an image around the window, for the camera to wander in
_BT709 = (0.2126, 0.7152, 0.0722)
_TRIES = 50

DEGRADATIONS: list[dict[str, object]] = [
    {"shrink": {"area": 0.3, "bicubic": 0.25, "camera": 0.45}, "camera_blur_px": [0.15, 0.7]},
    {"noise": {"probability": 0.18, "codes": [1.0, 9.0]}},
    {
        "compression": {
            "none": 0.22,
            "h264": {"share": 0.33, "crf": [16, 34], "preset": "medium"},
            "hevc": {"share": 0.1, "crf": [22, 36], "preset": "fast"},
            "mpeg2": {"share": 0.11, "quantiser": [2, 8]},
            "mjpeg": {"share": 0.06, "quantiser": [2, 8]},
            "noisy": {"h264": 0.85, "crf": [18, 28], "none": 0.15},
        }
    },
]
"""What `degrade` draws, as the metadata of the weights tell it."""


@dataclass
class Shots:
    """Where shots are cut from; files are read on first use and kept in memory."""

    images: list[Path]
    clips: list[Path]
    _read: dict[Path, Luma] = field(default_factory=dict)

    @classmethod
    def found_in(cls, images: Sequence[Path], clips: Sequence[Path]) -> Shots:
        """Files of folders, by their suffixes. `InputError` where a folder is missing or holds none."""
        kinds = ((images, IMAGE_FILE_SUFFIXES | {".webp"}), (clips, VIDEO_SUFFIXES))
        found = cls(*([file for folder in folders for file in _files(folder, kind)] for folders, kind in kinds))
        if not found.images and not found.clips:
            raise UsageError("nothing to learn from; name folders with --images or --clips")
        return found

    def split(self, held_back: Sequence[str]) -> tuple[Shots, Shots]:
        """What is left and what is held back, by names without suffix. `UsageError` for a name that no file has."""
        stems = {path.stem for path in [*self.images, *self.clips]}
        for name in held_back:
            if name not in stems:
                raise UsageError(f"--hold-back {name}: no image or clip is called that{nearest(name, stems)}")
        kept, back = (
            Shots(*([path for path in kind if (path.stem in held_back) is held] for kind in (self.images, self.clips)))
            for held in (False, True)
        )
        if not (kept.images or kept.clips) or not (back.images or back.clips):
            raise UsageError("some files are for training, others for measuring: name these by --hold-back")
        return kept, back

    def draw(self, rng: np.random.Generator, scale: int) -> Luma:
        """``(16, H, W)``, sides of at most 112 small pixels. `InputError` where images are too small for any."""
        for _ in range(_TRIES):
            if self.clips and (not self.images or rng.random() < _CLIP_SHARE):
                shot = _cut(self._clip(self.clips[rng.integers(len(self.clips))]), rng, scale)
            else:
                shot = self._moved(rng, scale)
            if min(shot.shape[1:]) >= scale * LEAST_PX:
                break
        else:
            side = LEAST_PX * scale
            raise InputError(f"images and clips are too small: each needs {side}x{side} pixels")
        for axis in (1, 2):
            shot = np.flip(shot, axis) if rng.random() < 0.5 else shot
        shot = shot.transpose(0, 2, 1) if rng.random() < 0.5 else shot
        return np.ascontiguousarray(shot)

    def _image(self, path: Path) -> Luma:
        if path not in self._read:
            stored = read_image(path)
            full = stored.astype(np.float32) / np.iinfo(stored.dtype).max
            luma = full if full.ndim == 2 else full @ np.array(_BT709, np.float32)
            self._read[path] = np.round(16 + 219 * luma).astype(np.uint8)
        return self._read[path]

    def _clip(self, path: Path) -> Luma:
        if path not in self._read:
            self._read[path] = _decode(path, _CLIP_FRAMES)
        return self._read[path]

    def _moved(self, rng: np.random.Generator, scale: int) -> Luma:
        """An image in a hand, panned, at rest or zoomed; in every third of them an oval of another passes."""
        image = self._image(self.images[rng.integers(len(self.images))])
        size = rng.choice(_SIZES)
        if size < 1:
            image = cv2.resize(image, None, fx=size, fy=size, interpolation=cv2.INTER_AREA)
        tall, wide = (min(SMALL_PX * scale, side - 2 * _MARGIN_PX) // scale * scale for side in image.shape)
        if min(tall, wide) < scale:
            return np.zeros((CODED_FRAMES, 0, 0), np.uint8)
        top, left = (rng.integers(0, side - part + 1) for side, part in zip(image.shape, (tall, wide), strict=True))
        shot = _filmed(image, (tall, wide), (int(top), int(left)), rng)
        if rng.random() < 1 / 3:
            shot = _passed_by(shot, self._image(self.images[rng.integers(len(self.images))]), rng)
        if rng.random() < 0.1:  # the light changes
            at, gain = rng.integers(1, CODED_FRAMES), rng.uniform(0.85, 1.15)
            shot[at:] = 16 + (shot[at:] - 16) * gain
        return np.rint(shot).clip(0, 255).astype(np.uint8)


def whole_clip(path: Path, scale: int) -> tuple[Luma, Luma]:
    """The first 16 frames of a clip, ``(T, H, W)``, and these shrunk by cubics."""
    frames = _decode(path, CODED_FRAMES)
    height, width = (side // scale for side in frames.shape[1:])
    frames = frames[:, : scale * height, : scale * width]
    small = _by_cubics(torch.from_numpy(frames).float(), scale).numpy()
    return frames, small.round().clip(0, 255).astype(np.uint8)


def _decode(path: Path, most_frames: int) -> Luma:
    code = LumaCode(8, full_range=False, matrix=1)
    frames = itertools.islice(read_luma(probe_media(path), code, Damage()), most_frames)
    planes = [frame.luma.round().clip(0, 255).astype(np.uint8) for frame in frames]
    if len(planes) < 2:
        raise InputError(f"{path}: holds fewer than two frames that can be decoded")
    return np.stack(planes)


def _by_cubics(frames: Tensor, scale: int) -> Tensor:
    size = (int(frames.shape[1]) // scale, int(frames.shape[2]) // scale)
    return resample(frames, size, kernel="bicubic", scale_yx=(1 / scale, 1 / scale))


def _files(folder: Path, suffixes: frozenset[str] | set[str]) -> list[Path]:
    try:
        found = sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes)
    except OSError as error:
        raise InputError(f"{folder}: cannot be read ({error.strerror or error}); name a folder") from error
    if not found:
        raise InputError(f"{folder}: holds nothing of the kind that is looked for")
    return found


def _cut(frames: Luma, rng: np.random.Generator, scale: int) -> Luma:
    """Sixteen frames of a clip, there and back again where it is shorter, forward or backward."""
    frames = frames[::-1] if rng.random() < 0.5 else frames
    first = int(rng.integers(0, max(1, len(frames) - CODED_FRAMES + 1)))
    period = 2 * (len(frames) - 1)
    places = [(first + number) % period for number in range(CODED_FRAMES)]
    chosen = frames[[min(place, period - place) for place in places]]
    tall, wide = (min(SMALL_PX * scale, side) // scale * scale for side in chosen.shape[1:])
    top, left = (rng.integers(0, side - part + 1) for side, part in zip(chosen.shape[1:], (tall, wide), strict=True))
    return chosen[:, top : top + tall, left : left + wide]


def _filmed(
    image: Luma, size_yx: tuple[int, int], corner_yx: tuple[int, int], rng: np.random.Generator
) -> NDArray[np.float32]:
    """``(16, *size_yx)``: what a camera sees of ``image`` about a place in it, by cubics."""
    manner = rng.choice(["hand", "hand", "pan", "rest", "zoom"])
    numbers = np.arange(CODED_FRAMES)[:, None]
    path, turns, zooms = np.zeros((CODED_FRAMES, 2)), np.zeros(CODED_FRAMES), np.ones(CODED_FRAMES)
    if manner == "hand":
        path, turns = _wander((CODED_FRAMES, 2), 0.9, 11.0, rng), _wander((CODED_FRAMES,), 0.0015, 0.006, rng)
    elif manner == "pan":
        path = (numbers - CODED_FRAMES // 2) * rng.integers(-2, 3, 2)
    elif manner == "zoom":
        zooms = np.exp(rng.choice([-1, 1]) * rng.uniform(0.004, 0.012) * numbers[:, 0])
    tall, wide = size_yx
    middle = np.array([corner_yx[1] + (wide - 1) / 2, corner_yx[0] + (tall - 1) / 2])
    frames = []
    for (down, right), turn, zoom in zip(path, turns, zooms, strict=True):
        across, along = np.cos(turn) / zoom, np.sin(turn) / zoom
        linear = np.array([[across, -along], [along, across]])
        offset = middle + np.array([right, down]) - linear @ ((wide - 1) / 2, (tall - 1) / 2)
        matrix = np.concatenate([linear, offset[:, None]], axis=1)
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        frames.append(cv2.warpAffine(image, matrix, (wide, tall), flags=flags, borderMode=cv2.BORDER_REFLECT))
    return np.stack(frames).astype(np.float32)


def _wander(shape: tuple[int, ...], step: float, limit: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Paths with inertia that stay within ±``limit``, along the first axis."""
    speeds = np.zeros(shape)
    for number in range(len(speeds)):
        before = speeds[number - 1] if number else 0.0
        speeds[number] = 0.8 * before + 0.6 * rng.normal(0, step, shape[1:])
    return np.asarray(limit * np.tanh(np.cumsum(speeds, axis=0) / limit))


def _passed_by(shot: NDArray[np.float32], other: Luma, rng: np.random.Generator) -> NDArray[np.float32]:
    """``shot`` with an oval of another image moving through it, soft at its edge."""
    height, width = shot.shape[1:]
    tall, wide = min(height // 3, other.shape[0]), min(width // 3, other.shape[1])
    top, left = rng.integers(0, other.shape[0] - tall + 1), rng.integers(0, other.shape[1] - wide + 1)
    oval = other[top : top + tall, left : left + wide].astype(np.float32)
    rows, columns = np.mgrid[-1 : 1 : tall * 1j, -1 : 1 : wide * 1j]
    opacity = np.clip((1 - np.hypot(rows, columns)) * min(tall, wide) / 3, 0, 1).astype(np.float32)
    place, speed = rng.uniform((0, 0), (width - wide, height - tall)), rng.normal(0, 3, 2)
    for number, frame in enumerate(shot):
        matrix = np.array([[1, 0, place[0] + speed[0] * number], [0, 1, place[1] + speed[1] * number]])
        weight = cv2.warpAffine(opacity, matrix, (width, height))
        moved = cv2.warpAffine(oval, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        frame += weight * (moved - frame)
    return shot


def degrade(shot: Luma, rng: np.random.Generator, scale: int) -> tuple[Luma, str]:
    """``(T, H, W)`` → ``(T, h, w)`` and the kind of source; see `DEGRADATIONS`."""
    shrinking = rng.choice(["area", "bicubic", "camera"], p=[0.3, 0.25, 0.45])
    frames = torch.from_numpy(shot).float()
    if shrinking == "bicubic":
        small = _by_cubics(frames, scale)
    else:
        if shrinking == "camera":
            blur = rng.uniform(0.15, 0.7) * scale
            frames = GaussianBlur(blur, blur).A(frames)
        small = avg_pool2d(frames[:, None], scale)[:, 0]
    drawn = rng.random()
    noise = rng.uniform(1, 9) if drawn > 0.82 else 0.0
    recorded = (small.numpy() + rng.normal(0, noise, tuple(small.shape))) if noise else small.numpy()
    recorded = recorded.round().clip(0, 255).astype(np.uint8)
    codec, quality = _draw_codec(drawn, rng)
    kind = f"{'noise, ' if noise else ''}{codec or 'clean'}"
    if not codec:
        return recorded, kind
    return compress_luma(recorded, codec, quality, preset="fast" if codec == "hevc" else "medium"), kind


def _draw_codec(drawn: float, rng: np.random.Generator) -> tuple[str, float]:
    """Codec (none: "") and quality."""
    if drawn < 0.22:
        return "", 0.0
    if drawn < 0.55:
        return "h264", rng.uniform(16, 34)
    if drawn < 0.65:
        return "hevc", rng.uniform(22, 36)
    if drawn < 0.82:
        return ("mpeg2" if drawn < 0.76 else "mjpeg"), rng.uniform(2, 8)
    return ("h264", rng.uniform(18, 28)) if rng.random() < 0.85 else ("", 0.0)

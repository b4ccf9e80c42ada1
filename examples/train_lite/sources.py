"""Images whose history is known: short shots made small, noisy and compressed, each beside its ground truth.

Everything is luma in video range (16…235), in codes of 255, as videos hold it.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

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
from vsr.networks.source import LEAST_SIDE_PX, statistics_of_shot
from vsr.observation import resample
from vsr.observation.blur import GaussianBlur

__all__ = ["DEGRADATIONS", "History", "Item", "Scenes", "make_items", "read_scenes"]

Shrinking = Literal["area", "bicubic", "camera"]
Luma = NDArray[np.uint8]

NUM_FRAMES = 5
SMALL_PX = 96  # side of the small image, or less
CLIP_FRAMES = 28  # from a clip's start
CLIP_SHARE = 0.4  # of shots that are cut from clips; images that move make the others
BT709 = (0.2126, 0.7152, 0.0722)
LEAST_MOVING_PX = 40  # side of the small image; where motion would leave less, the image stands still
TRIES = 20  # to make an item, on average, before giving up

DEGRADATIONS: list[dict[str, object]] = [
    {"shrink": {"area": 0.4, "bicubic": 0.25, "camera": 0.35}, "camera_blur_px": [0.15, 0.7]},
    {"noise": {"probability": 0.3, "codes": [0.5, 9.0]}},
    {
        "compression": {
            "none": 0.22,
            "h264": {"share": 0.48, "crf": [15, 36], "preset": "medium"},
            "hevc": {"share": 0.12, "crf": [22, 39], "preset": "fast"},  # as 18 to 35 with x265's cutree, here left off
            "mpeg2": {"share": 0.09, "quantiser": [2, 10]},
            "mjpeg": {"share": 0.09, "quantiser": [2, 10]},
        }
    },
]
"""What `degrade` draws, as the metadata of the weights tell it.

Clean items have the first two shrinkings alone, 2 of 7 by averaging.
"""


@dataclass(frozen=True)
class History:
    """How a small image came about."""

    shrinking: Shrinking
    """``camera`` blurs first; all average over a pixel's area but ``bicubic``."""
    blur_px: float = 0.0
    """Standard deviation, in pixels of the small image."""
    noise_codes: float = 0.0
    codec: str = ""
    error_codes: float = 0.0
    """Root mean square of what compression changed."""

    @property
    def kind(self) -> str:
        """What tables of figures call it."""
        return self.codec or f"{'noisy' if self.noise_codes else 'clean'}, {self.shrinking}"


@dataclass(frozen=True)
class Item:
    """One frame, small and true."""

    small: Luma
    hr: Luma
    history: History
    found: Tensor
    """`statistics_of_shot` of the shot that ``small`` is of."""


@dataclass
class Scenes:
    """Where shots are cut from; files are read on first use and kept in memory."""

    images: list[Path]
    clips: list[Path]
    _read: dict[Path, Luma] = field(default_factory=dict)

    def image(self, path: Path) -> Luma:
        """``(H, W)``: BT.709 luma of an image."""
        if path not in self._read:
            stored = read_image(path)
            full = stored.astype(np.float32) / np.iinfo(stored.dtype).max
            luma = full if full.ndim == 2 else full @ np.array(BT709, np.float32)
            self._read[path] = np.round(16 + 219 * luma).astype(np.uint8)
        return self._read[path]

    def clip(self, path: Path) -> Luma:
        """``(T, H, W)``: the luma of a clip's first frames."""
        if path not in self._read:
            code = LumaCode(8, full_range=False, matrix=1)
            frames = itertools.islice(read_luma(probe_media(path), code, Damage()), CLIP_FRAMES)
            planes = [frame.luma for frame in frames]
            if not planes:
                raise InputError(f"{path}: holds no frame that can be decoded")
            self._read[path] = np.stack([plane.round().clip(0, 255).astype(np.uint8) for plane in planes])
        return self._read[path]

    def shot(self, rng: np.random.Generator, scale: int) -> Luma:
        """``(5, H, W)``, sides of at most 96 small pixels; fewer frames where a clip is shorter."""
        from_clip = rng.random() < CLIP_SHARE
        if self.clips and (from_clip or not self.images):
            shot = _cut_from_clip(self.clip(self.clips[rng.integers(len(self.clips))]), rng, scale)
        else:
            shot = _moving_image(self.image(self.images[rng.integers(len(self.images))]), rng, scale)
        if rng.random() < 0.5:
            shot = shot[:, :, ::-1]
        if rng.random() < 0.5:
            shot = shot[:, ::-1]
        return np.ascontiguousarray(shot)

    def without(self, names: Sequence[str], rng: np.random.Generator) -> tuple[Scenes, Scenes]:
        """What is left and what is held back: files of these names, or where there are none one in twenty of each kind.

        `UsageError` for a name that no file has.
        """
        stems = {path.stem for path in [*self.images, *self.clips]}
        for name in names:
            if name not in stems:
                raise UsageError(f"--hold-back {name}: no image or clip is called that{nearest(name, stems)}")
        if names:
            back = {path for path in [*self.images, *self.clips] if path.stem in names}
        else:
            back = {path for kind in (self.images, self.clips) for path in _one_in_twenty(kind, rng)}
        kept, held = (
            Scenes(
                [path for path in self.images if (path in back) is is_back],
                [path for path in self.clips if (path in back) is is_back],
            )
            for is_back in (False, True)
        )
        if not (kept.images or kept.clips) or not back:
            raise UsageError("too few images and clips: some are for training, others are held back for measuring")
        return kept, held


def _one_in_twenty(paths: list[Path], rng: np.random.Generator) -> list[Path]:
    count = max(1, len(paths) // 20) if len(paths) > 1 else 0
    return [paths[number] for number in rng.permutation(len(paths))[:count]]


def read_scenes(images: Sequence[Path], clips: Sequence[Path]) -> Scenes:
    """Find the files in folders, by their suffixes. `InputError` where a folder is missing or holds none."""
    if not images and not clips:
        raise UsageError("nothing to learn from; name folders with --images or --clips")
    return Scenes(
        [path for folder in images for path in _files(folder, IMAGE_FILE_SUFFIXES | {".webp"}, "image")],
        [path for folder in clips for path in _files(folder, VIDEO_SUFFIXES, "video")],
    )


def _files(folder: Path, suffixes: Collection[str], kind: str) -> list[Path]:
    try:
        found = sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes)
    except OSError as error:
        raise InputError(f"{folder}: cannot be read ({error.strerror or error}); name a folder") from error
    if not found:
        raise InputError(f"{folder}: holds no {kind}")
    return found


def _sides(shape: tuple[int, ...], scale: int) -> tuple[int, int]:
    """Of the window that is cut from images of this shape ``(…, H, W)``."""
    height, width = (min(side, SMALL_PX * scale) // scale * scale for side in shape[-2:])
    return height, width


def _cut_from_clip(frames: Luma, rng: np.random.Generator, scale: int) -> Luma:
    first = rng.integers(0, max(1, len(frames) - NUM_FRAMES + 1))
    height, width = _sides(frames.shape, scale)
    top, left = rng.integers(0, frames.shape[1] - height + 1), rng.integers(0, frames.shape[2] - width + 1)
    return frames[first : first + NUM_FRAMES, top : top + height, left : left + width]


def _moving_image(image: Luma, rng: np.random.Generator, scale: int) -> Luma:
    """A window that stands still (35 %), slides, or slides and trembles (30 %), by whole pixels of the ground truth."""
    size = rng.choice([1, 1, 0.8, 0.6])
    if size < 1 and min(image.shape) * size >= SMALL_PX * scale:
        image = cv2.resize(image, None, fx=size, fy=size, interpolation=cv2.INTER_AREA)
    height, width = _sides(image.shape, scale)
    manner = rng.random()
    speed = np.zeros(2) if manner < 0.35 else rng.normal(0, 1.5 * scale, 2)
    tremble = rng.normal(0, 0.6 * scale, (NUM_FRAMES, 2)) if manner > 0.7 else 0
    path = np.round(np.arange(NUM_FRAMES)[:, None] * speed + tremble).astype(int)
    path -= path.min(0)
    room_y, room_x = np.array(image.shape) - path.max(0)
    if room_y < height or room_x < width:
        height, width = min(height, room_y // scale * scale), min(width, room_x // scale * scale)
        if min(height, width) < scale * LEAST_MOVING_PX:
            path[:] = 0
            height, width = _sides(image.shape, scale)
    room_y, room_x = np.array(image.shape) - path.max(0)
    top, left = rng.integers(0, room_y - height + 1), rng.integers(0, room_x - width + 1)
    return np.stack([image[top + y : top + y + height, left + x : left + x + width] for y, x in path])


def _shrunk(shot: Luma, shrinking: Shrinking, blur_px: float, scale: int) -> Tensor:
    """``(T, h, w)`` unrounded."""
    frames = torch.from_numpy(shot).float()
    if shrinking == "bicubic":
        size = (shot.shape[1] // scale, shot.shape[2] // scale)
        return resample(frames, size, kernel="bicubic", scale_yx=(1 / scale, 1 / scale))
    if blur_px > 0:
        frames = GaussianBlur(blur_px * scale, blur_px * scale).A(frames)
    return avg_pool2d(frames[:, None], scale)[:, 0]


def _draw_compression(rng: np.random.Generator) -> tuple[str, float, str]:
    """Codec (none: ""), quality and preset."""
    drawn = rng.random()
    if drawn < 0.22:
        return "", 0.0, ""
    if drawn < 0.70:
        return "h264", rng.uniform(15, 36), "medium"
    if drawn < 0.82:
        return "hevc", rng.uniform(22, 39), "fast"
    return ("mpeg2" if drawn < 0.91 else "mjpeg"), rng.uniform(2, 10), ""


def degrade(shot: Luma, rng: np.random.Generator, scale: int, *, clean: bool) -> tuple[Luma, History]:
    """``(T, H, W)`` → ``(T, h, w)`` and how; see `DEGRADATIONS`."""
    drawn = rng.uniform(0.3, 0.65) if clean else rng.random()
    shrinking: Shrinking = "area" if drawn < 0.4 else "bicubic" if drawn < 0.65 else "camera"
    blur = rng.uniform(0.15, 0.7) if shrinking == "camera" else 0.0
    small = _shrunk(shot, shrinking, blur, scale)
    noise = 0.0
    if rng.random() < 0.3 and not clean:
        noise = rng.uniform(0.5, 9)
        small = small + torch.from_numpy(rng.normal(0, noise, small.shape)).float()
    recorded = small.round().clamp(0, 255).to(torch.uint8).numpy()
    codec, quality, preset = ("", 0.0, "") if clean else _draw_compression(rng)
    if not codec:
        return recorded, History(shrinking, blur, noise)
    shown = compress_luma(recorded, codec, quality, preset=preset)
    error = float(np.sqrt(np.square(shown.astype(np.float32) - recorded).mean()))
    return shown, History(shrinking, blur, noise, codec, error)


def make_items(
    scenes: Scenes,
    count: int,
    rng: np.random.Generator,
    *,
    scale: int,
    least_px: int = LEAST_SIDE_PX,
    clean: bool = False,
) -> list[Item]:
    """So many items, small sides of at least ``least_px``; of each shot one frame but the first.

    `InputError` where images are too small or clips too short for it.
    """
    items: list[Item] = []
    for _ in range(TRIES * (count + 1)):
        if len(items) == count:
            return items
        shot = scenes.shot(rng, scale)
        if len(shot) < NUM_FRAMES or min(shot.shape[1:]) < scale * max(least_px, LEAST_SIDE_PX):
            continue
        small, history = degrade(shot, rng, scale, clean=clean)
        number = int(rng.integers(1, NUM_FRAMES))
        found = statistics_of_shot(list(torch.from_numpy(small)))
        items.append(Item(small[number].copy(), shot[number].copy(), history, found))
        if len(items) % 500 == 0:
            print(f"{len(items)} of {count} items", flush=True)
    if len(items) == count:
        return items
    least = scale * max(least_px, LEAST_SIDE_PX)
    raise InputError(
        f"most images are smaller than {least} pixels a side or clips shorter than {NUM_FRAMES} frames: only "
        f"{len(items)} of {count} items were made; give larger ones"
    )

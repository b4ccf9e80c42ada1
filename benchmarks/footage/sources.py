"""What was filmed: short clips, and still images that are moved. All of it is luma, 8 bits, video range.

A third of it is held back: nothing may be tuned or trained on what belongs to the part ``test``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import av
import numpy as np
import torch
from numpy.typing import NDArray

from footage.movements import MARGIN_PX, MOVEMENTS
from vsr.errors import InputError
from vsr.media.image_files import read_image
from vsr.media.planes import planes_of
from vsr.metrics import luma_bt601

Part = Literal["tune", "test"]
Camera = Literal["fixed", "moving"]

MULTIPLE = 24
"""Sides are multiples of it, so that they are even after shrinking by 2, 3 and 4."""

HELD_BACK = frozenset(
    [
        "davis_breakdance",
        "davis_car-roundabout",
        "davis_dog",
        "davis_horsejump-high",
        "davis_kite-surf",
        "davis_scooter-black",
        "davis_soapbox",
        "longharbour_v0s1",
        "vimeo_00002_0007",
    ]
)
"""Clips of the part ``test``."""

FIXED = frozenset(["BasketballPass", "davis_breakdance", "davis_drift-chicane"])
"""Clips whose background stands still: a quarter of the corners tracked through ten frames stay within 0.4 pixels."""

_FOLDERS: tuple[tuple[str, Part], ...] = (("DIV2K_half", "tune"), ("Set14", "test"))  # networks may have seen DIV2K


@dataclass(frozen=True)
class Source:
    """A clip, or an image with a way to move it."""

    name: str
    path: Path
    part: Part
    camera: Camera
    movement: str | None = None
    """Key of `MOVEMENTS`; None: a clip."""

    @property
    def stratum(self) -> str:
        """``clip`` or ``image``, and the camera."""
        return f"{'clip' if self.movement is None else 'image'} {self.camera}"

    def frames(self, count: int, crop: tuple[int, int] | None) -> NDArray[np.uint8]:
        """``(T, H, W)``: at most ``count`` frames, their middle ``crop`` (width, height).

        Sides are multiples of `MULTIPLE`. Raises `InputError` for what cannot be read or is too small.
        """
        if self.movement is None:
            return self._middle(_clip_luma(self.path, count), crop)
        image = _image_luma(self.path)
        rows, columns = (side - 2 * MARGIN_PX for side in image.shape)
        size_yx = self._size((rows, columns), crop)
        rng = np.random.default_rng(int.from_bytes(hashlib.sha256(self.name.encode()).digest()[:8], "big"))
        return MOVEMENTS[self.movement](image, count, size_yx, rng)

    def _size(self, size_yx: tuple[int, int], crop: tuple[int, int] | None) -> tuple[int, int]:
        wide, tall = crop or (size_yx[1], size_yx[0])
        height, width = (min(pair) // MULTIPLE * MULTIPLE for pair in zip(size_yx, (tall, wide), strict=True))
        if min(height, width) < 2 * MULTIPLE:
            raise InputError(f"{self.path}: {width}x{height} of it would be seen; at least 48x48 are needed")
        return height, width

    def _middle(self, frames: NDArray[np.uint8], crop: tuple[int, int] | None) -> NDArray[np.uint8]:
        height, width = self._size((frames.shape[1], frames.shape[2]), crop)
        top, left = (frames.shape[1] - height) // 2, (frames.shape[2] - width) // 2
        return np.ascontiguousarray(frames[:, top : top + height, left : left + width])


def _clip_luma(path: Path, count: int) -> NDArray[np.uint8]:
    with av.open(str(path)) as container:
        return np.stack([np.asarray(planes_of(frame, 1)[0]) for frame in islice(container.decode(video=0), count)])


def _image_luma(path: Path) -> NDArray[np.uint8]:
    image = read_image(path)
    if image.ndim == 2:
        luma = 16 + image.astype(np.float64) * 219 / 255
    else:
        luma = luma_bt601(torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))).numpy()
    return np.asarray(np.rint(luma), np.uint8)


def find_sources(data: Path) -> list[Source]:
    """Everything in ``data`` (``clips/*.mkv``, ``images/DIV2K_half``, ``images/Set14``), by name.

    Every image is moved in one way, taking turns. Raises `InputError` where there is nothing.
    """
    found = [_clip(path) for path in sorted((data / "clips").glob("*.mkv"))]
    for folder, part in _FOLDERS:
        paths = sorted(path for path in (data / "images" / folder).glob("*") if path.is_file())
        found += _moved(paths, folder, part)
    if not found:
        raise InputError(f"{data}: holds neither clips/*.mkv nor images; name the folder by --data or VSR_TEST_DATA")
    return found


def _clip(path: Path) -> Source:
    name = path.stem
    return Source(name, path, "test" if name in HELD_BACK else "tune", "fixed" if name in FIXED else "moving")


def _moved(paths: Sequence[Path], folder: str, part: Part) -> list[Source]:
    turns = [(path, list(MOVEMENTS)[number % len(MOVEMENTS)]) for number, path in enumerate(paths)]
    return [
        Source(f"{folder}_{path.stem}_{name}", path, part, "fixed" if name == "tripod" else "moving", name)
        for path, name in turns
    ]

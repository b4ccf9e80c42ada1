"""Single still images as arrays, for scores and training; sequences of them as video are `vsr.media.images`.

Read by OpenCV, whose JPEG decoder is the one that MATLAB and Pillow use as well, so that the pixels are those that
published figures were computed on.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsr.errors import InputError

__all__ = ["IMAGE_FILE_SUFFIXES", "read_image"]

IMAGE_FILE_SUFFIXES = frozenset([".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff"])
"""Extensions of the still images that are read."""


def read_image(path: Path) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """An image as it is stored: ``(H, W, 3)`` RGB or ``(H, W)`` grey, 8 or 16 bits.

    Palettes are looked up (a grey palette gives grey); an alpha channel is left out; rotation tags are not
    followed. Raises `InputError` for what cannot be read.
    """
    try:
        data = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    image = _decode(path, data) if data.size else None
    if image is None:
        raise InputError(
            f"{path}: is not an image that can be read ({', '.join(sorted(IMAGE_FILE_SUFFIXES))}), or damaged"
        )
    if image.dtype not in (np.uint8, np.uint16):
        raise InputError(f"{path}: holds {image.dtype} samples; images of 8 or 16 bits are read")
    if image.ndim == 2:
        return np.ascontiguousarray(image)
    channels = image.shape[2]
    if channels <= 2:  # grey, grey with alpha
        return np.ascontiguousarray(image[:, :, 0])
    return np.ascontiguousarray(image[:, :, 2::-1])


def _decode(path: Path, data: NDArray[np.uint8]) -> NDArray[np.generic] | None:
    """What OpenCV makes of a file's bytes; None if nothing. What it would print of damage is left out."""
    import cv2

    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        image: NDArray[np.generic] | None = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise InputError(f"{path}: cannot be decoded ({error.err or 'too large'})") from error
    finally:
        cv2.utils.logging.setLogLevel(level)
    return image

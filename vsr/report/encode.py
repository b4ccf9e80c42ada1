"""Images as data URIs, all of one quality: the best that fits the room there is."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsr.errors import MachineError

__all__ = ["Encoded", "data_uri", "encode_images", "jpeg", "thumbnail"]

Image = NDArray[np.uint8]

_QUALITIES = (95, 90, 84, 78, 70, 60, 50)
_THUMBNAIL_WIDTH = 160


@dataclass(frozen=True)
class Encoded:
    """Images as WebP files, by version and number."""

    files: Mapping[str, Mapping[int, bytes]]
    quality: int

    @property
    def num_bytes(self) -> int:
        """Of all files."""
        return sum(len(data) for version in self.files.values() for data in version.values())


def data_uri(kind: str, data: bytes) -> str:
    """``data`` of media type ``kind`` as a URI."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def encode_images(images: Mapping[str, Mapping[int, Image]], room: int) -> Encoded:
    """All ``images``, by version and number, as WebP within ``room`` bytes, or at the lowest quality there is."""
    encoded = _encode(images, _QUALITIES[0])
    for place, quality in enumerate(_QUALITIES[1:], 1):
        if encoded.num_bytes <= room:
            break
        if place + 1 < len(_QUALITIES) and encoded.num_bytes > 2 * room:
            continue  # one step down is not enough
        encoded = _encode(images, quality)
    return encoded


def _encode(images: Mapping[str, Mapping[int, Image]], quality: int) -> Encoded:
    files = {
        version: {number: _webp(image, quality) for number, image in numbered.items()}
        for version, numbered in images.items()
    }
    return Encoded(files, quality)


def _webp(image: Image, quality: int) -> bytes:
    import cv2

    return _file(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, quality])


def thumbnail(image: Image) -> bytes:
    """A small JPEG."""
    import cv2

    height, width = image.shape[:2]
    size = (_THUMBNAIL_WIDTH, max(1, round(height * _THUMBNAIL_WIDTH / width)))
    return jpeg(np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8), 75)


def jpeg(image: Image, quality: int) -> bytes:
    """A JPEG file."""
    import cv2

    return _file(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])


def _file(suffix: str, image: Image, options: Sequence[int]) -> bytes:
    import cv2

    is_encoded, data = cv2.imencode(suffix, image[:, :, ::-1], list(options))
    if not is_encoded:
        raise MachineError(f"OpenCV cannot encode a {suffix} of {image.shape[1]}x{image.shape[0]}")
    return data.tobytes()

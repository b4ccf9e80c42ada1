"""Small images for finding scene cuts."""

from __future__ import annotations

import av
import numpy as np
from numpy.typing import NDArray

__all__ = ["thumbnail"]

_WIDTH = 256


def thumbnail(frame: av.VideoFrame) -> NDArray[np.uint8]:
    """``frame`` as a small ``(h, w, 3)`` BGR image, at most 256 pixels wide."""
    width = min(frame.width, _WIDTH)
    height = max(2, round(frame.height * width / frame.width))
    return frame.reformat(max(2, width), height, "bgr24", interpolation="AREA").to_ndarray()  # type: ignore[return-value]

"""Scene cuts, found while frames stream past (PySceneDetect's adaptive content detector)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scenedetect import FrameTimecode

__all__ = ["CutDetector"]

_WINDOW_FRAMES = 2
_MIN_SHOT_FRAMES = 8
_NOMINAL_RATE = 25.0  # the detector counts frames; the rate only names them


class CutDetector:
    """Says where a new shot starts, a fixed number of frames late.

    Feed small BGR images in order with `push`; a cut at frame n is reported by the time frame n + ``lag_frames``
    has been pushed, so every earlier frame's place is settled.
    """

    lag_frames = _WINDOW_FRAMES

    def __init__(self, threshold: float) -> None:
        from scenedetect.detectors import AdaptiveDetector

        self._detector = AdaptiveDetector(
            adaptive_threshold=threshold,
            min_scene_len=_MIN_SHOT_FRAMES,
            window_width=_WINDOW_FRAMES,
        )
        self._pushed = 0

    def push(self, image_bgr: NDArray[np.uint8]) -> list[int]:
        """Take the next frame, ``(H, W, 3)`` uint8; returns the ordinals of cuts that are now certain."""
        from scenedetect import FrameTimecode

        now: FrameTimecode = FrameTimecode(self._pushed, fps=_NOMINAL_RATE)
        self._pushed += 1
        return [int(cut.frame_num) for cut in self._detector.process_frame(now, image_bgr)]

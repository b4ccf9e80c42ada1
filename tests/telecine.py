"""Telecined video made from a seed: which field of the video shows which frame of the film is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Luma = NDArray[np.uint8]
Fields = list[int]
"""Of each field of a video, in time, the number of the film frame that it shows."""


def film(num_frames: int, *, height: int = 96, width: int = 160, step: int = 3, seed: int = 4, block: int = 8) -> Luma:
    """Coarse texture that moves ``step`` samples to the right each frame, ``(N, H, W)``; no two frames are equal."""
    rng = np.random.default_rng(seed)
    coarse = np.kron(rng.integers(30, 220, (height // block, width // block)), np.ones((block, block)))
    smooth = sum(np.roll(coarse, (y, x), (0, 1)) for y in range(3) for x in range(3)) / 9
    frames = np.stack([np.roll(smooth, step * n, 1) for n in range(num_frames)]).clip(16, 235).astype(np.uint8)
    frames[:, :2, :8] = np.arange(num_frames, dtype=np.uint8)[:, None, None]  # a number: textures come back
    return frames


def shown(frames: Sequence[int], lengths: Sequence[int], *, begin: int = 0) -> Fields:
    """The fields of ``frames`` that last ``lengths`` fields in turn, from field ``begin`` on; an even number."""
    fields = [frame for n, frame in enumerate(frames) for _ in range(lengths[n % len(lengths)])][begin:]
    return fields[: len(fields) // 2 * 2]


def video(film_frames: Luma, fields: Fields, *, top_first: bool = True) -> Luma:
    """The frames of the video, ``(len(fields) / 2, H, W)``."""
    first, second = (film_frames[fields[at::2]] for at in (0, 1))
    frames: Luma = (first if top_first else second).copy()
    frames[:, 1::2] = (second if top_first else first)[:, 1::2]
    return frames


def whole_frames(fields: Fields) -> list[int]:
    """Frames of the film of which the video holds two fields that follow each other, in order."""
    runs: list[list[int]] = []
    for frame in fields:
        if runs and runs[-1][0] == frame:
            runs[-1].append(frame)
        else:
            runs.append([frame])
    return [run[0] for run in runs if len(run) > 1]

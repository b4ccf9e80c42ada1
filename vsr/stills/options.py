"""What a still is made of and how."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vsr.errors import UsageError
from vsr.media.probe import MediaInfo
from vsr.media.reading import probe
from vsr.media.transfers import with_transfer
from vsr.stills.boxes import Box
from vsr.timeline import parse_rate

__all__ = ["Motion", "Source", "StillOptions"]

Motion = Literal["auto", "translation", "affine", "homography"]
"""How the region may move; auto: as freely as the frames give reason for."""

_MOTIONS = ("auto", "translation", "affine", "homography")


@dataclass(frozen=True)
class StillOptions:
    """Settings of a still; its record holds all of them."""

    roi: Box | None = None
    """The region, in pixels of the frame shown at the time; None: the whole image."""
    frames: int = 30
    """Frames used at most."""
    scale: float = 4.0
    """Pixels of the still per pixel of the video, each way."""
    motion: Motion = "auto"
    """How the region may move."""
    psf_sigma_px: float | None = None
    """Standard deviation of lens and pixel blur, in pixels of the video; None: found from the frames."""
    regularization: float | None = None
    """Strength of the smoothness prior, times the solver's usual; None: found from the frames."""
    evidence: bool = True
    """Double precision, so that every processor comes to the same image. False: single precision, in less time."""
    torch_threads: int = 1
    """Threads of torch and OpenCV; part of the result."""
    decoder_threads: int = 1
    """Threads of the decoder; part of the result for damaged files."""
    cut_threshold: float = 3.0
    """PySceneDetect's adaptive threshold, for cuts near the time."""

    @property
    def precision(self) -> str:
        """Of images, samples and weights; motions are always double."""
        return "float64" if self.evidence else "float32"

    def __post_init__(self) -> None:
        if not 1 <= self.frames <= 250:
            raise UsageError(f"frames is {self.frames}; allowed are 1 to 250")
        if not (math.isfinite(self.scale) and 1.0 <= self.scale <= 8.0):
            raise UsageError(f"scale is {self.scale}; a still can be 1 to 8 times as large")
        if self.motion not in _MOTIONS:
            raise UsageError(f"motion is {self.motion!r}; allowed are {', '.join(_MOTIONS)}")
        if self.psf_sigma_px is not None and not 0.0 <= self.psf_sigma_px <= 2.0:
            raise UsageError(f"psf_sigma_px is {self.psf_sigma_px}; allowed are 0 to 2 pixels")
        if self.regularization is not None and not 0.0 < self.regularization <= 100.0:
            raise UsageError(f"regularization is {self.regularization}; allowed are values above 0, to 100")


@dataclass(frozen=True)
class Source:
    """A video, a folder of images or a pattern."""

    path: Path
    fps: str | None = None
    """Rate of images that do not tell theirs."""
    video_stream: int | None = None
    """Number, in the file, of the video stream that is meant; None: the best."""
    input_transfer: str | None = None
    """Transfer characteristic that it has, whatever it says (`vsr.media.transfers`); None: as it says."""

    def probe(self) -> MediaInfo:
        """What it holds. Raises `InputError` or `UsageError`."""
        info = probe(self.path, None if self.fps is None else parse_rate(self.fps), self.video_stream)
        return with_transfer(info, self.input_transfer)

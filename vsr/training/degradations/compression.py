"""Compression: of every frame by itself, or of all of a clip together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from vsr.errors import MachineError, UsageError
from vsr.media.compression import CODECS, compress
from vsr.training.degradations.base import Range, Step, check_probability, check_range, choose, happens, uniform

__all__ = ["Jpeg", "Video"]


@dataclass(frozen=True)
class Jpeg(Step):
    """JPEG with 4:2:0 chroma, every frame by itself (as motion JPEG)."""

    quality: Range = (30, 95)
    """As libjpeg counts it, 1 to 100."""
    probability: float = 1.0

    def __post_init__(self) -> None:
        check_range("jpeg.quality", self.quality, 1, 100)
        check_probability("jpeg.probability", self.probability)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """``(T, 3, H, W)`` → the same, whole numbers from 0 to 255."""
        occurs, quality = happens(self.probability, generator), round(uniform(self.quality, generator))
        return torch.stack([_through_jpeg(image, quality) for image in images]) if occurs else images


def _through_jpeg(image: Tensor, quality: int) -> Tensor:
    import cv2

    bgr = image.round().clamp(0, 255).byte().permute(1, 2, 0).numpy()[:, :, ::-1]
    done, data = cv2.imencode(".jpg", np.ascontiguousarray(bgr), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise MachineError("OpenCV cannot write JPEG here; leave jpeg out of the degradations")
    decoded = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))
    return torch.from_numpy(np.ascontiguousarray(decoded[:, :, ::-1])).permute(2, 0, 1).float()


@dataclass(frozen=True)
class Video(Step):
    """H.264, HEVC or MPEG-2, chosen evenly; the frames of the clip are compressed together."""

    num_frames: ClassVar[int] = 3

    codecs: tuple[str, ...] = ("h264", "hevc", "mpeg2")
    """Of which one is drawn."""
    quality: Range = (18, 38)
    """Of H.264 and HEVC, as ``crf``: 18 looks like the source, 51 is the worst. For MPEG-2 51 becomes quantiser 31."""
    probability: float = 1.0

    def __post_init__(self) -> None:
        unknown = [name for name in self.codecs if name not in CODECS]
        if unknown or not self.codecs:
            raise UsageError(f"video.codecs = {list(self.codecs)}: known are {', '.join(CODECS)}")
        check_range("video.quality", self.quality, 0, 51)
        check_probability("video.probability", self.probability)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """``(T, 3, H, W)`` → the same, whole numbers from 0 to 255; see `vsr.media.compression.compress`."""
        occurs = happens(self.probability, generator)
        codec = self.codecs[choose(len(self.codecs), generator)]
        quality = uniform(self.quality, generator)
        if not occurs:
            return images
        frames = images.round().clamp(0, 255).byte().permute(0, 2, 3, 1).contiguous().numpy()
        through = compress(list(frames), codec, quality)
        return torch.from_numpy(np.stack(through)).permute(0, 3, 1, 2).float()

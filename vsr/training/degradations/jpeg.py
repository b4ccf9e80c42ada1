"""Still-image compression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vsr.errors import MachineError
from vsr.training.degradations.base import Range, Step, check_probability, check_range, happens, uniform

__all__ = ["Jpeg"]


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

"""How well each pixel of a still is founded: how many frames it rests on, and how far they agree with it."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from vsr.stills.boxes import move_points
from vsr.stills.canvas import View
from vsr.stills.fusion import Fused, Part, assemble

__all__ = ["Support", "confidences_at", "find_support"]


class Support:
    """Two maps on the grid of the still, ``(H, W)``."""

    def __init__(self, frames: Tensor, agreement: Tensor) -> None:
        self.frames: Tensor = frames
        """Frames that a pixel rests on: the sum of their confidence there, 0 to the number of frames."""
        self.agreement: Tensor = agreement
        """Mean confidence, 0…1, that the frames in view of a pixel keep once compared with the image around it.

        1: all residual is noise. 0.6: the residual is twice what noise explains. 0: no frame shows the place."""


def find_support(fused: Fused) -> Support:
    """The maps of a finished image."""
    frames, agreement = [], []
    for part in fused.parts:
        x, y = part.canvas.points()
        weighed, reliable, seen = (part.image.new_zeros(part.canvas.size_yx) for _ in range(3))
        for view, confidence in zip(fused.views, confidences_at(fused, part, x, y), strict=True):
            reliable += confidence
            weighed += confidence * view.weight
            seen += _is_inside(view, *move_points(view.motion, x, y)).to(confidence.dtype)
        frames.append((part.canvas, weighed))
        agreement.append((part.canvas, torch.where(seen > 0, reliable / seen.clamp(min=1), torch.zeros_like(seen))))
    return Support(assemble(frames), assemble(agreement).clamp(0, 1))


def confidences_at(fused: Fused, part: Part, x: Tensor, y: Tensor) -> Iterator[Tensor]:
    """Confidence 0…1 of each frame at places ``(x, y)`` of the reference, ``(h, w)``, within a part; 0 outside."""
    assert part.confidence is not None
    for view, crop, confidence in zip(fused.views, part.canvas.crops(fused.views), part.confidence, strict=True):
        to_x, to_y = move_points(view.motion, x, y)
        there = _read(confidence, (to_x - crop.x).to(confidence.dtype), (to_y - crop.y).to(confidence.dtype))
        yield there * _is_inside(view, to_x, to_y)


def _is_inside(view: View, x: Tensor, y: Tensor) -> Tensor:
    height, width = view.luma.shape
    return (x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)


def _read(confidence: Tensor, cols: Tensor, rows: Tensor) -> Tensor:
    """``confidence`` ``(h, w)`` between its samples, bilinear; the border goes on."""
    height, width = confidence.shape
    grid = torch.stack([(2 * cols + 1) / width - 1, (2 * rows + 1) / height - 1], dim=-1)[None]
    return torch.nn.functional.grid_sample(
        confidence[None, None], grid, mode="bilinear", padding_mode="border", align_corners=False
    )[0, 0]

"""The luma by which passes look at frames."""

from __future__ import annotations

import torch
from torch import Tensor

from vsr.frames import BT601_LUMA, VideoFrame
from vsr.media.convert import code_range

__all__ = ["luma_of_frame"]

_MOST_VALUE = 65536.0  # of floating-point video: half precision holds no more


def luma_of_frame(frame: VideoFrame) -> Tensor:
    """``(H, W)`` float32 on the CPU, black 0 and white 1, of RGB by BT.601; NaN counts as 0 codes."""
    offset, span = code_range(frame.layout, frame.color.full_range, chroma=False)
    total = torch.zeros(frame.height, frame.width)
    for share, plane in zip(BT601_LUMA if frame.layout.family == "rgb" else (1.0,), frame.planes, strict=False):
        total += share * plane.cpu().float()
    return (torch.nan_to_num(total).clamp(-_MOST_VALUE, _MOST_VALUE) - offset) / span

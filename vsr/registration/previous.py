"""Motion from the frame before, as networks that carry a memory from frame to frame want it.

What a codec repeats and what a fixed camera shows is at rest to the bit, where dense flow trembles by a tenth of a
pixel and every warp by it blurs. So rest is preferred wherever it explains the new frame about as well as flow does.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from vsr.registration.flow import consistency_error, flow_pair, pixel_positions, sample_bicubic

__all__ = ["PreviousFrame", "register_previous"]

_BLOCK_PX = 7  # side of the neighbourhood in which rest and flow are compared
_REST_MAY_EXCEED = 1.05  # of the flow's mean difference
_REST_CODES = 0.5 / 255  # and by this much, whatever the flow's


@dataclass(frozen=True)
class PreviousFrame:
    """Where the content of a frame was in the frame before it, on the pixels of the former."""

    flow: Tensor
    """``(2, h, w)`` float32 pixels, row displacement first: what is at p here was at p + flow there."""
    confidence: Tensor
    """``(h, w)`` in 0…1: 1 where going there and back again ends at p, 0 where p was not in the image."""
    warped: Tensor
    """``(h, w)``: the frame before, read at p + flow by cubics."""


def register_previous(previous: Tensor, current: Tensor) -> PreviousFrame | None:
    """Motion from ``current`` to ``previous``, each ``(h, w)`` float32 luma in 0…1; None if they are too small.

    Dense flow both ways; the confidence is 1 / (1 + e²) for an error e in pixels of going there and back (Sundaram,
    Brox, Keutzer, ECCV 2010, have it as the test for occlusion). Where ``previous`` at rest differs from ``current``
    about as little as at the flow's places, the flow is 0 and the confidence 1.
    """
    pair = flow_pair(current, previous, detail="medium")
    if pair is None:
        return None
    confidence = 1 / (1 + consistency_error(pair).square())
    moved = sample_bicubic(previous[None], *pixel_positions(pair.forward))[0]
    excess = (previous - current).abs() - _REST_MAY_EXCEED * (moved - current).abs()
    rests = _mean_around(excess) <= _REST_CODES
    return PreviousFrame(
        flow=torch.where(rests, torch.zeros_like(pair.forward), pair.forward),
        confidence=torch.where(rests, torch.ones_like(confidence), confidence),
        warped=torch.where(rests, previous, moved),
    )


def _mean_around(image: Tensor) -> Tensor:
    return avg_pool2d(image[None, None], _BLOCK_PX, 1, _BLOCK_PX // 2, count_include_pad=False)[0, 0]

"""Memory of recurrent networks moved along with what frames show (`RecurrentUpscaler.is_aligned`)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pixel_shuffle, pixel_unshuffle

from vsr.registration import PreviousFrame, pixel_positions, sample_bicubic, sample_bilinear

__all__ = ["aligned_input", "moved"]


def moved(given: Tensor, motion: PreviousFrame, scale: int, num_pixels: int) -> Tensor:
    """What a step gave, ``(num_pixels + memory, h, w)``, as it lies in the next frame.

    The first ``num_pixels`` channels are the pixels of a result ``scale`` times as large, which is read by cubics at
    its own size; memory is read bilinearly.
    """
    result = pixel_shuffle(given[:num_pixels], scale)
    flow = scale * interpolate(motion.flow[None], scale_factor=float(scale), mode="bilinear", align_corners=False)[0]
    pixels = pixel_unshuffle(sample_bicubic(result, *pixel_positions(flow)), scale)
    return torch.cat([pixels, sample_bilinear(given[num_pixels:], *pixel_positions(motion.flow))])


def aligned_input(
    luma: Tensor, motion: PreviousFrame | None, given: Tensor | None, num_channels: int, scale: int, num_pixels: int
) -> Tensor:
    """What a network is given of a frame ``(1, h, w)`` after a step that gave ``given`` ``(num_channels, h, w)``.

    None of either: there was no step before, or nothing could be registered.
    """
    if motion is None or given is None:
        nothing = luma.new_zeros((1 + num_channels, *luma.shape[1:]))
        return torch.cat([luma, luma, nothing])
    before = [motion.warped[None], motion.confidence[None]]
    return torch.cat([luma, *before, moved(given, motion, scale, num_pixels)])

"""What networks are given of other frames, moved to where the frame at hand shows it (their ``is_aligned``)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pixel_shuffle, pixel_unshuffle

from vsr.observation import resample
from vsr.registration import PreviousFrame, pixel_positions, register_previous, sample_bicubic, sample_bilinear

__all__ = ["aligned_input", "aligned_window", "moved"]


def moved(given: Tensor, motion: PreviousFrame, scale: int, num_pixels: int) -> tuple[Tensor, Tensor]:
    """What a step gave, ``(num_pixels + memory, h, w)``, as it lies in the next frame: its pixels, and its memory.

    The first ``num_pixels`` channels are the pixels of a result ``scale`` times as large, which is read by cubics at
    its own size; memory is read bilinearly.
    """
    result = pixel_shuffle(given[:num_pixels], scale)
    flow = scale * interpolate(motion.flow[None], scale_factor=float(scale), mode="bilinear", align_corners=False)[0]
    pixels = pixel_unshuffle(sample_bicubic(result, *pixel_positions(flow)), scale)
    return pixels, sample_bilinear(given[num_pixels:], *pixel_positions(motion.flow))


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
    return torch.cat([luma, *before, *moved(given, motion, scale, num_pixels)])


def aligned_window(lumas: Sequence[Tensor], scale: int) -> Tensor:
    """An odd number of frames ``(1, h, w)`` as `WindowUpscaler` describes them, ``(N·scale², h, w)``.

    Frames too small to be registered stay where they are.
    """
    height, width = lumas[0].shape[-2:]
    large = [resample(luma[None], (scale * height, scale * width), kernel="bicubic")[0, 0] for luma in lumas]
    middle, moved_ones = large[len(large) // 2], []
    for luma in large:
        motion = None if luma is middle else register_previous(luma, middle)
        moved_ones.append(luma if motion is None else motion.warped)
    return pixel_unshuffle(torch.stack(moved_ones)[:, None], scale).flatten(0, 1)

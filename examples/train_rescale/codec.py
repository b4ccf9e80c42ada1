"""H.264 in the training: small images as a file leaves them, and about how large that file is."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from vsr.media.compression import compress_ycbcr
from vsr.networks.transforms import block_kernels, to_bands

_BLOCK = 8  # pixels of the transform
_STEP_AT_0 = 0.625  # of H.264's quantiser, codes; it doubles every six
_COARSER = 4  # quantisers by which x264 takes the chroma of 4:4:4 more coarsely


def through_h264(small: Tensor, crf: float) -> Tensor:
    """``(B, 3, H, W)`` YCbCr in codes over 255, as decoded; gradients pass as if nothing had happened.

    All images of the batch are side by side in one frame; B is even.
    """
    with torch.no_grad():
        codes = (small.clamp(0, 1) * 255).round().byte()
        upper, lower = codes.chunk(2)
        frame = torch.cat([torch.cat(list(upper), 2), torch.cat(list(lower), 2)], 1)
        decoded = torch.from_numpy(compress_ycbcr(frame[None].numpy(), crf))[0]
        rows = [torch.stack(row.chunk(len(upper), 2)) for row in decoded.chunk(2, 1)]
        kept = torch.cat(rows).float() / 255
    return small + (kept - small).detach()


def with_coarse_chroma(small: Tensor) -> Tensor:
    """``(B, 3, H, W)`` YCbCr as 4:2:0 holds it."""
    coarse = interpolate(avg_pool2d(small[:, 1:], 2), scale_factor=2, mode="bilinear")
    return torch.cat([small[:, :1], coarse], 1)


def octaves_of_bytes(small: Tensor, plain: Tensor, crf: float) -> Tensor:
    """About how much larger a file of ``small`` is than one of ``plain``, both ``(B, 3, H, W)``; 1: twice as large."""
    return torch.log2(_bits(small, crf) / _bits(plain, crf))


def decibels_of_an_octave(crf: float) -> float:
    """About what twice the bytes gain, dB of small files of ordinary clips that are enlarged again."""
    return 1.0 + max(0.0, crf - 10) / 12


def _bits(ycc: Tensor, crf: float) -> Tensor:
    """Of all coefficients but the blocks' means, which neighbours predict."""
    steps = torch.tensor([_STEP_AT_0 * 2 ** (coarser / 6) for coarser in (crf, crf + _COARSER, crf + _COARSER)])
    bands = to_bands(255 * ycc, block_kernels(_BLOCK)).unflatten(1, (-1, 3))[:, 1:]
    return torch.log2(1 + (bands / steps[:, None, None]).square()).sum() + 1

"""The rules by which images are downscaled and results are scored: those of the papers, as MATLAB does it.

- The true image loses rows and columns at the bottom and right until its sides are multiples of the scale.
- It is downscaled by antialiased bicubic interpolation (``imresize``), in float64.
- Methods that work on luma are given the small image of the unrounded BT.601 luma (16…235), unrounded; methods that
  work on RGB are given the small RGB image rounded to 8 bits, as it would lie in a file.
- Results are rounded to 8 bits. A result in luma is compared with the true luma, rounded to 8 bits as MATLAB's
  ``rgb2ycbcr`` gives it; of an RGB result and of the true RGB image the unrounded luma is compared. As many pixels as
  the scale are left out on every side.
- A network that makes small images itself is given those, rounded to 8 bits, in the place of a file's.
- A single-channel image is luma as it is; methods that work on RGB see three equal channels.
- A frame of a clip is downscaled in RGB with 8 bits, as a file holds it, or comes so from a file; methods that work on
  luma are given its luma, unrounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsr.frames import BT601_LUMA
from vsr.metrics import lr_psnr, luma_bt601, psnr, shrink_bicubic, ssim
from vsr.networks import Colour

__all__ = [
    "PROTOCOL",
    "PROTOCOL_VERSION",
    "as_given",
    "compared",
    "downscale_hr",
    "eight_bits",
    "hr_from",
    "in_colour",
    "scored",
    "smallest_side",
]

PROTOCOL_VERSION = 2
"""Raised when a rule changes; results of other versions are measured again."""

PROTOCOL: Mapping[str, str] = MappingProxyType(
    {
        "version": str(PROTOCOL_VERSION),
        "small image": "antialiased bicubic (MATLAB imresize): unrounded luma for Y methods, 8-bit RGB for others",
        "matched pairs": "a network that makes small images is given its own, rounded to 8 bits, in the file's place",
        "luma": "BT.601, 16 to 235 (MATLAB rgb2ycbcr), of 8-bit results; single-channel images as they are",
        "true luma": "rounded to 8 bits for results in luma, of the 8-bit RGB ground truth for results in RGB",
        "border": "as many pixels as the scale are left out on every side, for psnr_y and ssim_y",
        "ssim": "11x11 Gaussian window, sigma 1.5, whole windows",
        "lr_psnr": "the 8-bit result made small again against what the method was given, in its channels, uncropped",
        "diversity": "of samples by spatial LPIPS: (mean of the best - mean of the minimum at each pixel) / best * 100",
    }
)
"""The rules in words."""

_SSIM_WINDOW = 11


def smallest_side(scale: int) -> int:
    """Pixels that both sides of an image need at least."""
    return -(-(_SSIM_WINDOW + 2 * scale) // scale) * scale


def hr_from(image: NDArray[np.uint8] | NDArray[np.uint16], scale: int) -> Tensor:
    """``(H, W)`` grey or ``(H, W, 3)`` RGB as ground truth: ``(1 or 3, H', W')`` float64 in 0…255.

    Sides are cut to multiples of ``scale``; 16-bit images keep their finer steps.
    """
    height, width = (side - side % scale for side in image.shape[:2])
    planes = torch.from_numpy(image[:height, :width].astype(np.float64))
    planes = planes[None] if planes.dim() == 2 else planes.permute(2, 0, 1).contiguous()
    return planes / 257 if image.dtype == np.uint16 else planes


def eight_bits(image: Tensor) -> Tensor:
    """Rounded and clipped to 0…255, float64."""
    return image.double().round().clamp(0, 255)


def _luma(image: Tensor) -> Tensor:
    """``(1 or 3, H, W)`` → ``(1, H, W)`` unrounded."""
    return image if image.shape[0] == 1 else luma_bt601(image)[None]


def downscale_hr(hr: Tensor, scale: int, colour: Colour) -> Tensor:
    """What a method of ``colour`` is given: ``(1 or 3, H / scale, W / scale)`` float64 in 0…255."""
    size = (hr.shape[-2] // scale, hr.shape[-1] // scale)
    if colour == "Y":
        return shrink_bicubic(_luma(hr), size)
    return eight_bits(shrink_bicubic(hr, size)).expand(3, -1, -1)


def in_colour(image: Tensor, colour: Colour) -> Tensor:
    """``(1 or 3, H, W)`` in the channels of methods of ``colour``: unrounded luma, or RGB."""
    return _luma(image) if colour == "Y" else image.expand(3, -1, -1)


def as_given(recorded: Tensor, colour: Colour) -> Tensor:
    """The same of a recorded ``(3, h, w)`` RGB image: itself, or its unrounded luma."""
    return _luma(recorded) if colour == "Y" else recorded


def compared(result: Tensor, hr: Tensor) -> tuple[Tensor, Tensor]:
    """The luma ``(H, W)`` to compare, of an unrounded result and of ground truth, both ``(1 or 3, H, W)``."""
    rounded = eight_bits(result)
    if rounded.shape[0] == 1:
        return rounded[0], eight_bits(_luma(hr)[0])
    if hr.shape[0] == 1:
        weights = rounded.new_tensor(BT601_LUMA)
        return (rounded * weights[:, None, None]).sum(0), hr[0]
    return luma_bt601(rounded), luma_bt601(hr)


def scored(result: Tensor, hr: Tensor, given: Tensor, scale: int) -> tuple[float, float, float]:
    """``(psnr_y, ssim_y, lr_psnr)`` of a method's ``(1 or 3, H, W)`` result in 0…255, unrounded.

    ``hr`` is ``(1 or 3, H, W)``, ``given`` what the method got, of the result's channels.
    """
    got, requested = compared(result, hr)
    return psnr(got, requested, crop=scale), ssim(got, requested, crop=scale), lr_psnr(eight_bits(result), given)

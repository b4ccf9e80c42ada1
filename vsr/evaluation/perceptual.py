"""LPIPS of results, where its weights are there: they come as a file, like those of networks."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from vsr.errors import InputError, ModelError
from vsr.evaluation.protocol import eight_bits
from vsr.metrics import luma_bt601
from vsr.metrics.lpips import Lpips
from vsr.networks.files import read_checkpoint
from vsr.networks.locating import find_weights
from vsr.observation import resample

__all__ = ["DEFAULT_WEIGHTS", "Perceptual", "find_perceptual", "in_colour"]

DEFAULT_WEIGHTS = "lpips-alex"
"""Name under which weights are looked for, in the folders where those of networks are."""


@dataclass(frozen=True)
class Perceptual:
    """LPIPS, ready to use."""

    measure: Lpips
    digest: str
    """Of the file of weights."""

    def __call__(self, result: Tensor, hr: Tensor, small: Tensor, name: str) -> float:
        """LPIPS of an unrounded ``(1 or 3, H, W)`` result against ground truth; ``small`` is the 8-bit RGB input.

        Luma gets the colour of the small image, enlarged bicubically. Raises `InputError` naming ``name`` for
        images that are too small.
        """
        return self.measure(*self._both(result, hr, small, name))

    def spatial(self, result: Tensor, hr: Tensor, small: Tensor, name: str) -> Tensor:
        """The same for each pixel, ``(H, W)``."""
        return self.measure.spatial(*self._both(result, hr, small, name))

    def _both(self, result: Tensor, hr: Tensor, small: Tensor, name: str) -> tuple[Tensor, Tensor]:
        """Result and ground truth as they are compared, ``(3, H, W)``."""
        if min(hr.shape[-2:]) < self.measure.smallest_side:
            raise InputError(
                f"{name}: {hr.shape[-1]}x{hr.shape[-2]} is too small for LPIPS, which needs sides of "
                f"{self.measure.smallest_side}; leave the weights of LPIPS away"
            )
        if hr.shape[0] == 1:
            return eight_bits(result[:1]).expand(3, -1, -1), hr.expand(3, -1, -1)
        return eight_bits(in_colour(result, small)), hr


def in_colour(result: Tensor, small: Tensor) -> Tensor:
    """An RGB result as it is; luma ``(1, H, W)`` with the bicubically enlarged colour of ``small`` ``(3, h, w)``.

    Adding one number to R, G and B changes BT.601 luma by 219/255 of it, and leaves chroma as it is.
    """
    if result.shape[0] == 3:
        return result
    colour = resample(small.double(), (int(result.shape[-2]), int(result.shape[-1])), kernel="bicubic")
    return colour + (result.double() - luma_bt601(colour)) * 255 / 219


def find_perceptual(path: Path | None, device: torch.device) -> Perceptual | None:
    """LPIPS with the weights of ``path``, else with those called ``lpips-alex``, else None.

    Raises `ModelError` for a file that holds something else.
    """
    if path is None:
        try:
            path = find_weights(DEFAULT_WEIGHTS)[0][1]
        except ModelError:
            return None
    weights = read_checkpoint(path).tensors
    try:
        measure = Lpips(weights, device)
    except ValueError as error:
        raise ModelError(f"{path}: {error}") from error
    return Perceptual(measure, hashlib.sha256(path.read_bytes()).hexdigest())

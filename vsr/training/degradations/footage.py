"""Blur as one's own footage has it.

After KMSR (Zhou, Süsstrunk, "Kernel modeling super-resolution on real low-resolution images", ICCV 2019): kernels are
estimated from the images that will be restored, and training images are blurred by draws from that collection. Here
the estimate is the one that multi-frame reconstruction uses (`vsr.methods.reconstruction.calibration`), one width a
shot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from vsr.errors import InputError, UsageError
from vsr.methods.reconstruction.calibration import find_psf
from vsr.observation import gaussian_kernel
from vsr.training.degradations.base import Step, check_probability, choose, happens, uniform
from vsr.training.degradations.blur import blurred

__all__ = ["FootageBlur", "measure_footage"]

_LEAST_FRAMES = 5


@dataclass(frozen=True)
class FootageBlur(Step):
    """A Gaussian as wide as that of a random shot of the footage, a little varied."""

    is_linear: ClassVar[bool] = True

    footage: tuple[str, ...] = ()
    """Folders of video whose blur is estimated; none: those that are trained on."""
    vary: float = 0.1
    """The width is multiplied by 1 ± this."""
    probability: float = 1.0
    sigmas: tuple[float, ...] = ()
    """In pixels of the footage; measured when the run begins, unless given."""
    scale: int = 2
    """Of the run; not set by hand."""

    def __post_init__(self) -> None:
        check_probability("footage-blur.vary", self.vary)
        check_probability("footage-blur.probability", self.probability)
        if any(not 0 <= sigma <= 4 for sigma in self.sigmas):
            raise UsageError(f"footage-blur.sigmas = {list(self.sigmas)}: allowed are numbers from 0 to 4")

    def measured(self, shots: Sequence[Tensor]) -> FootageBlur:
        """The same with the widths of these shots; see `measure_footage`."""
        return replace(self, sigmas=measure_footage(shots))

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """``(T, C, H, W)`` → the same; ahead of the shrinking, so a pixel of the footage is ``scale`` of these."""
        if not self.sigmas:
            raise UsageError("footage-blur: no widths; they are measured when a run begins, or given as sigmas")
        occurs = happens(self.probability, generator)
        sigma = self.sigmas[choose(len(self.sigmas), generator)]
        width = self.scale * sigma * uniform((1 - self.vary, 1 + self.vary), generator)
        return blurred(images, gaussian_kernel((width, width))) if occurs else images


def measure_footage(shots: Sequence[Tensor]) -> tuple[float, ...]:
    """Widths of the blur, in pixels, of shots ``(T, H, W, 3)`` uint8 RGB; those that tell nothing are left out.

    Raises `InputError` if none tells.
    """
    found = []
    for shot in shots:
        if len(shot) < _LEAST_FRAMES:
            continue
        sigma = find_psf(list(shot.float().mean(-1) / 255))
        if sigma is not None:
            found.append(round(sigma, 4))
    if not found:
        raise InputError(
            f"the blur of the footage cannot be estimated from {len(shots)} shots: it needs video of {_LEAST_FRAMES} "
            "frames or more a shot, with edges; give widths (footage-blur: {sigmas: [0.5]}) or use gaussian-blur"
        )
    return tuple(found)

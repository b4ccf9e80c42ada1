"""How noisy a learnt degradation is: set by how much fine detail there is, once the generator has learnt all else.

Adversarial training makes too little noise: a generator that leaves some out is seen to do so in few images, and all
its other losses reward it. A network that learns from such pairs takes the noise it then meets for detail.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from vsr.metrics import luma_bt601
from vsr.training.unpaired.generators import Shrinker

__all__ = ["calibrate_noise", "fine_energy"]

_MEAN_PX, _BLOCK_PX = 3, 8
_SHARE = 0.5  # of the blocks, by how much is in them; in flat ones JPEG takes noise out again
_MOST_GAIN, _HALVINGS = 8.0, 10


def fine_energy(images: Sequence[Tensor]) -> float:
    """Standard deviation of what is finer than means of 3×3 pixels in the median block of ``(3, h, w)`` images."""
    squares = []
    for image in images:
        luma = luma_bt601(image)[None]
        fine = luma - avg_pool2d(luma, _MEAN_PX, 1, _MEAN_PX // 2, count_include_pad=False)
        squares.append(avg_pool2d(fine.square(), _BLOCK_PX).flatten())
    return float(torch.cat(squares).quantile(_SHARE).sqrt())


@torch.no_grad()
def calibrate_noise(shrinker: Shrinker, clean: Tensor, degraded: Tensor, seed: int) -> None:
    """Set the gain of ``shrinker``'s noise so that ``clean``, degraded by it, has as much fine detail as ``degraded``.

    ``(B, 3, h, w)`` in 0…1. By bisection between 0 and 8, with the same noise each time.
    """
    requested, least, most = fine_energy(list(degraded)), 0.0, _MOST_GAIN
    for _ in range(_HALVINGS):
        gain = 0.5 * (least + most)
        shrinker.soiler.noise_gain.fill_(gain)
        made = shrinker(clean, torch.Generator().manual_seed(seed)).clamp(0, 1)
        least, most = (gain, most) if fine_energy(list(made)) < requested else (least, gain)

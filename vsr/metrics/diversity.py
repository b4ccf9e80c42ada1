"""How different several answers to one question are, where it counts: the diversity score of the NTIRE challenges.

Lugmayr, Danelljan, Timofte, "NTIRE 2021 learning the super-resolution space challenge", CVPRW 2021.
"""

from __future__ import annotations

from torch import Tensor

__all__ = ["diversity_score"]


def diversity_score(distances: Tensor) -> float:
    """How much closer one comes by taking each pixel from the sample that is best there, in per cent of the best.

    ``distances``: ``(N, H, W)``, of N samples to the ground truth at each pixel, not negative; spatial LPIPS in the
    challenge. With the mean of the best sample, and the mean of the minimum over samples at each pixel: (best −
    minimum) / best · 100. 0 for equal samples, and where one is perfect; 100 where each pixel is perfect in one.
    """
    if distances.dim() != 3 or len(distances) < 2:
        raise ValueError(f"need distances (N, H, W) of two samples or more, got {tuple(distances.shape)}")
    best = float(distances.mean((1, 2)).amin())
    lowest = float(distances.amin(0).mean())
    return 100 * (best - lowest) / best if best else 0.0

"""Attention over all places of a feature map, in memory that grows with the places and not with their pairs."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

__all__ = ["ChannelAttention", "NonLocal", "attend"]


def attend(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """``(B, C, N)``, ``(B, C, M)``, ``(B, V, M)`` → ``(B, V, N)``: means of values, weighed by exp(query · key)."""
    attended = scaled_dot_product_attention(
        queries.transpose(1, 2), keys.transpose(1, 2), values.transpose(1, 2), scale=1.0
    )
    return attended.transpose(1, 2)


class NonLocal(nn.Module):
    """Embedded Gaussian (Wang et al., CVPR 2018): each place adds a mean of all places that look like it."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.g, self.theta, self.phi = (nn.Conv2d(width, inner, 1) for _ in range(3))
        self.W = nn.Conv2d(inner, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        """``(B, width, H, W)`` → the same."""
        parts = (layer(features).flatten(2) for layer in (self.theta, self.phi, self.g))
        attended = attend(*parts)
        mixed: Tensor = self.W(attended.reshape(len(features), -1, *features.shape[-2:]))
        return mixed + features


class ChannelAttention(nn.Module):
    """Each channel times a number between 0 and 1 that the means of all channels tell (RCAN)."""

    def __init__(self, width: int, reduction: int = 16) -> None:
        super().__init__()
        self.conv_du = nn.Sequential(
            nn.Conv2d(width, width // reduction, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width // reduction, width, 1),
            nn.Sigmoid(),
        )

    def forward(self, features: Tensor) -> Tensor:
        """``(B, width, H, W)`` → the same."""
        weights: Tensor = self.conv_du(features.mean((-2, -1), keepdim=True))
        return features * weights

"""A 3×3 convolution that is trained as a sum of branches and used as one kernel.

After ECBSR (Zhang, Zeng, Zhang, "Edge-oriented convolution block for real-time super resolution on mobile devices",
ACM MM 2021) and SESR (Bhardwaj et al., "Collapsible linear blocks for super-efficient super resolution", MLSys 2022): a
plain kernel, a wide one squeezed by a 1×1 convolution, mixtures of channels seen through Sobel's and Laplace's filters,
and the input itself. All are linear, so their sum is one kernel. They are merged before it is applied, in training,
too, as SESR does: a step then costs what a plain convolution costs, and borders are those of the inference form.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

__all__ = ["EDGE_FILTERS", "EdgeConv2d"]

EDGE_FILTERS = (
    ((1.0, 0.0, -1.0), (2.0, 0.0, -2.0), (1.0, 0.0, -1.0)),
    ((1.0, 2.0, 1.0), (0.0, 0.0, 0.0), (-1.0, -2.0, -1.0)),
    ((0.0, 1.0, 0.0), (1.0, -4.0, 1.0), (0.0, 1.0, 0.0)),
)
"""Sobel's across and down, Laplace's."""

_EXPANSION = 2
_FAINT = 1e-3  # strength of the edge filters at the start


class EdgeConv2d(nn.Module):
    """Plain, squeezed wide, edges, identity as one 3×3 kernel: ``(B, width, H, W)`` → the same; zeros outside."""

    edges: Tensor
    identity: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        plain = nn.Conv2d(width, width, 3)
        assert plain.bias is not None
        self.plain, self.bias = nn.Parameter(plain.weight.detach() / 2), nn.Parameter(plain.bias.detach())
        self.wide = nn.Parameter(nn.Conv2d(width, _EXPANSION * width, 3).weight.detach())
        self.squeeze = nn.Parameter(torch.randn(width, _EXPANSION * width) / math.sqrt(4 * _EXPANSION * width))
        self.mix = nn.Parameter(torch.randn(len(EDGE_FILTERS), width, width) / math.sqrt(width))
        self.strength = nn.Parameter(_FAINT * torch.randn(len(EDGE_FILTERS), width))
        identity = torch.zeros(width, width, 3, 3)
        identity[torch.arange(width), torch.arange(width), 1, 1] = 1
        self.register_buffer("edges", torch.tensor(EDGE_FILTERS), persistent=False)
        self.register_buffer("identity", identity, persistent=False)

    def reparameterise(self) -> tuple[Tensor, Tensor]:
        """``(width, width, 3, 3)`` kernel and ``(width,)`` bias that compute the same, in the parameters' type."""
        with torch.autocast(self.plain.device.type, enabled=False):
            wide = torch.einsum("om,mihw->oihw", self.squeeze, self.wide)
            edges = torch.einsum("eo,eoi,ehw->oihw", self.strength, self.mix, self.edges)
            return self.plain + wide + edges + self.identity, self.bias

    def take_over(self, kernel: Tensor, bias: Tensor) -> None:
        """Become a given convolution: the plain branch makes up what the others lack."""
        with torch.no_grad():
            self.plain.add_(kernel - self.reparameterise()[0])
            self.bias.copy_(bias)

    def forward(self, features: Tensor) -> Tensor:
        """``(B, width, H, W)`` → the same."""
        kernel, bias = self.reparameterise()
        return conv2d(features, kernel, bias, padding=1)

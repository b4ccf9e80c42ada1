"""Motions one after another, their inverses, and images moved by them. Flows are ``(2, H, W)`` pixels, rows first."""

from __future__ import annotations

import torch
from torch import Tensor

from vsr.kernels import kernel
from vsr.registration.flow import FlowPair, pixel_positions, sample_bicubic

__all__ = ["compose_flows", "compose_pairs", "invert_flow", "join_flows", "warp_to"]

_INVERSION_STEPS = 20


def _read(flow: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
    """``flow`` between pixels, bilinear; the border's motion goes on outside."""
    height, width = flow.shape[-2:]
    grid = torch.stack([(2 * cols + 1) / width - 1, (2 * rows + 1) / height - 1], dim=-1)
    return torch.nn.functional.grid_sample(
        flow[None], grid[None], mode="bilinear", padding_mode="border", align_corners=False
    )[0]


def compose_flows(first: Tensor, second: Tensor) -> Tensor:
    """The motion ``a → c`` from ``a → b`` and ``b → c``, each ``(2, H, W)`` floating-point; on the pixels of ``a``.

    It is first(p) + second(p + first(p)): the second motion is read where the first one leads. Adding the two pixel
    by pixel would take the second motion of other content. Where ``a`` leads out of ``b``, the motion at ``b``'s
    border goes on.
    """
    if first.ndim != 3 or first.shape[0] != 2 or first.shape != second.shape:
        raise ValueError(f"flows must be (2, H, W) and of one size, got {tuple(first.shape)}, {tuple(second.shape)}")
    return join_flows(first, second)


@kernel("vsr.kernels.reading")
def join_flows(first: Tensor, second: Tensor) -> Tensor:
    """`compose_flows`, unchecked."""
    return first + _read(second, *pixel_positions(first))


def compose_pairs(first: FlowPair, second: FlowPair) -> FlowPair:
    """The motion between ``a`` and ``c``, both ways, from those between ``a`` and ``b`` and between ``b`` and ``c``."""
    return FlowPair(
        compose_flows(first.forward, second.forward),
        compose_flows(second.backward, first.backward),
    )


def invert_flow(flow: Tensor) -> Tensor:
    """The motion ``b → a`` of the motion ``a → b``, ``(2, H, W)``, on the pixels of ``b``.

    Fixed-point iteration of inverse(q) = −flow(q + inverse(q)) (Chen et al. 2008). It converges where neighbouring
    pixels move alike (the flow changes by less than one pixel a pixel); there the composition of both is no motion.
    """
    inverse = -flow
    for _ in range(_INVERSION_STEPS):
        inverse = -_read(flow, *pixel_positions(inverse))
    return inverse


def warp_to(image: Tensor, flow: Tensor) -> Tensor:
    """``image`` ``b`` as ``a`` sees it: read where the motion ``a → b``, ``(2, H, W)``, leads.

    ``(h, w)`` or ``(C, h, w)`` in, ``(H, W)`` or ``(C, H, W)`` out; bicubic, the border repeated.
    """
    images = image if image.ndim == 3 else image[None]
    moved = sample_bicubic(images, *pixel_positions(flow))
    return moved if image.ndim == 3 else moved[0]

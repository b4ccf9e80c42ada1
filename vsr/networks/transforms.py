"""Orthonormal transforms of blocks as layers: Haar's wavelet and the discrete cosine transform, exactly invertible.

Blocks do not overlap. The cosine transform of two pixels is Haar's wavelet, so one layer has both: the pixels of each
block of ``size`` × ``size`` become as many channels, their mean times ``size`` first, then rising frequencies, across
before down. A transform and its inverse are each other's transposes, so they cost no more than adding up pixels.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import conv2d, conv_transpose2d

__all__ = ["block_kernels", "cosine_matrix", "from_bands", "to_bands"]


def cosine_matrix(size: int) -> Tensor:
    """The orthonormal discrete cosine transform (type II), ``(size, size)`` float32: row k has frequency k."""
    number = torch.arange(size, dtype=torch.float32)
    matrix = torch.cos(math.pi * (number[None] + 0.5) * number[:, None] / size) * math.sqrt(2 / size)
    matrix[0] /= math.sqrt(2)
    return matrix


def block_kernels(size: int = 2) -> Tensor:
    """``(size², 1, size, size)``: what `to_bands` weighs the pixels of a block by. Size 2 is Haar's, ±1/2."""
    rows = cosine_matrix(size)
    if size == 2:
        rows = rows.sign() / math.sqrt(2)
    kernels = rows[:, None, :, None] * rows[None, :, None, :]
    return (kernels if size != 2 else kernels.sign() / 2).reshape(size * size, 1, size, size)


def to_bands(images: Tensor, kernels: Tensor) -> Tensor:
    """``(B, C, size·H, size·W)`` → ``(B, size²·C, H, W)``: the first band of all channels, then the second, …"""
    channels, bands, size = images.shape[1], kernels.shape[0], kernels.shape[-1]
    weights = kernels.to(images.dtype).repeat(channels, 1, 1, 1)
    split = conv2d(images, weights, stride=size, groups=channels)
    height, width = split.shape[-2:]
    return (
        split.reshape(-1, channels, bands, height, width).transpose(1, 2).reshape(-1, bands * channels, height, width)
    )


def from_bands(split: Tensor, kernels: Tensor) -> Tensor:
    """The transpose of `to_bands`, which undoes it where ``kernels`` are orthonormal."""
    bands, size = kernels.shape[0], kernels.shape[-1]
    channels = split.shape[1] // bands
    by_channel = split.reshape(-1, bands, channels, *split.shape[-2:]).transpose(1, 2).reshape(split.shape)
    weights = kernels.to(split.dtype).repeat(channels, 1, 1, 1)
    return conv_transpose2d(by_channel, weights, stride=size, groups=channels)

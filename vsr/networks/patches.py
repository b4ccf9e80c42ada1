"""What the example-based methods share: features of small patches, and patches put together to an image again.

An image is enlarged by bicubic interpolation. Around each of its original pixels lies a patch of 3×3 of them, 3S×3S
enlarged ones. What tells its missing detail are first and second differences, a pixel of the original apart, brought to
few numbers by principal components (Zeyde, Elad, Protter, "On single image scale-up using sparse-representations",
Curves and Surfaces 2010). Details of patches that overlap are averaged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn import functional

from vsr.networks.footprint import INPUT

__all__ = ["PATCH", "chunks", "differences", "overlap_add", "patch_context_px", "patch_features"]

PATCH = 3
"""Side of a patch in pixels of the small image."""

_CHUNK = 4096  # patches that are looked up at once: bounds memory


def _read(images: Tensor, before: int, after: int, down: bool) -> Tensor:
    """Differences of samples ``after`` ahead and ``before`` behind, across or down; borders are repeated."""
    padding = (0, 0, before, after) if down else (before, after, 0, 0)
    padded = functional.pad(images, padding, mode="replicate")
    axis, size = (-2, images.shape[-2]) if down else (-1, images.shape[-1])
    return padded.narrow(axis, before + after, size) - padded.narrow(axis, 0, size)


def _quantise_curve(images: Tensor, step: int, down: bool) -> Tensor:
    padding = (0, 0, step, step) if down else (step, step, 0, 0)
    padded = functional.pad(images, padding, mode="replicate")
    axis, size = (-2, images.shape[-2]) if down else (-1, images.shape[-1])
    return (padded.narrow(axis, 2 * step, size) + padded.narrow(axis, 0, size)) / 2 - images


def differences(enlarged: Tensor, scale: int) -> Tensor:
    """``(B, 1, H, W)`` → ``(B, 4, H, W)``: first differences across and down, second differences across and down.

    Samples lie ``scale`` pixels apart, as in Zeyde's filters; borders are repeated.
    """
    after = (scale + 1) // 2
    return torch.cat(
        [
            _read(enlarged, scale - after, after, down=False),
            _read(enlarged, scale - after, after, down=True),
            _quantise_curve(enlarged, scale, down=False),
            _quantise_curve(enlarged, scale, down=True),
        ],
        1,
    )


def patch_features(enlarged: Tensor, components: Tensor, scale: int) -> Tensor:
    """Features ``(B·h·w, d)`` of the patch around each pixel of the small image, row by row.

    ``enlarged`` is ``(B, 1, S·h, S·w)``, ``components`` ``(d, 4, 3S, 3S)``.
    """
    framed = functional.pad(enlarged, (scale,) * 4, mode="replicate")
    maps = functional.conv2d(differences(framed, scale), components, stride=scale)
    return maps.permute(0, 2, 3, 1).reshape(-1, components.shape[0])


def _covering(size: int, scale: int, like: Tensor) -> Tensor:
    """How many patches cover each enlarged pixel of an axis."""
    place = torch.arange(size, device=like.device)
    count = (place + 1).clamp(max=size - 1) - (place - 1).clamp(min=0) + 1
    return count.to(like.dtype).repeat_interleave(scale)


def overlap_add(patches: Tensor, images: Tensor, scale: int) -> Tensor:
    """``(B·h·w, 9S²)``, one patch a pixel of ``images`` ``(B, 1, h, w)`` → their means ``(B, 1, S·h, S·w)``."""
    count, _, height, width = images.shape
    columns = patches.reshape(count, height * width, -1).transpose(1, 2)
    framed = functional.fold(columns, ((height + 2) * scale, (width + 2) * scale), PATCH * scale, stride=scale)
    summed = framed[..., scale:-scale, scale:-scale]
    return summed / (_covering(height, scale, summed)[:, None] * _covering(width, scale, summed))


def chunks(features: Tensor, made: Callable[[Tensor], Tensor]) -> Tensor:
    """``made`` of all rows of ``features``, some thousand at a time."""

    def parts() -> Iterator[Tensor]:
        for start in range(0, len(features), _CHUNK):
            yield made(features[start : start + _CHUNK])

    return torch.cat(list(parts()))


def patch_context_px(scale: int) -> int:
    """Receptive field in pixels of the small image."""
    side = PATCH * scale
    seen = INPUT.enlarged(scale, 2).conv(2 * scale + 1).strided(side, scale, scale)
    return seen.deconv(side, scale, scale).context_px

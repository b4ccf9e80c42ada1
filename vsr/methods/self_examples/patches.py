"""Small patches recur in an image at several sizes: how a small one looks larger is seen where it lies larger.

Glasner, Bagon, Irani, "Super-resolution from a single image", ICCV 2009; Huang, Singh, Ahuja, "Single image
super-resolution from transformed self-exemplars", CVPR 2015, here without the planes and affine maps of its search:
examples are patches of frames as they are, found by comparing all with all. Enlarging goes by steps of at most 1.5,
each followed by rounds of back-projection.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from vsr.observation import resample

__all__ = ["LEAST_SIDE_PX", "enlarge_by_examples", "gather_examples", "step_factors"]

LEAST_SIDE_PX = 32
"""Shorter sides of frames hold too few examples."""

_PATCH_PX = 5
_MOST_STEP = 1.5
_NEIGHBOURS = 5
_FLAT = 0.02  # added to the contrast that patches are divided by, 0…1
_LEAST_CONTRAST = 0.05  # of an example: norm of the patch about its mean
_SOFT = 0.1  # squared distance over which a neighbour's weight falls to 1/e beside the nearest one's
_FAR = 0.5  # squared distance of the nearest, over which detail falls to 1/e
_BACK_PROJECTIONS = 5
_CHUNK = 2048  # patches that are looked up at once: bounds memory
_STRIP_ROWS = 32  # of patches that are held at once; of 32, sums over patches are the same as over whole images
_SEED = 11


def step_factors(scale: float) -> tuple[int, float]:
    """How many steps a magnification takes, and the factor of each; 0 steps where nothing is enlarged."""
    count = math.ceil(math.log(scale) / math.log(_MOST_STEP) - 1e-9) if scale > 1 else 0
    return count, scale ** (1 / count) if count else 1.0


def _resized(luma: Tensor, size_yx: tuple[int, int]) -> Tensor:
    return resample(luma[None, None], size_yx, kernel="bicubic")[0, 0]


def _patches(luma: Tensor) -> Tensor:
    """``(N, 25)``: those that lie inside."""
    columns: Tensor = functional.unfold(luma[None, None], _PATCH_PX)
    return columns[0].T


def _normalised(patches: Tensor) -> tuple[Tensor, Tensor]:
    """Patches about their mean, of a length just below 1, and what they were divided by."""
    centred = patches - patches.mean(1, keepdim=True)
    contrast = centred.norm(dim=1, keepdim=True) + _FLAT
    return centred / contrast, contrast


def gather_examples(lumas: Sequence[Tensor], factor: float, most: int) -> dict[str, Tensor]:
    """``patches`` ``(N, 25)`` as they look after shrinking and interpolation, and the ``details`` that they then lack.

    Of frames ``(h, w)`` in 0…1, at most ``most``, from a seed; flat patches are left out. Equal frames give equal
    examples.
    """
    lively = [_lively(_softened(luma, factor)) for luma in lumas]
    counts = [int(mask.count_nonzero()) for mask in lively]
    drawn = _drawn(sum(counts), most)
    patches, details, first = [], [], 0
    for luma, mask, count in zip(lumas, lively, counts, strict=True):
        chosen = drawn[(drawn >= first) & (drawn < first + count)] - first
        places = mask.nonzero()[chosen.to(luma.device)]
        plain = _softened(luma, factor)
        normalised, contrast = _normalised(_patches_at(plain, places))
        patches.append(normalised)
        details.append(_patches_at(luma - plain, places) / contrast)
        first += count
    return {"patches": torch.cat(patches), "details": torch.cat(details)}


def _softened(luma: Tensor, factor: float) -> Tensor:
    """As it looks after shrinking and interpolation."""
    height, width = luma.shape
    small = _resized(luma, (max(1, round(height / factor)), max(1, round(width / factor))))
    return _resized(small, (height, width))


def _lively(plain: Tensor) -> Tensor:
    """``(h - 4, w - 4)`` bool: whether the patch there has contrast. A strip of rows is looked at at a time."""
    rows, columns = (side - _PATCH_PX + 1 for side in plain.shape)
    strips = []
    for top in range(0, rows, _STRIP_ROWS):
        patches = _patches(plain[top : top + _STRIP_ROWS + _PATCH_PX - 1]).contiguous()
        strips.append((_normalised(patches)[1] > _LEAST_CONTRAST + _FLAT).reshape(-1, columns))
    return torch.cat(strips)


def _drawn(count: int, most: int) -> Tensor:
    """Which of ``count`` are taken, rising."""
    if count <= most:
        return torch.arange(count)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(_SEED), dtype=torch.int32)
    return order[:most].long().sort().values


def _patches_at(luma: Tensor, places: Tensor) -> Tensor:
    """``(N, 25)``: those whose upper left corners are ``places`` ``(N, 2)``."""
    every = luma.unfold(0, _PATCH_PX, 1).unfold(1, _PATCH_PX, 1)  # a view
    return every[places[:, 0], places[:, 1]].reshape(-1, _PATCH_PX**2)


def _detail(plain: Tensor, examples: Mapping[str, Tensor]) -> Tensor:
    """``(H, W)``: what an interpolated image lacks, each pixel the mean of 25 patches.

    A strip of rows is worked on at a time; of the strip above it, patches that reach into its rows are kept.
    """
    height, width = plain.shape
    margin, reach = _PATCH_PX // 2, _PATCH_PX - 1
    padded = functional.pad(plain[None, None], (margin,) * 4, mode="replicate")[0, 0]
    summed = torch.empty_like(padded)
    held = plain.new_empty(_PATCH_PX**2, 0, width)
    for top in range(0, height, _STRIP_ROWS):
        bottom = min(top + _STRIP_ROWS, height)
        found = _found(padded[top : bottom + reach], examples).T.reshape(_PATCH_PX**2, -1, width)
        columns = torch.cat([held, found], 1)
        first, held = top - held.shape[1], columns[:, -reach:]
        size_yx = (bottom - first + reach, width + reach)
        folded = functional.fold(columns.flatten(1)[None], size_yx, _PATCH_PX)[0, 0]
        end = bottom if bottom < height else height + reach
        summed[top:end] = folded[top - first : end - first]
    return summed[margin : margin + height, margin : margin + width] / _PATCH_PX**2


def _found(padded: Tensor, examples: Mapping[str, Tensor]) -> Tensor:
    """``(N, 25)``: what each patch lacks, the weighted mean of what its nearest examples lack."""
    known, details = examples["patches"], examples["details"]
    seen, contrast = _normalised(_patches(padded))
    length = known.square().sum(1)
    found = torch.empty_like(seen)
    for start in range(0, len(seen), _CHUNK):
        some = seen[start : start + _CHUNK]
        distance = some.square().sum(1, keepdim=True) + length - 2 * some @ known.T
        nearest, places = distance.topk(min(_NEIGHBOURS, len(known)), 1, largest=False)
        weights = torch.softmax(-nearest / _SOFT, 1) * torch.exp(-nearest[:, :1].clamp(min=0) / _FAR)
        found[start : start + _CHUNK] = (details[places] * weights[..., None]).sum(1)
    return found * contrast


def enlarge_by_examples(luma: Tensor, scale: int, examples: Mapping[str, Tensor]) -> Tensor:
    """``(h, w)`` in 0…1 → ``(scale·h, scale·w)``; with no examples by interpolation and back-projection alone."""
    count, factor = step_factors(scale)
    height, width = luma.shape
    made = luma
    for step in range(1, count + 1):
        reached = scale if step == count else factor**step
        made = _resized(made, (round(height * reached), round(width * reached)))
        if len(examples["patches"]):
            made = made + _detail(made, examples)
        for _ in range(_BACK_PROJECTIONS):
            made = made + _resized(luma - _resized(made, (height, width)), (made.shape[0], made.shape[1]))
    return made

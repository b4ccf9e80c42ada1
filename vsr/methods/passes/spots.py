"""Spots that one frame has and its neighbours do not: found, measured, and distinguished from small things that move.

Images are ``(H, W)`` float32 on the CPU, black 0 and white 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["LOOSE", "STRICT", "Spots", "find_spots", "ring_offsets", "without_the_scene"]

_LEAST_SEED, _LEAST_GROWN = 10 / 255, 5 / 255  # by which a spot's core, and its pixels, stand out
_SEED_NOISES, _GROWN_NOISES = 4.0, 2.5  # the same over the standard deviation of what compensation leaves
_LEAST_NOISE = 0.5 / 255
_LEAST_CONTRAST, _CONTRAST_NOISES = 11 / 255, 4.0  # of a whole spot
_RING_PX = (1.5, 5.0)  # distances from a spot at which it is tested whether the neighbours show the same place
_ENOUGH_PIXELS = 40.0  # of a spot, over which its contrast is a mean that counts twice
STRICT, LOOSE = 0.28, 0.4
"""Share of a spot's contrast by which surroundings and the two neighbours may differ, for repair and for a guess."""
_MOST_SHARE = 0.6  # however sensitive
_NEAR_PX = 6.0  # besides its size, how far from a spot others are of the same, restless place
_RESTLESS_FRAMES = 2  # of the frames around that also have spots there
_RESTLESS_CONTRAST = 0.5  # of the spot's, at least
_REACH_SHARE, _REACH_PX = 0.12, 32.0  # of the frame's longer side, and at least: how far things move in a frame
_STRAIGHT_PX, _STRAIGHT_SHARE = 2.0, 0.2  # by which a path may miss a straight one; the latter of a step
_MOST_SPOTS = 3000  # of a frame that are taken for dirt
_ALIKE_AREA, _ALIKE_CONTRAST = 4.0, 2.5  # times by which spots of one thing differ
_ALIKE_LEVEL = 0.15  # by which they may differ whatever their surroundings


@dataclass(frozen=True)
class Spots:
    """What stands out of a frame against both neighbours."""

    labels: NDArray[np.int32]
    """``(H, W)``: 0, or the number of a spot, from 1."""
    places: NDArray[np.float64]
    """``(N, 2)``: centroids, row first."""
    areas: NDArray[np.float64]
    """``(N,)`` pixels."""
    levels: NDArray[np.float64]
    """``(N,)``: mean of the frame."""
    contrasts: NDArray[np.float64]
    """``(N,)``: mean difference from the nearer neighbour, below 0 for dark spots."""
    is_sound: NDArray[np.bool_]
    """``(N,)``: whether it may be repaired: small, and its surroundings are the same in both neighbours."""

    @property
    def mask(self) -> Tensor:
        """``(H, W)`` bool: pixels of spots that may be repaired."""
        return torch.from_numpy(np.concatenate([[False], self.is_sound])[self.labels])


def _highest(image: Tensor) -> Tensor:
    """Of each 3×3 neighbourhood."""
    return torch.nn.functional.max_pool2d(image[None, None], 3, stride=1, padding=1)[0, 0]


def _label(grown: Tensor, seeds: Tensor) -> NDArray[np.int32]:
    """Connected parts of ``grown`` that hold a seed, numbered from 1."""
    import cv2

    count, labels = cv2.connectedComponents(grown.numpy().astype(np.uint8), connectivity=8)
    has_seed = np.zeros(count, bool)
    has_seed[labels[seeds.numpy()]] = True
    has_seed[0] = False
    numbers = (np.cumsum(has_seed) * has_seed).astype(np.int32)
    return np.asarray(numbers[labels], np.int32)


def _means(labels: NDArray[np.int32], values: Tensor, count: int) -> NDArray[np.float64]:
    """Mean of ``values`` over each label from 1 on; 0 where a label has no pixel."""
    totals = np.bincount(labels.ravel(), values.numpy().ravel(), count + 1)[1:]
    pixels = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    return np.asarray(totals / np.maximum(pixels, 1), np.float64)


def _rings(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Pixels around spots, by the number of the nearest spot."""
    import cv2

    outside = (labels == 0).astype(np.uint8)
    distances, nearest = cv2.distanceTransformWithLabels(outside, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    numbers = np.zeros(int(nearest.max()) + 1, np.int32)
    numbers[nearest[labels > 0]] = labels[labels > 0]
    return np.where((distances > _RING_PX[0]) & (distances <= _RING_PX[1]), numbers[nearest], 0)


def _sides(labels: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """``(N,)``: the longer side of each spot's box."""
    rows, cols = np.nonzero(labels)
    found = labels[rows, cols] - 1
    sides = np.zeros(count, np.int64)
    for places in (rows, cols):
        lowest, highest = np.full(count, np.iinfo(np.int64).max), np.zeros(count, np.int64)
        np.minimum.at(lowest, found, places)
        np.maximum.at(highest, found, places)
        sides = np.maximum(sides, highest - lowest + 1)
    return sides


def find_spots(
    image: Tensor, before: Tensor, after: Tensor, *, sensitivity: float, largest_px: float, share: float
) -> Spots:
    """Spots of ``image`` that neither neighbour has; these are motion-compensated and of the same brightness.

    ``share`` is `STRICT` or `LOOSE`.
    """
    below, above = image - before, image - after
    noise = max(1.4826 * float(((below + above) / 2).abs().median()), _LEAST_NOISE)
    highest = torch.maximum(_highest(before), _highest(after))
    lowest = -torch.maximum(_highest(-before), _highest(-after))
    seed = max(_LEAST_SEED, _SEED_NOISES * noise) / sensitivity
    grown = max(_LEAST_GROWN, _GROWN_NOISES * noise) / sensitivity
    bright = _label(torch.minimum(below, above) > grown, image - highest > seed)
    dark = _label(torch.maximum(below, above) < -grown, lowest - image > seed)
    labels = np.where(dark > 0, dark + bright.max(), bright).astype(np.int32)
    count = int(labels.max())
    rings = _rings(labels)
    contrasts = _means(labels, torch.where(below.abs() < above.abs(), below, above), count)
    unlike = np.maximum(_means(rings, below.abs(), count), _means(rings, above.abs(), count))
    areas = np.bincount(labels.ravel(), minlength=count + 1)[1:].astype(np.float64)
    apart = _means(labels, (below - above).abs(), count) / (1 + areas / _ENOUGH_PIXELS)
    rows, cols = (torch.arange(size, dtype=torch.float64) for size in image.shape)
    contrast = max(_LEAST_CONTRAST, _CONTRAST_NOISES * noise) / sensitivity
    return Spots(
        labels=labels,
        places=np.stack([_means(labels, axis.expand(image.shape), count) for axis in (rows[:, None], cols)], 1),
        areas=areas,
        levels=_means(labels, image, count),
        contrasts=contrasts,
        is_sound=(np.hypot(unlike, apart) < min(share * sensitivity, _MOST_SHARE) * np.abs(contrasts))
        & (np.abs(contrasts) > contrast)
        & (_sides(labels, count) <= largest_px),
    )


def ring_offsets(differences: Tensor, labels: Tensor) -> Tensor:
    """``(H, W)``: for each pixel of a spot the mean of ``differences`` around the spot, else 0; ``labels`` int32."""
    numbers = labels.numpy()
    count = int(numbers.max())
    means = np.concatenate([[0.0], _means(_rings(numbers), differences, count)])
    return torch.from_numpy(means[numbers]).to(differences.dtype)


def without_the_scene(spots: Spots, around: Mapping[int, Spots]) -> Spots:
    """``spots`` less those that are part of the scene; ``around`` has those of frames nearby, by their distance.

    These are places where most frames have spots (glitter, leaves, rain), and spots with two others like them, evenly
    along a straight path (birds, balls, rain). Thousands of them are noise or weather, and no dirt.
    """
    if np.count_nonzero(spots.is_sound) > _MOST_SPOTS:
        return replace(spots, is_sound=np.zeros_like(spots.is_sound))
    is_scene = np.zeros(len(spots.areas), bool)
    reach_px = max(_REACH_SHARE * max(spots.labels.shape), _REACH_PX)
    for index in np.flatnonzero(spots.is_sound).tolist():
        restless = sum(_is_there(spots, index, other) for other in around.values())
        is_scene[index] = restless >= _RESTLESS_FRAMES or _is_on_a_path(spots, index, around, reach_px)
    return replace(spots, is_sound=spots.is_sound & ~is_scene)


def _is_there(spots: Spots, index: int, other: Spots) -> bool:
    """Whether ``other`` has a spot near spot ``index``, nearly as far from its surroundings."""
    steps = other.places - spots.places[index]
    is_near = np.hypot(steps[:, 0], steps[:, 1]) < _NEAR_PX + np.sqrt(spots.areas[index])
    return bool((is_near & (other.contrasts / spots.contrasts[index] > _RESTLESS_CONTRAST)).any())


def _alike(spots: Spots, index: int, other: Spots) -> NDArray[np.float64]:
    """``(K, 2)``: steps to spots of ``other`` that are like spot ``index``."""
    areas, contrasts = other.areas / spots.areas[index], other.contrasts / spots.contrasts[index]
    is_as_large = (areas < _ALIKE_AREA) & (areas > 1 / _ALIKE_AREA)
    is_as_clear = (contrasts < _ALIKE_CONTRAST) & (contrasts > 1 / _ALIKE_CONTRAST)
    is_as_light = np.abs(other.levels - spots.levels[index]) < _ALIKE_LEVEL
    is_alike = is_as_large & (contrasts > 0) & (is_as_clear | is_as_light)
    return np.asarray(other.places[is_alike] - spots.places[index])


def _is_on_a_path(spots: Spots, index: int, around: Mapping[int, Spots], reach_px: float) -> bool:
    """Whether two of the frames around have it, too, evenly along a straight line through it."""
    steps = {distance: _alike(spots, index, other) for distance, other in around.items()}
    for near, far in ((-1, 1), (-1, -2), (1, 2), (-1, 2), (1, -2)):
        if near not in steps or far not in steps:
            continue
        ahead, beyond = steps[near], steps[far]
        lengths = np.hypot(*ahead.T)
        ahead, lengths = ahead[lengths < reach_px], lengths[lengths < reach_px]
        beyond = beyond[np.hypot(*beyond.T) < 3 * reach_px]
        misses = np.hypot(*(beyond[None] - ahead[:, None] * (far / near)).transpose(2, 0, 1))
        if bool((misses < _STRAIGHT_PX + _STRAIGHT_SHARE * lengths[:, None]).any()):
            return True
    return False

"""Fitting the example-based methods: ANR, A+ and neighbour embedding, from a folder of images.

As their authors did: images are downscaled by bicubic interpolation, features of their patches are brought to few
numbers by principal components that keep 99.9 % of the energy, K-SVD learns atoms of them, and each atom's detail is
what makes up the patches' details best. The maps of A+ are ridge regressions over the samples nearest to each atom,
all of length 1, from the images at several sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from vsr.errors import InputError, UsageError
from vsr.evaluation.sets import find_sets
from vsr.media.image_files import read_image
from vsr.metrics import luma_bt601, shrink_bicubic
from vsr.networks.blocks import enlarge
from vsr.networks.loading import read_weights
from vsr.networks.patches import PATCH, differences, patch_features
from vsr.training.ksvd import learn_dictionary, pursue

__all__ = ["KINDS", "DictionaryKind", "DictionaryOptions", "fit_dictionary"]

DictionaryKind = Literal["anr", "aplus", "ne-lle"]
"""What can be fitted; names of `vsr.networks.NETWORKS`."""

KINDS: tuple[DictionaryKind, ...] = ("anr", "aplus", "ne-lle")

_ENERGY = 0.999  # of the features, that principal components keep
_SPARSITY = 3
_RIDGE = 0.1
_PYRAMID = tuple(0.98**step for step in range(12))  # sizes of the images that A+ samples
_ANCHORS_AT_ONCE = 32
_TINY = 1e-9

OnFitting = Callable[[str], None]


@dataclass(frozen=True)
class DictionaryOptions:
    """How dictionaries are fitted."""

    num_atoms: int = 1024
    rounds: int = 20
    """Of K-SVD."""
    most_samples: int = 100_000
    """Patches that the dictionary is learnt from."""
    most_anchored_samples: int = 2_000_000
    """Patches that the maps of A+ are learnt from; the paper has 5,000,000, which need 3 GB at ×4."""
    neighbours: int = 2048
    """Samples around each anchor, for A+."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("num_atoms", "rounds", "most_samples", "most_anchored_samples", "neighbours"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be at least 1")


@dataclass(frozen=True)
class _Samples:
    """Patches of small images, and what their large ones have besides interpolation."""

    features: Tensor
    """``(N, d)``."""
    details: Tensor
    """``(N, 9·scale²)``."""


def fit_dictionary(
    kind: DictionaryKind,
    scale: int,
    data: Sequence[Path],
    *,
    dictionary: str | None = None,
    options: DictionaryOptions | None = None,
    on_step: OnFitting | None = None,
) -> dict[str, Tensor]:
    """The tensors of ``kind`` for ``scale``, learnt from folders of images; the same for the same images and seed.

    ``dictionary``: one of ANR or neighbour embedding, by name or file, whose components and atoms are taken over;
    then only A+ needs images. Raises `InputError` for folders that are empty or mixed and images that are too few
    or too small, `UsageError` for what cannot be.
    """
    if not 2 <= scale <= 4:
        raise UsageError(f"scale {scale} cannot be fitted; allowed are 2, 3 and 4")
    chosen, tell = options or DictionaryOptions(), on_step or (lambda text: None)
    lumas = _lumas(data, scale) if data or dictionary is None or kind == "aplus" else []
    base = _learn(lumas, scale, chosen, tell) if dictionary is None else _taken_over(dictionary, scale)
    if kind == "ne-lle":
        return {"components": base["components"], "atoms": base["anchors"], "details": base["details"]}
    if kind == "anr":
        return base
    tell(f"sampling patches for {len(base['anchors'])} anchors")
    sizes = [_resize(luma, factor) for factor in _PYRAMID for luma in lumas]
    samples = _sample(sizes, base["components"], scale, chosen.most_anchored_samples, chosen.seed + 1)
    regressors = _fit_anchors(samples, base["anchors"], chosen.neighbours, tell)
    return {"components": base["components"], "anchors": base["anchors"], "regressors": regressors}


def _taken_over(name: str, scale: int) -> dict[str, Tensor]:
    weights = read_weights(name, scale)
    tensors = dict(weights.checkpoint.tensors)
    if weights.name not in ("anr", "ne-lle"):
        raise UsageError(f"{weights.source}: is {weights.name}, not a dictionary of anr or ne-lle")
    if weights.scales != (scale,):
        raise UsageError(f"{weights.source}: a dictionary for x{weights.scales[0]}, not x{scale}")
    if "atoms" in tensors:
        tensors["anchors"] = tensors.pop("atoms")
    return tensors


def _lumas(data: Sequence[Path], scale: int) -> list[Tensor]:
    """``(1, 1, H, W)`` in 0…1, sides multiples of ``scale``."""
    lumas = []
    for found in find_sets(data):
        if found.kind != "images":
            raise InputError(f"{found.name}: holds videos; dictionaries are learnt from images")
        for item in found.items:
            stored = read_image(item.path)
            image = torch.from_numpy(stored.astype(np.float32)) / (257 if stored.dtype == np.uint16 else 1)
            luma = image if image.dim() == 2 else luma_bt601(image.permute(2, 0, 1))
            height, width = (side - side % scale for side in luma.shape)
            if min(height, width) >= PATCH * scale:
                lumas.append(luma[None, None, :height, :width].float() / 255)
    if not lumas:
        raise InputError(f"{data[0]}: no image has {PATCH * scale} pixels on both sides, which a patch needs")
    return lumas


def _resize(luma: Tensor, factor: float) -> Tensor:
    if factor == 1:
        return luma
    height, width = (max(1, round(side * factor)) for side in luma.shape[-2:])
    return shrink_bicubic(luma[0], (height, width))[None].float()


def _pairs(lumas: Sequence[Tensor], scale: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Interpolated small images and what they lack."""
    for luma in lumas:
        height, width = (side - side % scale for side in luma.shape[-2:])
        large = luma[..., :height, :width]
        if min(height, width) < PATCH * scale:
            continue
        small = shrink_bicubic(large[0], (height // scale, width // scale))[None].float()
        interpolated = enlarge(small, scale)
        yield interpolated, large - interpolated


def _inner_patches(maps: Tensor, scale: int) -> Tensor:
    """``(1, C, H, W)`` → ``(N, C·9·scale²)``: whole patches only."""
    columns: Tensor = functional.unfold(maps, PATCH * scale, stride=scale)
    return columns[0].T


def _components(lumas: Sequence[Tensor], scale: int) -> Tensor:
    """``(d, 4, 3S, 3S)``: what keeps `_ENERGY` of the features."""
    total: Tensor | None = None
    for interpolated, _ in _pairs(lumas, scale):
        patches = _inner_patches(differences(interpolated, scale), scale).double()
        product = patches.T @ patches
        total = product if total is None else total + product
    if total is None:
        raise InputError(f"no image has {PATCH * scale} pixels on both sides, which a patch needs")
    values, vectors = torch.linalg.eigh(total)
    share = values.flip(0).cumsum(0) / values.sum()
    dimension = int((share < _ENERGY).sum()) + 1
    chosen = vectors.flip(1)[:, :dimension].T
    components: Tensor = chosen.reshape(dimension, 4, PATCH * scale, PATCH * scale).float().contiguous()
    return components


def _sample(lumas: Sequence[Tensor], components: Tensor, scale: int, most: int, seed: int) -> _Samples:
    """Patches of all ``lumas``, or as many as ``most``, drawn by ``seed``, evenly from all."""
    generator = torch.Generator().manual_seed(seed)
    patches = sum(
        (luma.shape[-2] // scale - PATCH + 1) * (luma.shape[-1] // scale - PATCH + 1)
        for luma in lumas
        if min(luma.shape[-2:]) >= PATCH * scale
    )
    share = min(1.0, most / max(1, patches))
    features, details = [], []
    for interpolated, lacking in _pairs(lumas, scale):
        height, width = (side // scale for side in interpolated.shape[-2:])
        described = patch_features(interpolated, components, scale).reshape(height, width, -1)[1:-1, 1:-1]
        kept = torch.rand(described.shape[0] * described.shape[1], generator=generator) < share
        features.append(described.reshape(-1, described.shape[-1])[kept])
        details.append(_inner_patches(lacking, scale)[kept])
    return _Samples(torch.cat(features), torch.cat(details))


def _learn(lumas: Sequence[Tensor], scale: int, options: DictionaryOptions, tell: OnFitting) -> dict[str, Tensor]:
    """A dictionary, as ANR's tensors."""
    components = _components(lumas, scale)
    samples = _sample(lumas, components, scale, options.most_samples, options.seed)
    count = len(samples.features)
    if count < options.num_atoms:
        raise InputError(
            f"the images have {count} patches, fewer than the {options.num_atoms} atoms requested; give "
            "more images or ask for fewer atoms"
        )
    tell(f"learning {options.num_atoms} atoms of {components.shape[0]} numbers from {count} patches")
    atoms = learn_dictionary(
        samples.features, options.num_atoms, sparsity=_SPARSITY, rounds=options.rounds, seed=options.seed
    )
    places, codes = pursue(samples.features, atoms, _SPARSITY)
    return {"components": components, "anchors": atoms, "details": _details(samples.details, places, codes, len(atoms))}


def _details(details: Tensor, places: Tensor, codes: Tensor, num_atoms: int) -> Tensor:
    """Details ``(K, n)`` whose sums come closest to those of the samples."""
    gram = torch.zeros(num_atoms * num_atoms, dtype=torch.float64)
    right = torch.zeros(num_atoms, details.shape[1], dtype=torch.float64)
    for one in range(places.shape[1]):
        right.index_add_(0, places[:, one], codes[:, one, None].double() * details.double())
        for other in range(places.shape[1]):
            product = (codes[:, one] * codes[:, other]).double()
            gram.index_add_(0, places[:, one] * num_atoms + places[:, other], product)
    ridge = _TINY * torch.eye(num_atoms, dtype=torch.float64)
    solution: Tensor = torch.linalg.lstsq(gram.reshape(num_atoms, num_atoms) + ridge, right).solution
    return solution.float()


def _fit_anchors(samples: _Samples, anchors: Tensor, neighbours: int, tell: OnFitting) -> Tensor:
    """Maps ``(K, n, d)``: ridge regression over the ``neighbours`` samples nearest to each anchor."""
    length = samples.features.norm(dim=1, keepdim=True).clamp(min=_TINY)
    low, high = samples.features / length, samples.details / length
    count = min(neighbours, len(low))
    ridge = _RIDGE * torch.eye(low.shape[1], dtype=torch.float64)
    maps = []
    for start in range(0, len(anchors), _ANCHORS_AT_ONCE):
        tell(f"anchors {start} to {min(start + _ANCHORS_AT_ONCE, len(anchors))} of {len(anchors)}")
        nearest = (anchors[start : start + _ANCHORS_AT_ONCE] @ low.T).topk(count, 1).indices
        for places in nearest:
            x, y = low[places].double(), high[places].double()
            maps.append(torch.linalg.solve(x.T @ x + ridge, x.T @ y).T.float())
    return torch.stack(maps)

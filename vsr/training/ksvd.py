"""Dictionaries learnt from samples: K-SVD with orthogonal matching pursuit.

Aharon, Elad, Bruckstein, "K-SVD: an algorithm for designing overcomplete dictionaries for sparse representation",
IEEE TSP 2006, in the approximate form of Rubinstein, Zibulevsky, Elad (2008): an atom and its coefficients take one
step of the power method each round, in the place of a decomposition.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor
from torch.nn.functional import normalize

__all__ = ["learn_dictionary", "pursue"]

_CHUNK = 8192
_TINY = 1e-9


def pursue(samples: Tensor, atoms: Tensor, sparsity: int) -> tuple[Tensor, Tensor]:
    """Orthogonal matching pursuit: places and coefficients ``(N, sparsity)`` of ``samples`` ``(N, d)``.

    ``atoms`` are ``(K, d)`` of length 1. Each step takes the atom that the remainder looks most like, then all
    coefficients are fitted again.
    """
    parts = [_pursue(samples[start : start + _CHUNK], atoms, sparsity) for start in range(0, len(samples), _CHUNK)]
    places, codes = zip(*parts, strict=True)
    return torch.cat(places), torch.cat(codes)


def _pursue(samples: Tensor, atoms: Tensor, sparsity: int) -> tuple[Tensor, Tensor]:
    left = samples
    places = torch.empty(len(samples), 0, dtype=torch.int64)
    codes = samples.new_empty(len(samples), 0)
    for _ in range(sparsity):
        likeness = (left @ atoms.T).abs().scatter_(1, places, -1.0)
        places = torch.cat([places, likeness.argmax(1, keepdim=True)], 1)
        chosen = atoms[places]
        gram = chosen @ chosen.transpose(1, 2) + _TINY * torch.eye(places.shape[1])
        codes = torch.linalg.solve(gram, (chosen @ samples[:, :, None]))[..., 0]
        left = samples - (codes[:, None] @ chosen)[:, 0]
    return places, codes


def learn_dictionary(samples: Tensor, num_atoms: int, *, sparsity: int = 3, rounds: int = 20, seed: int = 0) -> Tensor:
    """Atoms ``(num_atoms, d)`` of length 1 of which few make up each of ``samples`` ``(N, d)`` float32, N ≥ num_atoms.

    Begins with samples drawn by ``seed``. An atom that nothing uses is replaced by the sample with the largest
    residual.
    """
    if len(samples) < num_atoms:
        raise ValueError(f"{num_atoms} atoms need as many samples; there are {len(samples)}")
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(samples), generator=generator)
    lengths = samples.norm(dim=1)
    order = torch.cat([order[lengths[order] > _TINY], order[lengths[order] <= _TINY]])  # flat ones last
    atoms = samples[order[:num_atoms]]
    flat = atoms.norm(dim=1, keepdim=True) <= _TINY
    atoms = normalize(torch.where(flat, torch.randn(atoms.shape, generator=generator), atoms))
    for _ in range(rounds):
        places, codes = pursue(samples, atoms, sparsity)
        atoms = _update(samples, atoms, places, codes)
    return atoms


def _update(samples: Tensor, atoms: Tensor, places: Tensor, codes: Tensor) -> Tensor:
    """One round of K-SVD over all atoms, each seeing what those before it became."""
    atoms = atoms.clone()
    left = samples - torch.cat(
        [
            (codes[start : start + _CHUNK, None] @ atoms[places[start : start + _CHUNK]])[:, 0]
            for start in range(0, len(samples), _CHUNK)
        ]
    )
    flat_places, flat_codes = places.flatten(), codes.flatten()
    order = flat_places.argsort(stable=True)
    bounds = torch.searchsorted(flat_places[order], torch.arange(len(atoms) + 1)).tolist()
    rows = order // places.shape[1]
    for atom, (first, stop) in enumerate(pairwise(bounds)):
        if first == stop:
            worst = int(left.square().sum(1).argmax())
            atoms[atom], left[worst] = normalize(samples[worst], dim=0), 0.0
            continue
        users, weights = rows[first:stop], flat_codes[order[first:stop]]
        explained = left[users] + weights[:, None] * atoms[atom]
        atoms[atom] = normalize(weights @ explained, dim=0)
        left[users] = explained - (explained @ atoms[atom])[:, None] * atoms[atom]
    return atoms

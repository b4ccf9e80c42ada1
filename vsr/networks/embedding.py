"""Neighbour embedding: a patch's detail is mixed from its neighbours' as its features are mixed from theirs.

Chang, Yeung, Xiong, "Super-resolution through neighbor embedding", CVPR 2004, with the weights of locally linear
embedding (Roweis and Saul 2000), in the form of Timofte et al. (ICCV 2013): 24 neighbours among the atoms of a
dictionary, features of `vsr.networks.patches`. Y, 0…1. Features have length 1 while they are compared, so that flat
patches get no detail. Numbers as ANR's. Set5 ×2 / ×3 / ×4, with Zeyde's dictionaries: 35.77 / 31.84 / 29.61 dB.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vsr.networks.anchored import dictionary_scale
from vsr.networks.base import Found, Shapes, Upscaler
from vsr.networks.blocks import KeepsFloat32, enlarge
from vsr.networks.patches import PATCH, chunks, overlap_add, patch_context_px, patch_features
from vsr.networks.spec import network_spec

__all__ = ["SPECS", "NeighbourEmbedding", "embedding_weights", "recognise_embedding"]

_ATOMS, _NEIGHBOURS = 1024, 24
_COMPONENTS = {2: 28, 3: 30, 4: 30}
_REGULARISATION = 1e-3  # of the mean squared distance: neighbours may lie on a line
_TINY = 1e-9


def embedding_weights(points: Tensor, neighbours: Tensor) -> Tensor:
    """``(N, k)`` weights of sum 1 with which ``neighbours`` ``(N, k, d)`` come closest to ``points`` ``(N, d)``."""
    offsets = (neighbours - points[:, None]).double()
    gram = offsets @ offsets.transpose(1, 2)
    trace = gram.diagonal(dim1=1, dim2=2).sum(1)
    count = neighbours.shape[1]
    ridge = torch.eye(count, dtype=torch.float64, device=points.device)
    gram = gram + ridge * (_REGULARISATION * trace + _TINY)[:, None, None]
    ones = torch.ones(len(points), count, 1, dtype=torch.float64, device=points.device)
    weights: Tensor = torch.linalg.solve(gram, ones)[..., 0]
    weights = weights / weights.sum(1, keepdim=True)
    return weights.to(points.dtype)


class NeighbourEmbedding(KeepsFloat32, Upscaler):
    """Interpolation, and for each patch the detail of its 24 neighbours. Computes in float32, weights in float64."""

    def __init__(self, scale: int, *, num_atoms: int = _ATOMS, num_components: int | None = None) -> None:
        super().__init__()
        self.scale, self.context_px = scale, patch_context_px(scale)
        dimension, side = num_components or _COMPONENTS[scale], PATCH * scale
        self.components = nn.Parameter(torch.randn(dimension, 4, side, side) / side)
        atoms = torch.randn(num_atoms, dimension)
        self.atoms = nn.Parameter(atoms / atoms.norm(dim=1, keepdim=True))
        self.details = nn.Parameter(torch.randn(num_atoms, side * side) / side)

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 1, H, W)`` in 0…1 → ``(B, 1, scale·H, scale·W)``."""
        enlarged = enlarge(images, self.scale)
        features = patch_features(enlarged, self.components.to(enlarged.dtype), self.scale)
        atoms, details = self.atoms.to(enlarged.dtype), self.details.to(enlarged.dtype)

        def embedded(some: Tensor) -> Tensor:
            length: Tensor = some.norm(dim=1, keepdim=True)
            points = some / length.clamp(min=_TINY)
            near = (points @ atoms.T).topk(min(_NEIGHBOURS, len(atoms)), 1).indices  # atoms have length 1
            weights = embedding_weights(points, atoms[near])
            mixed: Tensor = (weights[:, None] @ details[near])[:, 0]
            return length * mixed

        return enlarged + overlap_add(chunks(features, embedded), images, self.scale)


def recognise_embedding(shapes: Shapes) -> Found | None:
    """Dictionaries of any size."""
    scale = dictionary_scale(shapes["components"])
    count, dimension = shapes["atoms"]
    if len(shapes) != 3 or shapes["components"][0] != dimension or shapes["details"] != (count, (PATCH * scale) ** 2):
        return None
    return Found("ne-lle", (scale,), lambda scale: NeighbourEmbedding(scale, num_atoms=count, num_components=dimension))


SPECS = (
    network_spec(
        "ne-lle",
        "Chang, Yeung, Xiong, CVPR 2004: neighbour embedding",
        "pre-upsampling",
        scales=(2, 3, 4),
        colour="Y",
        build=NeighbourEmbedding,
        parameters=(69_568, 123_384, 195_456),
        recognise=recognise_embedding,
    ),
)
"""As evaluated by Timofte et al."""

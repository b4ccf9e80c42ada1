"""ANR and A+: a linear map for each neighbourhood of patches, looked up by the nearest anchor.

Timofte, De Smet, Van Gool, "Anchored neighborhood regression for fast example-based super-resolution", ICCV 2013;
the same, "A+: adjusted anchored neighborhood regression for fast super-resolution", ACCV 2014. Y, 0…1. Anchors are the
atoms of a dictionary of features of small patches, each of which has a patch of detail (`vsr.networks.patches`).
ANR's map is ridge regression over an anchor's 40 nearest atoms; A+ has its maps from 2048 samples of photographs
around each. ``vsr models fit`` makes both from images. The authors' MATLAB files load, too: ``conf_Zeyde_*.mat`` as
ANR; ``Aplus_*.mat`` as A+, if the ``conf_Zeyde_*.mat`` of its scale lies beside it.

Numbers, 1024 anchors, ×2 / ×3 / ×4: ANR 69,568 / 123,384 / 195,456; A+ 1,064,896 / 2,528,760 / 4,471,680. Set5: ANR
35.83 / 31.92 / 29.69, A+ 36.55 / 32.59 / 30.29 dB.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vsr.networks.base import Found, Shapes, Upscaler
from vsr.networks.blocks import KeepsFloat32, enlarge
from vsr.networks.patches import PATCH, chunks, overlap_add, patch_context_px, patch_features
from vsr.networks.spec import network_spec

__all__ = ["ANR", "SPECS", "APlus", "Anchored", "dictionary_scale", "neighbourhood_regressors", "recognise_anchored"]

_ANCHORS = 1024
_COMPONENTS = {2: 28}  # of features, as the authors' dictionaries have; others 30
_USUAL_COMPONENTS = 30
_NEIGHBOURS, _RIDGE = 40, 0.01


def neighbourhood_regressors(anchors: Tensor, details: Tensor) -> Tensor:
    """ANR's maps ``(K, n, d)`` from features to details, for unit ``anchors`` ``(K, d)`` and ``details`` ``(K, n)``.

    Neighbours are the atoms of the largest correlation, whatever its sign.
    """
    count = min(_NEIGHBOURS, len(anchors))
    near = (anchors @ anchors.T).abs().topk(count, 1).indices
    low, high = anchors[near].double(), details[near].double()  # (K, 40, d), (K, 40, n)
    ridge = _RIDGE * torch.eye(count, dtype=torch.float64, device=anchors.device)
    solved = torch.linalg.solve(low @ low.transpose(1, 2) + ridge, low)
    maps: Tensor = high.transpose(1, 2) @ solved
    return maps.to(anchors.dtype)


class Anchored(KeepsFloat32, Upscaler):
    """Interpolation, and for each patch the detail that the map of its anchor gives. Computes in float32."""

    def __init__(self, scale: int, *, num_anchors: int = _ANCHORS, num_components: int | None = None) -> None:
        super().__init__()
        self.scale, self.context_px = scale, patch_context_px(scale)
        dimension, side = num_components or _COMPONENTS.get(scale, _USUAL_COMPONENTS), PATCH * scale
        self.components = nn.Parameter(torch.randn(dimension, 4, side, side) / side)
        anchors = torch.randn(num_anchors, dimension)
        self.anchors = nn.Parameter(anchors / anchors.norm(dim=1, keepdim=True))

    def maps(self) -> Tensor:
        """``(K, 9·scale², d)``: what makes detail of features, for each anchor."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 1, H, W)`` in 0…1 → ``(B, 1, scale·H, scale·W)``."""
        enlarged = enlarge(images, self.scale)
        features = patch_features(enlarged, self.components.to(enlarged.dtype), self.scale)
        anchors, maps = self.anchors.to(enlarged.dtype), self.maps().to(enlarged.dtype)

        def details(some: Tensor) -> Tensor:
            nearest = (some @ anchors.T).abs().argmax(1)
            return (maps[nearest] @ some[:, :, None])[..., 0]

        return enlarged + overlap_add(chunks(features, details), images, self.scale)


class ANR(Anchored):
    """Maps that follow from a dictionary."""

    def __init__(self, scale: int, *, num_anchors: int = _ANCHORS, num_components: int | None = None) -> None:
        super().__init__(scale, num_anchors=num_anchors, num_components=num_components)
        self.details = nn.Parameter(torch.randn(num_anchors, (PATCH * scale) ** 2) / (PATCH * scale))
        self.register_buffer("_maps", None, persistent=False)

    def finish_loading(self) -> None:
        """Work out the maps."""
        self._maps = neighbourhood_regressors(self.anchors.data, self.details.data)

    def maps(self) -> Tensor:
        """See `Anchored`."""
        if isinstance(self._maps, Tensor):
            return self._maps
        return neighbourhood_regressors(self.anchors, self.details)


class APlus(Anchored):
    """Maps of their own."""

    def __init__(self, scale: int, *, num_anchors: int = _ANCHORS, num_components: int | None = None) -> None:
        super().__init__(scale, num_anchors=num_anchors, num_components=num_components)
        dimension, size = self.anchors.shape[1], (PATCH * scale) ** 2
        self.regressors = nn.Parameter(torch.randn(num_anchors, size, dimension) / size)

    def maps(self) -> Tensor:
        """See `Anchored`."""
        return self.regressors


def dictionary_scale(components: tuple[int, ...]) -> int:
    """The magnification that the shape ``(d, 4, 3S, 3S)`` belongs to; IndexError if it is no such shape."""
    side = components[2]
    if len(components) != 4 or components[1] != 4 or components[3] != side or side % PATCH:
        raise IndexError("no components of patches")
    return side // PATCH


def recognise_anchored(shapes: Shapes) -> Found | None:
    """ANR and A+ with any number of anchors and components."""
    scale = dictionary_scale(shapes["components"])
    count, dimension = shapes["anchors"]
    size = (PATCH * scale) ** 2
    if len(shapes) != 3 or shapes["components"][0] != dimension:
        return None
    if shapes.get("details") == (count, size):
        name: str = "anr"
        kind: type[ANR] | type[APlus] = ANR
    elif shapes.get("regressors") == (count, size, dimension):
        name, kind = "aplus", APlus
    else:
        return None
    return Found(name, (scale,), lambda scale: kind(scale, num_anchors=count, num_components=dimension))


SPECS = (
    network_spec(
        "anr",
        "Timofte, De Smet, Van Gool, ICCV 2013: anchored neighbourhood regression",
        "pre-upsampling",
        scales=(2, 3, 4),
        colour="Y",
        build=ANR,
        parameters=(69_568, 123_384, 195_456),
        recognise=recognise_anchored,
    ),
    network_spec(
        "aplus",
        "Timofte, De Smet, Van Gool, ACCV 2014: A+",
        "pre-upsampling",
        scales=(2, 3, 4),
        colour="Y",
        build=APlus,
        parameters=(1_064_896, 2_528_760, 4_471_680),
        recognise=recognise_anchored,
    ),
)
"""As published."""

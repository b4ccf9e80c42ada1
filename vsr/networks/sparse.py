"""Sparse coding: patches as sums of few atoms, which have a small and a large form.

Yang, Wright, Huang, Ma, "Image super-resolution via sparse representation", TIP 2010. Y, 0…255. An image is enlarged
by bicubic interpolation; first and second differences of each 5×5 patch, at every pixel, are coded by few atoms of
one dictionary (Lasso, weight 0.2), and the same sum of another's atoms is its detail, with 1.2 times the contrast of
the interpolated patch. Patches that overlap are averaged. Then what the small image lacks of the input is enlarged
and added, five times ("back-projection"; the authors' program does so twenty times, which gains 0.04 dB and needs the
whole image). The authors' ``D_1024_*.mat`` load. 128,000 numbers for 1024 atoms, whatever the scale. Set5 ×3:
31.02 dB (published: 31.42).

The Lasso is solved exactly, by coordinate descent that takes the coefficient which moves most (Li, Osher, "Coordinate
descent optimization for l1 minimization", Inverse Problems and Imaging 2009): patches need few of a thousand atoms.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from vsr.networks.base import Found, Shapes, Upscaler
from vsr.networks.blocks import KeepsFloat32, enlarge
from vsr.networks.footprint import INPUT
from vsr.networks.spec import network_spec
from vsr.observation.resample import axis_taps

__all__ = ["SPECS", "ScSR", "recognise_scsr", "sparse_codes"]

_ATOMS, _SIDE, _MAPS = 1024, 5, 4
_FIRST, _SECOND = (1.0, 0.0, -1.0), (1.0, 0.0, -2.0, 0.0, 1.0)
_WEIGHT = 0.2
_CONTRAST = 1.2
_ROUNDS_BACK, _BACK_SIGMA = 5, 1.0  # of back-projection; the Gaussian's square, 5×5, is what it spreads
_CANDIDATES, _ROUNDS = 64, 4
_STEPS, _STILL = 120, 1e-4
_KKT_SLACK = 1.001
_KEPT = 1e3  # what has a share stays among the candidates
_CHUNK = 1024  # patches that are coded at once: bounds memory
_TINY = 1e-9


def _soft(values: Tensor, weight: float) -> Tensor:
    return values.sign() * (values.abs() - weight).clamp(min=0)


def _descend(gram: Tensor, correlations: Tensor, weight: float) -> Tensor:
    """What remains of ``correlations`` ``(N, m)`` where the Lasso of ``gram`` ``(N, m, m)`` is solved.

    Coefficients are what soft thresholding leaves of it.
    """
    left, codes = correlations.clone(), torch.zeros_like(correlations)
    row = torch.arange(len(left), device=left.device)
    for _ in range(_STEPS):
        target = _soft(left, weight)
        step = target - codes
        which = step.abs().argmax(1)
        size = step[row, which]
        if float(size.abs().max()) < _STILL:
            break
        own = left[row, which]
        left -= gram[row, which] * size[:, None]
        left[row, which] = own
        codes[row, which] = target[row, which]
    return left


def sparse_codes(signals: Tensor, atoms: Tensor, weight: float) -> tuple[Tensor, Tensor]:
    """Places and coefficients ``(N, m)`` that minimise ``½‖signal − Σ coefficient·atom‖² + weight·Σ|coefficient|``.

    ``signals`` are ``(N, d)``, ``atoms`` ``(K, d)`` of length 1. Solved among the likeliest atoms; where the others
    would have a share, it is solved again with them.
    """
    correlations = signals @ atoms.T
    count = min(_CANDIDATES, len(atoms))
    with torch.no_grad():
        places = correlations.abs().topk(count, 1).indices
        for _ in range(_ROUNDS):
            chosen = atoms[places]
            left = _descend(chosen @ chosen.transpose(1, 2), correlations.gather(1, places), weight)
            codes = _soft(left, weight)
            unexplained = signals - (codes[:, None] @ chosen)[:, 0]
            requested = (unexplained @ atoms.T).abs()
            requested.scatter_(1, places, 0.0)
            if float(requested.max()) <= weight * _KKT_SLACK:
                break
            requested.scatter_(1, places, (codes != 0).to(requested.dtype) * _KEPT + _TINY)
            places = requested.topk(count, 1).indices
    given = correlations.gather(1, places)
    return places, _soft(left + given - given.detach(), weight)  # the sum differs by nothing but its gradient


def _filter(images: Tensor, taps: tuple[float, ...], down: bool) -> Tensor:
    reach = len(taps) // 2
    kernel = images.new_tensor(taps).reshape((1, 1, -1, 1) if down else (1, 1, 1, -1))
    padding = (0, 0, reach, reach) if down else (reach, reach, 0, 0)
    return functional.conv2d(functional.pad(images, padding, mode="replicate"), kernel)


def _resize(images: Tensor, size_yx: tuple[int, int]) -> Tensor:
    """Antialiased bicubic interpolation, as `vsr.observation.resample`, through which gradients pass."""
    for axis, size in zip((-2, -1), size_yx, strict=True):
        given = images.shape[axis]
        places, weights = axis_taps(given, size, "bicubic", size / given, 0.0)
        weights = weights.to(images.device, images.dtype)
        weights = weights[..., None] if axis == -2 else weights
        taps = zip(places.to(images.device), weights, strict=True)
        images = sum((images.index_select(axis, place) * weight for place, weight in taps), images.new_zeros(()))
    return images


def _spread(images: Tensor) -> Tensor:
    place = torch.arange(_SIDE, dtype=images.dtype, device=images.device) - _SIDE // 2
    bell = torch.exp(-place.square() / _BACK_SIGMA**2)  # a Gaussian's square
    kernel = bell[:, None] * bell / bell.sum().square()
    return functional.conv2d(images, kernel[None, None], padding=_SIDE // 2)


def _brought_back(made: Tensor, images: Tensor) -> Tensor:
    """``made`` ``(B, 1, S·H, S·W)`` after some rounds of back-projection towards ``images`` ``(B, 1, H, W)``."""
    small, large = (tuple(int(side) for side in one.shape[-2:]) for one in (images, made))
    for _ in range(_ROUNDS_BACK):
        lacking = images - _resize(made, (small[0], small[1]))
        made = made + _spread(_resize(lacking, (large[0], large[1])))
    return made


class ScSR(KeepsFloat32, Upscaler):
    """Interpolation, and for each 5×5 patch the detail that its sparse code gives. Computes in float32."""

    def __init__(self, scale: int, *, num_atoms: int = _ATOMS) -> None:
        super().__init__()
        self.scale = scale
        seen = INPUT.enlarged(scale, 2).conv(len(_SECOND)).conv(_SIDE, times=2)
        for _ in range(_ROUNDS_BACK):
            small = seen.strided(4 * scale - scale % 2, scale, 3 * scale // 2)
            seen = seen.join(small.enlarged(scale, 2).conv(_SIDE))
        self.context_px = seen.context_px
        self.atoms = nn.Parameter(torch.randn(num_atoms, _MAPS, _SIDE, _SIDE))
        self.details = nn.Parameter(torch.randn(num_atoms, _SIDE, _SIDE))
        self.patches = nn.Identity()  # shows to hooks on the layers what is held

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 1, H, W)`` in 0…1 → ``(B, 1, scale·H, scale·W)``."""
        enlarged = enlarge(images, self.scale) * 255
        framed = functional.pad(enlarged, (_SIDE - 1,) * 4, mode="replicate")
        maps = [_filter(framed, taps, down) for taps in (_FIRST, _SECOND) for down in (False, True)]
        columns: Tensor = self.patches(functional.unfold(torch.cat(maps, 1), _SIDE))
        plain = functional.unfold(framed, _SIDE)
        count, _, places = columns.shape
        signals = columns.transpose(1, 2).reshape(count * places, -1)
        shown = plain.transpose(1, 2).reshape(count * places, -1)
        parts = [
            self._make(signals[start : start + _CHUNK], shown[start : start + _CHUNK])
            for start in range(0, len(signals), _CHUNK)
        ]
        patches = torch.cat(parts).reshape(count, places, -1).transpose(1, 2)
        summed = functional.fold(patches, framed.shape[-2:], _SIDE)
        inner = _SIDE - 1
        made = summed[..., inner:-inner, inner:-inner] / (255 * _SIDE * _SIDE)
        return _brought_back(made, images)

    def _make(self, signals: Tensor, shown: Tensor) -> Tensor:
        """Patches ``(N, 25)`` with detail, for features ``(N, 100)`` and interpolated patches ``(N, 25)``."""
        atoms = self.atoms.reshape(len(self.atoms), -1).to(signals.dtype)
        details = self.details.reshape(len(self.details), -1).to(signals.dtype)
        signals = signals / signals.norm(dim=1, keepdim=True).clamp(min=1.0)
        places, codes = sparse_codes(signals, functional.normalize(atoms), _WEIGHT)
        detail: Tensor = (codes[:, None] @ details[places])[:, 0]
        mean: Tensor = shown.mean(1, keepdim=True)
        contrast: Tensor = _CONTRAST * (shown - mean).norm(dim=1, keepdim=True)
        own: Tensor = detail.norm(dim=1, keepdim=True).clamp(min=_TINY)
        return mean + detail * (contrast / own)


def recognise_scsr(shapes: Shapes) -> Found | None:
    """Dictionaries of any size. They do not tell the scale."""
    count = shapes["atoms"][0]
    requested = {"atoms": (count, _MAPS, _SIDE, _SIDE), "details": (count, _SIDE, _SIDE)}
    if dict(shapes) != requested:
        return None
    return Found("scsr", (), lambda scale: ScSR(scale, num_atoms=count))


SPECS = (
    network_spec(
        "scsr",
        "Yang, Wright, Huang, Ma, TIP 2010: sparse coding",
        "pre-upsampling",
        scales=(2, 3, 4),
        colour="Y",
        build=ScSR,
        parameters=128_000,
        recognise=recognise_scsr,
        value_range=255,
    ),
)
"""As published."""

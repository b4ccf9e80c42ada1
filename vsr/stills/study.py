"""Blur and smoothness found from the frames: what predicts frames best that were left out.

A blur too narrow or too wide, a prior too strong or too weak: either way the image made from most of the frames
misses the rest by more than their noise (cross-validation; Nguyen, Milanfar and Golub 2001 choose blur and
regularisation of super-resolution so). Where the blur is concerned its minimum is shallow, so the one that whole frames
look to have is kept unless another predicts better by two standard errors (after Breiman et al. 1984).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from vsr.networks.source import Source
from vsr.observation import ObservationModel, neighbourhood_range
from vsr.solvers import DEFAULT_SOLVER, Observations, find_solver
from vsr.solvers.base import residual_sigma
from vsr.solvers.blind import estimate_psf
from vsr.solvers.confidence import RESIDUAL_BLUR, residual_confidence
from vsr.stills.boxes import Box, move_points
from vsr.stills.canvas import Canvas, View
from vsr.stills.fusion import Imaging

__all__ = ["FIRST", "LEAST_FRAMES", "Study", "coverage", "left_out", "places_of", "study", "usual_psf"]

LEAST_FRAMES = 6
"""Frames from which something can be found by leaving some out."""
FIRST = Imaging(0.45, 0.25)
"""What is assumed before anything is known: lens and pixel of a usual camera, a prior that leaves lettering alone."""

_SIDE_PX = 64  # longest side of a place that is looked at, in frame pixels
_QUARTERS = (0.25, 0.75)  # of a side that is long enough for two places: their middles
_SCALES = (2.0, 4.0)  # of the fine grid while looking, least and most
_SHARE_LEFT_OUT = 1 / 3  # of the frames, at most
_SAME_PX = 0.12  # frames that sample the region so near to each other are left out together
_BLURS = tuple(round(0.3 + 0.05 * n, 2) for n in range(17))
_STRENGTHS = tuple(0.25 * 2**n for n in range(5))  # below, detail that no frame shows would be amplified
_USUAL_STRENGTH = 2
# Least of large regions, where some part always rests on few frames and shows a lattice below, and of soft frames
# behind a codec, whose errors sharpening raises.
_STRONG = 3
_LEAST_PX, _MOST_PX = 0.38, 0.6  # between these usual cameras lie; compressed motion looks sharper than it was
_PIXEL_PX = 0.289  # standard deviation of a pixel's own area, and what a camera without a lens would have
_LOOKS = 1.5  # times which lenses blur what they look to behind a codec, whose edges of blocks look sharp
_CLEAN = 1.0  # codes of 255 that compression changed, below which a lens may be sharper than usual
_LEAST_LENS_PX, _USUAL_LENS_PX = 0.2, 0.35  # lenses look alike below the usual one: half-way costs least
_LEAST_LEFT_OUT = 2
_BOUND = 3.0  # standard deviations beyond which a residual counts no more
_CLEAR = 2.0  # standard errors by which one prediction is better than another
_COVERED = 0.6  # of the fine pixels seen by some frame, from which a prior weaker than usual may be chosen
_SPREAD = 0.618034  # of a turn: takes numbers in an order that spreads them evenly
_STEPS = 24  # most steps of the search

_LOOKS_LIKE, _USUAL = "what whole frames look like", "usual for cameras"

Pair = tuple[int, int]
"""Numbers in `_BLURS` and `_STRENGTHS`."""


@dataclass(frozen=True)
class Study:
    """What was found, and how."""

    imaging: Imaging
    psf_from: str
    """In words."""
    strength_from: str
    psf_by_prediction_px: float | None = None
    """Blur at which prediction is best; None: not tried."""
    psf_by_gradients_px: float | None = None
    """Blur as estimated by `estimate_psf`; None: unknown."""
    psf_by_looks_px: float | None = None
    """Blur that whole frames look to have (`usual_psf`); None: not asked for, or they are too small to tell."""
    source: Source | None = None
    """What whole frames look like, where that had a say in blur or strength."""
    tried: dict[str, float] = field(default_factory=dict)
    """Residual of left-out frames in standard deviations, by ``blur/strength``."""

    def smooth(self, why: str) -> Study:
        """The same with a prior of the usual strength at least."""
        usual = _STRENGTHS[_USUAL_STRENGTH]
        if self.imaging.regularization >= usual:
            return self
        return replace(self, imaging=replace(self.imaging, regularization=usual), strength_from=why)


class _LeftOut:
    """Frames predicted from others, remembered by what was assumed."""

    def __init__(self, canvas: Canvas, views: Sequence[View], reference: int, least: int, psf_px: float) -> None:
        self._canvas, self._views = canvas, views
        self.held = left_out(views, reference, canvas.region)
        self._known: dict[Pair, Tensor] = {}
        samples, model = self.observed(psf_px)
        inside = model.inside.to(samples.dtype)
        first = canvas.median(views)
        options = replace(FIRST, psf_sigma_px=psf_px).options()
        self.start = find_solver(DEFAULT_SOLVER)(Observations(samples, model, inside), first, options)
        residual = (samples - model.A(self.start)) * inside
        if coverage(views, canvas.region, canvas.scale) < _COVERED:
            least = max(least, _USUAL_STRENGTH)
        self.strengths = range(least, len(_STRENGTHS))
        """Numbers in `_STRENGTHS` that may be chosen: a weak prior leaves what no frame shows to chance."""
        self._sigma = residual_sigma(residual, inside)  # the same for all that is tried, as is the confidence
        self._confidence = inside * residual_confidence(
            RESIDUAL_BLUR.A(residual), neighbourhood_range(samples), self._sigma
        )
        self.contrast = float(samples[model.inside].std()) / self._sigma
        """Of the place, in deviations of what is not explained there: how much it can tell."""

    def observed(self, psf_px: float) -> tuple[Tensor, ObservationModel]:
        return self._canvas.observe(self._views, Imaging(psf_px, 1.0).blur(self._canvas.scale))

    def of(self, imaging: Imaging) -> Tensor:
        """Mean square residual of each frame left out, in variances of noise; outliers are limited."""
        samples, model = self.observed(imaging.psf_sigma_px)
        used = self._confidence.clone()
        used[self.held] = 0.0
        made = find_solver(DEFAULT_SOLVER)(Observations(samples, model, used), self.start, imaging.options())
        missed = (samples - model.A(made))[self.held] / self._sigma
        weights = self._confidence[self.held]
        bounded = missed.square().clamp(max=_BOUND * _BOUND) * weights
        return bounded.sum((1, 2)) / weights.sum((1, 2)).clamp(min=1.0)

    def pair(self, pair: Pair) -> Tensor:
        """`of` a pair, computed once."""
        if pair not in self._known:
            self._known[pair] = self.of(Imaging(_BLURS[pair[0]], _STRENGTHS[pair[1]]))
        return self._known[pair]

    def score(self, pair: Pair) -> float:
        """Mean over the frames left out."""
        return float(self.pair(pair).mean())

    def tried(self) -> dict[str, float]:
        """See `Study.tried`."""
        return {
            f"{_BLURS[blur]:.2f}/{_STRENGTHS[strength]:g}": round(float(scores.mean()) ** 0.5, 6)
            for (blur, strength), scores in self._known.items()
        }


def coverage(views: Sequence[View], region: Box, scale: float) -> float:
    """Share of the fine pixels within a frame pixel that some view samples, 0…1, over a few places of ``region``."""
    cells = math.ceil(scale)
    corners = region.corners()
    x, y = (torch.cat([corners[n], torch.tensor([region.middle[n]], dtype=torch.float64)]) for n in (0, 1))
    seen: list[set[tuple[int, int]]] = [set() for _ in range(x.numel())]
    for view in views:
        to_x, to_y = move_points(view.motion, x, y)
        for place, (column, row) in enumerate(zip(to_x.tolist(), to_y.tolist(), strict=True)):
            seen[place].add((math.floor(column % 1 * cells), math.floor(row % 1 * cells)))
    return sum(map(len, seen)) / (len(seen) * cells * cells)


def left_out(views: Sequence[View], reference: int, region: Box) -> list[int]:
    """Places among ``views`` of the frames to predict from the others; few or none where too many sample alike.

    Frames that see the region at the same places of the pixel grid go together: else a frame left out would only
    repeat what others show, and any blur would predict it.
    """
    x, y = (torch.tensor(value, dtype=torch.float64) for value in region.middle)
    places = torch.stack([torch.stack(move_points(view.motion, x, y)) for view in views])
    apart = places[:, None] - places[None]
    alike = (apart - apart.round()).norm(dim=2) < _SAME_PX
    own = next(n for n, view in enumerate(views) if view.number == reference)
    held: set[int] = set()
    for number in sorted(range(len(views)), key=lambda n: (views[n].number * _SPREAD) % 1.0):
        group = {n for n in range(len(views)) if bool(alike[number, n])}
        if own not in group and len(held | group) <= _SHARE_LEFT_OUT * len(views):
            held |= group
    return sorted(held)


def _is_worse(first: Tensor, second: Tensor) -> bool:
    """Whether ``first`` predicts the frames clearly worse than ``second``."""
    difference = first - second
    error = float(difference.std()) / math.sqrt(len(difference))
    return float(difference.mean()) > _CLEAR * error


def usual_psf(source: Source | None) -> float:
    """Blur to start from, in frame pixels: a usual camera's, or what the statistics of the frames say (ADR 120).

    Compressed frames are never taken for sharper than a usual camera's: too narrow a blur costs a decibel or two, too
    wide a one up to eight.
    """
    if source is None:
        return FIRST.psf_sigma_px
    if _is_clean(source):
        lens = min(source.blur_px + _LEAST_LENS_PX, max(source.blur_px, _USUAL_LENS_PX))
        found = math.hypot(_PIXEL_PX, lens)
    else:
        found = max(FIRST.psf_sigma_px, math.hypot(_PIXEL_PX, _LOOKS * source.blur_px))
    return min(_BLURS, key=lambda blur: abs(blur - found))


def _looks_soft(source: Source | None) -> bool:
    """Whether compressed frames look softer than a usual camera's; their motion looks sharper than it was."""
    return not _is_clean(source) and usual_psf(source) > FIRST.psf_sigma_px


def _is_clean(source: Source | None) -> bool:
    return source is not None and source.compression_codes < _CLEAN


def study(
    views: Sequence[View],
    reference: int,
    region: Box,
    scale: float,
    psf_px: float | None,
    strength: float | None,
    source: Source | None = None,
) -> Study:
    """Blur and strength of the prior for ``views`` with the motions they have; what is given stays.

    ``scale`` is that of the still, ``source`` how whole frames look, if that is known. Looks at the middle of
    ``region``, and of its quarters where it is large: the blur is found where the frames tell most, the strength for
    all places together.
    """
    if psf_px is not None and strength is not None:
        return Study(Imaging(psf_px, strength), "given", "given")
    fine = min(max(scale, _SCALES[0]), _SCALES[1])
    places = places_of(region)
    usual = usual_psf(source)
    least = _STRONG if len(places) > 1 or _looks_soft(source) else 0
    looked = [_LeftOut(Canvas(region, part, fine), views, reference, least, usual) for part in places]
    looked.sort(key=lambda place: -place.contrast)
    if len(views) < LEAST_FRAMES or len(looked[0].held) < _LEAST_LEFT_OUT:
        return replace(_score(looked[0], psf_px, strength, source), source=source)
    return replace(_predict(looked, psf_px, strength, source), source=source)


def places_of(region: Box) -> list[Box]:
    """Where to look: in the middle, and in the middle of each quarter or half of a region that has room for them."""
    shape = Box(0, 0, min(region.width, _SIDE_PX), min(region.height, _SIDE_PX))
    columns, rows = (_QUARTERS if side >= 2 * _SIDE_PX else (0.5,) for side in (region.width, region.height))
    middles = {(0.5, 0.5): None} | {(across, down): None for down in rows for across in columns}
    return [
        shape.around(
            region.x + across * region.width - 0.5, region.y + down * region.height - 0.5, (region.bottom, region.right)
        )
        for across, down in middles
    ]


def _clamp_psf(psf_px: float) -> float:
    """A blur within what cameras have."""
    return round(min(_MOST_PX, max(_LEAST_PX, psf_px)), 4)


def _by_gradients(looked: _LeftOut) -> float | None:
    samples, model = looked.observed(0.0)
    found = estimate_psf(Observations(samples, model, model.inside.to(samples.dtype)), looked.start)
    if found is None:
        return None
    return _clamp_psf(found / max(model.scale_yx))


def _score(looked: _LeftOut, psf_px: float | None, strength: float | None, source: Source | None) -> Study:
    """From too few frames for leaving some out."""
    gradients = _by_gradients(looked) if psf_px is None else None
    if psf_px is not None:
        psf, origin = psf_px, "given"
    elif source is not None:
        psf, origin = usual_psf(source), _LOOKS_LIKE
    elif gradients is not None:
        psf, origin = gradients, "growth of gradients with scale"
    else:
        psf, origin = FIRST.psf_sigma_px, f"{_USUAL}: no estimate from the image"
    few = "usual: too few frames that differ in what they sample"
    usual = _STRENGTHS[max(_USUAL_STRENGTH, looked.strengths.start)]
    return Study(
        Imaging(psf, usual if strength is None else strength),
        origin,
        few if strength is None else "given",
        psf_by_gradients_px=gradients,
        psf_by_looks_px=None if psf_px is not None or source is None else usual_psf(source),
    )


def _predict(places: Sequence[_LeftOut], psf_px: float | None, strength: float | None, source: Source | None) -> Study:
    """The most telling place first."""
    looked = places[0]
    least = _BLURS[0] if _is_clean(source) else _LEAST_PX
    usual_blur = _BLURS.index(usual_psf(source))
    fixed = None if strength is None else min(range(len(_STRENGTHS)), key=lambda n: abs(_STRENGTHS[n] - strength))
    best: float | None = None
    gradients: float | None = None
    origin = "given"
    if psf_px is None:
        place = _downhill(looked, usual_blur, fixed)
        best = max(least, _vertex(looked, place, fixed))
        usual = (usual_blur, _best_strength(looked, usual_blur, place[1], fixed))
        gradients = _by_gradients(looked)
        is_sharp_by_codec = place[0] < usual_blur and _looks_soft(source)
        if _is_worse(looked.pair(usual), looked.pair(place)) and not is_sharp_by_codec:
            psf_px, origin = best, "prediction of frames left out"
        else:
            known = _USUAL if source is None else _LOOKS_LIKE
            psf_px, origin = _BLURS[usual_blur], f"{known}: no other predicts frames left out clearly better"
    if strength is None:
        strength, tried = _best_prior(places, psf_px)
    else:
        tried = {}
    return Study(
        Imaging(psf_px, strength),
        origin,
        "given" if fixed is not None else "prediction of frames left out",
        psf_by_prediction_px=best,
        psf_by_gradients_px=gradients,
        psf_by_looks_px=None if best is None or source is None else _BLURS[usual_blur],
        tried=looked.tried() | tried,
    )


def _downhill(looked: _LeftOut, start: int, fixed: int | None) -> Pair:
    """The pair with the least residual that a descent over neighbouring pairs reaches from blur number ``start``."""
    place = (start, looked.strengths[0] if fixed is None else fixed)
    for _ in range(_STEPS):
        near = [
            (place[0] + blur, place[1] + strength)
            for blur in (-1, 0, 1)
            for strength in ((-1, 0, 1) if fixed is None else (0,))
            if 0 <= place[0] + blur < len(_BLURS) and (strength == 0 or place[1] + strength in looked.strengths)
        ]
        best = min(near, key=looked.score)
        if best == place:
            break
        place = best
    return place


def _best_strength(looked: _LeftOut, blur: int, start: int, fixed: int | None) -> int:
    """The strength with the least residual for a blur, downhill from ``start``."""
    if fixed is not None:
        return fixed
    for _ in range(len(_STRENGTHS)):
        near = [n for n in (start - 1, start, start + 1) if n in looked.strengths]
        best = min(near, key=lambda n: looked.score((blur, n)))
        if best == start:
            break
        start = best
    return start


def _vertex(looked: _LeftOut, place: Pair, fixed: int | None) -> float:
    """The blur at the lowest point of a parabola through the best residuals of three neighbouring blurs."""
    blur, strength = place
    if not 0 < blur < len(_BLURS) - 1:
        return _BLURS[blur]
    left, middle, right = (
        looked.score((n, _best_strength(looked, n, strength, fixed))) for n in (blur - 1, blur, blur + 1)
    )
    bend = left - 2 * middle + right
    shift = 0.5 * (left - right) / bend if bend > 1e-12 else 0.0
    return round(_BLURS[blur] + min(0.5, max(-0.5, shift)) * (_BLURS[1] - _BLURS[0]), 4)


def _best_prior(places: Sequence[_LeftOut], psf_px: float) -> tuple[float, dict[str, float]]:
    """The strength with the least residual for a blur, over all ``places``, and what was tried."""
    scores = {}
    for number in places[0].strengths:
        imaging = Imaging(psf_px, _STRENGTHS[number])
        scores[imaging.regularization] = sum(float(place.of(imaging).mean()) for place in places) / len(places)
    tried = {f"{psf_px:.4f}/{value:g}": round(score**0.5, 6) for value, score in scores.items()}
    return min(scores, key=scores.__getitem__), tried

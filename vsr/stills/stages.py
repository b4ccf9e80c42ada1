"""From chosen frames to the image: a first one, the kind of motion, blur and smoothness, the image itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import torch

from vsr.frames import ColorSpec, VideoFrame
from vsr.media.grabbing import Grabbed
from vsr.methods.network.colour import network_input
from vsr.methods.source import estimate_source
from vsr.networks.source import Source, source_of
from vsr.registration import MotionModel
from vsr.stills.boxes import Box
from vsr.stills.canvas import View
from vsr.stills.choosing import Candidate
from vsr.stills.fusion import Fused, Imaging, fuse
from vsr.stills.maps import find_support
from vsr.stills.options import StillOptions
from vsr.stills.refining import num_parameters
from vsr.stills.study import FIRST, Study, study, usual_psf

__all__ = ["OnStep", "Stages", "source_of_views"]

OnStep = Callable[[str, float | None], None]
"""Called with the current step and the share that is done, 0…1, or None where that is unknown."""

_FIRST_ROUNDS, _CHOICE_ROUNDS, _LAST_ROUNDS = 4, 2, 6
_WORSE_THAN_USUAL = 2.0  # residual of a frame, times the usual one, at which it is left out after all
_LONELY = 0.02  # share of the region that may rest on one frame before the prior is made strong enough for one
_HARDLY_ANY = 1.5  # frames
_LOOKED_AT = 9  # frames that tell how blurred and compressed the video looks


@dataclass(frozen=True)
class Stages:
    """What all stages know."""

    reference: int
    """`View.number` of the frame whose time was asked for."""
    region: Box
    options: StillOptions
    on_step: OnStep
    source: Source | None = None
    """How blurred, noisy and compressed the frames look; None: it is not known."""

    def first(
        self, views: Sequence[View], candidates: Sequence[Candidate], model: MotionModel
    ) -> tuple[Fused, list[Candidate]]:
        """A first image, after which frames are left out that miss it by much more than the others do."""
        psf = usual_psf(self.source) if self.options.psf_sigma_px is None else self.options.psf_sigma_px
        imaging = replace(FIRST, psf_sigma_px=psf)
        fused = self._fuse(views, imaging, model, _FIRST_ROUNDS, "first image")
        limit = _WORSE_THAN_USUAL * fused.sigma
        bad = {
            view.number: sigma
            for view, sigma in zip(fused.views, fused.sigmas, strict=True)
            if sigma > limit and view.number != self.reference
        }
        if not bad:
            return fused, list(candidates)
        judged = [
            replace(c, reason=f"it misses the image by {bad[c.number]:.3f} where {limit:.3f} is allowed")
            if c.number in bad
            else c
            for c in candidates
        ]
        kept = [view for view in fused.views if view.number not in bad]
        return self._fuse(kept, imaging, model, _FIRST_ROUNDS, "first image"), judged

    def with_motion(self, first: Fused) -> Fused:
        """The image with the kind of motion that the options name or the frames give reason for (Schwarz 1978)."""
        requested = self.options.motion
        if requested != "homography" and not (requested == "auto" and first.model == "affine"):
            return first
        freer = self._continue(first, "homography", 0.0)
        if requested == "homography":
            return freer
        same = self._continue(first, "affine", 0.5)
        sigma, each = min(freer.sigma, same.sigma), first.num_samples / len(first.views)
        more = num_parameters("homography") - num_parameters("affine")
        price = more * (len(first.views) - 1) * math.log(max(2.0, each))
        return freer if freer.cost(sigma) + price < same.cost(sigma) else same

    def studied(self, chosen: Fused) -> Study:
        """Blur and smoothness."""
        self.on_step("finding blur and smoothness", None)
        options = self.options
        found = study(
            chosen.views,
            self.reference,
            self.region,
            options.scale,
            options.psf_sigma_px,
            options.regularization,
            self.source,
        )
        if options.regularization is None and _rests_on_one(chosen) > _LONELY:
            return found.smooth("usual at least: parts of the region rest on a single frame")
        return found

    def finished(self, chosen: Fused, imaging: Imaging) -> Fused:
        """The image."""
        return fuse(
            chosen.views,
            self.reference,
            self.region,
            self.options.scale,
            imaging,
            chosen.model,
            rounds=_LAST_ROUNDS,
            finish=True,
            parts=chosen.parts,
            on_share=lambda share: self.on_step("reconstructing", share),
        )

    def _fuse(self, views: Sequence[View], imaging: Imaging, model: MotionModel, rounds: int, what: str) -> Fused:
        """From nothing."""
        return fuse(
            views,
            self.reference,
            self.region,
            self.options.scale,
            imaging,
            model,
            rounds=rounds,
            on_share=lambda share: self.on_step(what, share),
        )

    def _continue(self, first: Fused, model: MotionModel, done: float) -> Fused:
        """A few rounds more with another kind of motion; ``done`` is the share of the choice that is made."""
        return fuse(
            first.views,
            self.reference,
            self.region,
            self.options.scale,
            first.imaging,
            model,
            rounds=_CHOICE_ROUNDS,
            parts=first.parts,
            on_share=lambda share: self.on_step("choosing the motion", done + share / 2),
        )


def source_of_views(views: Sequence[View], frames: Sequence[Grabbed], color: ColorSpec) -> Source | None:
    """How the first of ``views`` look, whole; None where they are too small to tell.

    Views name their frame by its place in ``frames``. Its luma is looked at in video range, as the estimator was fitted
    on.
    """
    cpu = torch.device("cpu")
    chosen = [frames[view.number] for view in views[:_LOOKED_AT]]
    whole = [VideoFrame(frame.planes, frame.layout, color, 0, 0, Fraction(1)) for frame in chosen]
    estimates = estimate_source([network_input(frame, "Y", cpu)[0] for frame in whole])
    return None if estimates is None else source_of(estimates)


def _rests_on_one(fused: Fused) -> float:
    """Share of the region, 0…1, where hardly any frame agrees with the reference."""
    return float((find_support(fused).frames < _HARDLY_ANY).to(torch.float64).mean())

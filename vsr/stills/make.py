"""From a video and a time to one picture: read, follow, choose, fuse, colour."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch

from vsr.errors import UsageError
from vsr.frames import VideoFrame
from vsr.media.probe import MAX_PIXELS, MediaInfo
from vsr.registration import MotionModel, StillCamera, stands_still
from vsr.stills.boxes import Box, points_moved
from vsr.stills.canvas import View
from vsr.stills.choosing import Candidate, choose
from vsr.stills.colour import coloured, luma_of
from vsr.stills.fusion import Fused, fuse
from vsr.stills.maps import Support, find_support
from vsr.stills.options import StillOptions
from vsr.stills.quality import Agreement, agreement
from vsr.stills.refining import num_parameters
from vsr.stills.study import FIRST, Study, study
from vsr.stills.tracking import Sighting, Tracker
from vsr.stills.window import Place, Window, grab

__all__ = ["Made", "OnStep", "candidates_of", "make_still"]

OnStep = Callable[[str, float | None], None]
"""Told what is being done, and the share that is done, 0…1, or None where that is unknown."""

_CANDIDATES = 1.5  # frames looked at for each that may be used
_LEAST_SIDE_PX = 8
_FIRST_ROUNDS, _CHOICE_ROUNDS, _LAST_ROUNDS = 4, 2, 6
_WORSE_THAN_USUAL = 2.0  # misfit of a frame, times the usual one, at which it is left out after all
_BLURRED = 0.75  # of the usual sharpness: less in the reference, and the user is told
_LONELY = 0.02  # share of the region that may rest on one frame before the prior is made strong enough for one
_HARDLY_ANY = 1.5  # frames
_DOUBTFUL = 3.0  # misfit of the reference, in noise, from which the user is warned
_ROUNDING = 1.0 / 255
_GRID = 9  # points a side of the region at which motion is looked at


@dataclass(frozen=True)
class Made:
    """A still and all that is known of it."""

    region: Box
    window: Window
    candidates: tuple[Candidate, ...]
    """One for each frame of the window."""
    found: Study
    fused: Fused
    picture: VideoFrame
    """The still: full-size planes, code values, unrounded."""
    support: Support
    quality: Agreement
    still: StillCamera
    """Whether the frames sampled the region at the same places, so that they bring no new detail."""
    notes: tuple[str, ...]
    """What the user should know, in words."""


def candidates_of(options: StillOptions) -> int:
    """Frames that are looked at."""
    return math.ceil(_CANDIDATES * options.frames)


def make_still(info: MediaInfo, at: Place, options: StillOptions, on_step: OnStep = lambda what, done: None) -> Made:
    """The still of ``info``'s video at ``at``, in memory.

    Depends on the file, the place and the options alone. Raises `UsageError` for a region outside the picture or a
    time past the end, `InputError`.
    """
    region = _region(info, options)
    with _fixed_threads(options.torch_threads):
        window = grab(
            info,
            at,
            candidates_of(options),
            threads=options.decoder_threads,
            cut_threshold=options.cut_threshold,
            on_frame=lambda ordinal: on_step("reading", _share_read(info, at, ordinal)),
        )
        return _from_window(info, window, region, options, on_step)


def _share_read(info: MediaInfo, at: Place, ordinal: int) -> float | None:
    rate = info.video.average_rate or info.video.base_rate
    expected = at if isinstance(at, int) else at * rate if rate else 0
    return min(1.0, float(ordinal / expected)) if expected > 0 else None


def _region(info: MediaInfo, options: StillOptions) -> Box:
    width, height = info.video.width, info.video.height
    region = options.roi or Box(0, 0, width, height)
    if not region.fits(width, height):
        raise UsageError(f"region {region} leaves the picture of {info.path}, which is {width}x{height}")
    if min(region.width, region.height) < _LEAST_SIDE_PX:
        raise UsageError(f"region {region} is too small; it needs {_LEAST_SIDE_PX} pixels each way at least")
    if region.width * region.height * options.scale**2 > MAX_PIXELS:
        raise UsageError(
            f"a still of {region} at {options.scale:g} times is too large; name a smaller --roi or --scale"
        )
    return region


@contextmanager
def _fixed_threads(count: int) -> Iterator[None]:
    """Torch and OpenCV with ``count`` threads, as the record says; as before afterwards."""
    import cv2

    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(count)
    cv2.setNumThreads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])


def _from_window(info: MediaInfo, window: Window, region: Box, options: StillOptions, on_step: OnStep) -> Made:
    dtype = torch.float64 if options.evidence else torch.float32
    lumas = [luma_of(grabbed, dtype) for grabbed in window.frames]
    model, sightings = _follow(lumas, window.reference, region, options, lambda share: on_step("following", share))
    candidates = choose(lumas, sightings, _repeats(window), window.reference, region, options.frames)
    views = [View(c.number, lumas[c.number], c.registration.matrix) for c in candidates if c.is_used]
    first, candidates = _first(views, candidates, window.reference, region, options, model, on_step)
    chosen = _with_model(first, window.reference, region, options, on_step)
    on_step("finding blur and smoothness", None)
    reference = window.reference
    found = study(chosen.views, reference, region, options.scale, options.psf_sigma_px, options.regularization)
    if options.regularization is None and _rests_on_one(chosen) > _LONELY:
        found = found.smoothed("usual at least: parts of the region rest on a single frame")
    fused = fuse(
        chosen.views,
        reference,
        region,
        options.scale,
        found.imaging,
        chosen.model,
        rounds=_LAST_ROUNDS,
        finish=True,
        parts=chosen.parts,
        on_share=lambda share: on_step("reconstructing", share),
    )
    frame = coloured(fused, window.frames, region, options.scale, info.video.color)
    still = _stillness(fused, region)
    quality = agreement(fused, region)
    return Made(
        region=region,
        window=window,
        candidates=tuple(candidates),
        found=found,
        fused=fused,
        picture=frame,
        support=find_support(fused),
        quality=quality,
        still=still,
        notes=(*window.notes, *_doubts(fused, quality), *_notes(info, window, candidates, still)),
    )


def _follow(
    lumas: Sequence[torch.Tensor],
    reference: int,
    region: Box,
    options: StillOptions,
    on_share: Callable[[float], None],
) -> tuple[MotionModel, list[Sighting]]:
    """The region in all frames; as a shift where it is too plain for more."""
    model: MotionModel = "translation" if options.motion == "translation" else "affine"
    sightings = Tracker(lumas, reference, region, model).sightings(on_share)
    if options.motion == "auto" and sum(s.registration.converged for s in sightings) <= len(lumas) // 2:
        shifted = Tracker(lumas, reference, region, "translation").sightings(on_share)
        if sum(s.registration.converged for s in shifted) > sum(s.registration.converged for s in sightings):
            return "translation", shifted
    return model, sightings


def _repeats(window: Window) -> list[int | None]:
    """For every frame the ordinal of an earlier one with the same samples; the reference counts as the earliest."""
    known = {window.frames[window.reference].md5: window.frames[window.reference].record.ordinal}
    found: list[int | None] = []
    for number, grabbed in enumerate(window.frames):
        first = known.setdefault(grabbed.md5, grabbed.record.ordinal)
        found.append(None if number == window.reference or first == grabbed.record.ordinal else first)
    return found


def _first(
    views: Sequence[View],
    candidates: list[Candidate],
    reference: int,
    region: Box,
    options: StillOptions,
    model: MotionModel,
    on_step: OnStep,
) -> tuple[Fused, list[Candidate]]:
    """A first picture, after which frames are left out that miss it by much more than the others do."""
    psf = FIRST.psf_sigma_px if options.psf_sigma_px is None else options.psf_sigma_px
    imaging = replace(FIRST, psf_sigma_px=psf)
    fused = fuse(
        views,
        reference,
        region,
        options.scale,
        imaging,
        model,
        rounds=_FIRST_ROUNDS,
        on_share=lambda share: on_step("first picture", share),
    )
    limit = _WORSE_THAN_USUAL * fused.sigma
    bad = {
        view.number: sigma
        for view, sigma in zip(fused.views, fused.sigmas, strict=True)
        if sigma > limit and view.number != reference
    }
    if not bad:
        return fused, candidates
    judged = [
        replace(c, reason=f"it misses the picture by {bad[c.number]:.3f} where {limit:.3f} is allowed")
        if c.number in bad
        else c
        for c in candidates
    ]
    kept = [view for view in fused.views if view.number not in bad]
    return fuse(kept, reference, region, options.scale, imaging, model, rounds=_FIRST_ROUNDS), judged


def _with_model(first: Fused, reference: int, region: Box, options: StillOptions, on_step: OnStep) -> Fused:
    """The picture with the kind of motion that the options name, or that the frames give reason for (Schwarz 1978)."""
    if options.motion == "homography" or (options.motion == "auto" and first.model == "affine"):
        freer = fuse(
            first.views,
            reference,
            region,
            options.scale,
            first.imaging,
            "homography",
            rounds=_CHOICE_ROUNDS,
            parts=first.parts,
            on_share=lambda share: on_step("choosing the motion", share / 2),
        )
        if options.motion == "homography":
            return freer
        same = fuse(
            first.views,
            reference,
            region,
            options.scale,
            first.imaging,
            "affine",
            rounds=_CHOICE_ROUNDS,
            parts=first.parts,
            on_share=lambda share: on_step("choosing the motion", (1 + share) / 2),
        )
        sigma, each = min(freer.sigma, same.sigma), first.num_samples / len(first.views)
        more = num_parameters("homography") - num_parameters("affine")
        price = more * (len(first.views) - 1) * math.log(max(2.0, each))
        return freer if freer.cost(sigma) + price < same.cost(sigma) else same
    return first


def _stillness(fused: Fused, region: Box) -> StillCamera:
    """Whether the region stood still to the pixel grid in all frames."""
    y, x = torch.meshgrid(
        torch.linspace(region.y, region.bottom - 1, _GRID, dtype=torch.float64),
        torch.linspace(region.x, region.right - 1, _GRID, dtype=torch.float64),
        indexing="ij",
    )
    motions = []
    for view in fused.views:
        to_x, to_y = points_moved(view.motion, x, y)
        motions.append(torch.stack([to_y - y, to_x - x]))
    return stands_still(torch.stack(motions))


def _rests_on_one(fused: Fused) -> float:
    """Share of the region, 0…1, where hardly any frame agrees with the reference."""
    return float((find_support(fused).frames < _HARDLY_ANY).to(torch.float64).mean())


def _doubts(fused: Fused, quality: Agreement) -> list[str]:
    """Whether the picture fails to show what its own frame shows."""
    misfit, level = quality.frames_rms[fused.reference], max(fused.sigma, _ROUNDING)
    if misfit < _DOUBTFUL * level:
        return []
    return [
        f"the picture does not agree with its own frame everywhere: misfit {misfit / level:.1f} times the noise; do "
        "not rely on it before it is compared with that frame (vsr frames), or name another --at or --roi"
    ]


def _notes(info: MediaInfo, window: Window, candidates: Sequence[Candidate], still: StillCamera) -> list[str]:
    used = [candidate for candidate in candidates if candidate.is_used]
    notes = []
    if len(used) == 1:
        notes.append("no other frame could be used: this is one frame, sharpened")
    elif still.still:
        notes.append("nothing moves: the frames show no new detail, only noise and blur could be reduced")
    own = next(c for c in candidates if c.number == window.reference)
    sharpest = max(used, key=lambda c: c.sharpness)
    if own.sharpness < _BLURRED and sharpest.number != own.number:
        record = window.frames[sharpest.number].record
        notes.append(f"the frame at this time is blurred; frame {record.ordinal} is sharper (--at {record.ordinal})")
    if info.video.interlaced:
        notes.append("the video is interlaced: each frame shows one of its fields, the lines between are interpolated")
    if info.video.display:
        notes.append(
            f"players turn this video by {info.video.display.rotation:g} degrees; region and still are unturned"
        )
    if info.video.sample_aspect_ratio != 1:
        notes.append(
            f"pixels of this video are {info.video.sample_aspect_ratio} as wide as high, and so are the still's"
        )
    if info.video.layout.has_alpha:
        notes.append("the alpha plane is left out")
    return notes

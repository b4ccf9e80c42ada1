"""From a video and a time to one image: read, follow, choose, fuse, colour."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

import torch

from vsr.errors import UsageError
from vsr.frames import VideoFrame
from vsr.media.animated_webp import WEBP
from vsr.media.inspect import packet_sizes
from vsr.media.looks import with_look
from vsr.media.probe import MAX_PIXELS, MediaInfo
from vsr.registration import MotionModel, StillCamera, stands_still
from vsr.stills.boxes import Box, move_points
from vsr.stills.canvas import View
from vsr.stills.choosing import Candidate, choose
from vsr.stills.colour import colourise, luma_of
from vsr.stills.fusion import Fused
from vsr.stills.maps import Support, find_support
from vsr.stills.notes import doubts, notes_of
from vsr.stills.options import StillOptions
from vsr.stills.quality import Agreement, agreement
from vsr.stills.stages import OnStep, Stages, source_of_views
from vsr.stills.study import Study
from vsr.stills.tracking import Sighting, Tracker
from vsr.stills.window import Place, Window, grab

__all__ = ["Made", "OnStep", "candidates_of", "make_still"]

_CANDIDATES = 1.5  # frames looked at for each that may be used
_LEAST_SIDE_PX = 8
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
    image: VideoFrame
    """The still: full-size planes, code values, unrounded."""
    support: Support
    quality: Agreement
    still: StillCamera
    """Whether the frames sampled the region at the same places, so that they bring no new detail."""
    bits_a_pixel: float | None
    """Of the file for a pixel of the usual frame used; None where no file tells."""
    warnings: tuple[str, ...]
    """Why it is not to be relied on, in words; empty for most."""
    notes: tuple[str, ...]
    """What else the user should know."""


def candidates_of(options: StillOptions) -> int:
    """Frames that are looked at."""
    return math.ceil(_CANDIDATES * options.frames)


def make_still(info: MediaInfo, at: Place, options: StillOptions, on_step: OnStep = lambda what, done: None) -> Made:
    """The still of ``info``'s video at ``at``, in memory.

    Depends on the file, the place and the options alone. Raises `UsageError` for a region outside the image or a
    time past the end, `InputError`.
    """
    region = _region(info, options)
    with _fix_threads(options.torch_threads):
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
        raise UsageError(f"region {region} leaves the image of {info.path}, which is {width}x{height}")
    if min(region.width, region.height) < _LEAST_SIDE_PX:
        raise UsageError(f"region {region} is too small; it needs {_LEAST_SIDE_PX} pixels each way at least")
    if region.width * region.height * options.scale**2 > MAX_PIXELS:
        raise UsageError(
            f"a still of {region} at {options.scale:g} times is too large; name a smaller --roi or --scale"
        )
    return region


@contextmanager
def _fix_threads(count: int) -> Iterator[None]:
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
    info = with_look(info, window.frames[window.reference].record.look)
    dtype = torch.float64 if options.evidence else torch.float32
    lumas = [luma_of(grabbed, dtype) for grabbed in window.frames]
    model, sightings = _follow(lumas, window.reference, region, options, lambda share: on_step("following", share))
    candidates = choose(lumas, sightings, _repeats(window), window.reference, region, options.frames)
    views = [View(c.number, lumas[c.number], c.registration.matrix) for c in candidates if c.is_used]
    stages = Stages(window.reference, region, options, on_step, source_of_views(views, window.frames, info.video.color))
    first, candidates = stages.first(views, candidates, model)
    chosen = stages.with_motion(first)
    found = stages.studied(chosen)
    fused = stages.finished(chosen, found.imaging)
    still, quality = _stillness(fused, region), agreement(fused, region)
    bits_a_pixel = _bits_a_pixel(info, window, fused)
    return Made(
        region=region,
        window=window,
        candidates=tuple(candidates),
        found=found,
        fused=fused,
        image=colourise(fused, window.frames, region, options.scale, info.video.color),
        support=find_support(fused),
        quality=quality,
        still=still,
        bits_a_pixel=bits_a_pixel,
        warnings=tuple(doubts(fused, quality, bits_a_pixel, info.video.codec)),
        notes=(*window.notes, *notes_of(info.video, window, candidates, still)),
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


def _bits_a_pixel(info: MediaInfo, window: Window, fused: Fused) -> float | None:
    """The median over the frames used, most of which a codec predicts from others."""
    records = [window.frames[view.number].record for view in fused.views]
    times = {record.decoded_pts for record in records if record.decoded_pts is not None}
    sizes = (
        [] if info.images or info.container == WEBP or not times else packet_sizes(info.path, info.video.index, times)
    )
    return 8 * median(sizes) / (records[0].width * records[0].height) if len(sizes) > 1 else None


def _stillness(fused: Fused, region: Box) -> StillCamera:
    """Whether the region stood still to the pixel grid in all frames."""
    y, x = torch.meshgrid(
        torch.linspace(region.y, region.bottom - 1, _GRID, dtype=torch.float64),
        torch.linspace(region.x, region.right - 1, _GRID, dtype=torch.float64),
        indexing="ij",
    )
    motions = []
    for view in fused.views:
        to_x, to_y = move_points(view.motion, x, y)
        motions.append(torch.stack([to_y - y, to_x - x]))
    return stands_still(torch.stack(motions))

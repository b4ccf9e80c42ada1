"""Trying methods on a short part of a video: choose the part, run each method on it, write the page."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from vsr.errors import UsageError, VsrError
from vsr.media.display import Box
from vsr.media.planes import planes_of
from vsr.media.probe import MediaInfo
from vsr.pipeline.excerpt import Excerpt, Needs, find_excerpt
from vsr.pipeline.job import Job
from vsr.pipeline.trial import MethodTrial, Part, part_of_frame, try_method, weight_of_part
from vsr.pipeline.worker import in_source_frames
from vsr.report.files import PAGE_SUFFIXES, check_place, write_text
from vsr.report.side_by_side import busiest_crop
from vsr.report.trial.page import Subject, trial_page

__all__ = ["Candidate", "Trial", "TrialOptions", "make_trial", "try_candidates"]

_USUAL_SECONDS, _USUAL_FRAMES = 2, (24, 60)
_PART_SAMPLES = 480 * 360  # of the output, in the part that is tried
_SMALL = 1.8  # frames that are larger than that part by less are tried whole
_LEAST_SIDE = 96  # of a part, in the input
_METHOD_SECONDS = 7.0  # after which a method stops, where the number of frames is not given
_MOST_SAMPLES = 120e6  # of all images of a method together

OnStep = Callable[[str], None]
"""Hears in words what is being done."""


@dataclass(frozen=True)
class Candidate:
    """A method to try."""

    name: str
    job: Job
    """As a run would have it."""
    command: str
    """What to type for that run."""


@dataclass(frozen=True)
class TrialOptions:
    """What is tried."""

    at: int | Fraction | None = None
    """The first frame: a number, or seconds from the video's start; None: where much is to be seen."""
    num_frames: int | None = None
    """By every method; None: about two seconds, fewer by slow ones."""
    box: Box | None = None
    """The part of each frame; None: all of small frames, the part with most detail of large ones."""
    is_whole: bool = False
    """Whole frames, however large."""
    with_video: bool = True
    most_bytes: int = 8_000_000
    """Size that the page is not to exceed."""

    def __post_init__(self) -> None:
        if self.num_frames is not None and not 1 <= self.num_frames <= 1000:
            raise UsageError(f"1 to 1000 frames can be tried, not {self.num_frames}")
        if self.most_bytes < 1_000_000:
            raise UsageError(f"a page needs 1 MB at least, got {self.most_bytes} bytes")


@dataclass(frozen=True)
class Trial:
    """What trying has shown."""

    excerpt: Excerpt
    part: Part | None
    """Of every frame; None: all of it."""
    methods: Mapping[str, MethodTrial]
    """By name, in the order given."""
    num_frames: int | None
    """Images that a run over the whole video makes, from its header; None where that does not say."""
    commands: Mapping[str, str]
    """What to type for a run, by method."""
    chosen: str
    """The method that the settings name, or the first one that could be tried."""
    notes: tuple[str, ...]
    """Methods that could not be tried, and why."""
    page: Path | None = None
    """Where they are shown; None: nowhere."""

    def frame_seconds(self, method: str, workers: int = 1) -> float:
        """What a frame of a whole run takes on this machine, estimated."""
        return self.methods[method].cost.seconds(self.excerpt.decode_seconds, workers)

    def run_seconds(self, method: str) -> float | None:
        """The same for the whole video."""
        return None if self.num_frames is None else self.num_frames * self.frame_seconds(method)

    def run_bytes(self, method: str) -> float | None:
        """Size of the video of a whole run, if all of it is like what was tried."""
        return None if self.num_frames is None else self.num_frames * self.frame_bytes(method)

    def frame_bytes(self, method: str) -> float:
        """The same for a frame. Where few were made, as many times that of the longest trial as these few are."""
        own, longest = self.methods[method], max(self.methods.values(), key=lambda trial: len(trial.sizes))
        count = len(own.sizes)
        return longest.cost.num_bytes * sum(own.sizes) / sum(longest.sizes[:count])


def make_trial(
    info: MediaInfo,
    candidates: Sequence[Candidate],
    page: Path,
    options: TrialOptions,
    *,
    chosen: str,
    notes: Sequence[str],
    on_step: OnStep,
) -> Trial:
    """`try_candidates`, and the page of it; ``chosen`` is the one whose command is shown first.

    ``notes`` are put on the page.
    """
    check_place(page, [info.path], PAGE_SUFFIXES)
    trial = try_candidates(info, candidates, options, chosen=chosen, notes=notes, on_step=on_step)
    on_step("writing the page")
    subject = Subject(
        info=info,
        excerpt=trial.excerpt,
        part=trial.part,
        methods=trial.methods,
        frame_seconds={name: trial.frame_seconds(name) for name in trial.methods},
        frame_bytes={name: trial.frame_bytes(name) for name in trial.methods},
        num_frames=trial.num_frames,
        commands=trial.commands,
        chosen=trial.chosen,
        notes=trial.notes,
    )
    write_text(page, trial_page(subject, with_video=options.with_video, most_bytes=options.most_bytes))
    return replace(trial, page=page)


def try_candidates(
    info: MediaInfo,
    candidates: Sequence[Candidate],
    options: TrialOptions,
    *,
    chosen: str,
    notes: Sequence[str] = (),
    on_step: OnStep = lambda words: None,
) -> Trial:
    """Try each of ``candidates`` on the same part of the video.

    Raises a `VsrError` where nothing can be tried.
    """
    jobs = [candidate.job for candidate in candidates]
    first = jobs[0]
    on_step("looking for a place with detail and motion" if options.at is None else "reading up to the place")
    excerpt = find_excerpt(
        info,
        _needs(jobs),
        at=options.at,
        num_frames=options.num_frames or _usual_frames(info, first),
        threads=first.settings.decoder_threads,
        cut_threshold=first.settings.cut_threshold,
    )
    part = _part(first, excerpt, options)
    methods, failed = _try_all(candidates, excerpt, part, options, on_step)
    return Trial(
        excerpt,
        part,
        methods,
        (first.num_frames_from_header * first.images_per_frame) or None,
        {one.name: one.command for one in candidates if one.name in methods},
        chosen if chosen in methods else next(iter(methods)),
        (*notes, *failed),
    )


def _needs(jobs: Sequence[Job]) -> Needs:
    """What serves them all."""
    needs = [job.prepared.capabilities for job in jobs]
    return Needs(
        max(in_source_frames(job, one.halo_frames) for job, one in zip(jobs, needs, strict=True)),
        math.lcm(*(one.chain_frames for one in needs)),
        max(in_source_frames(job, one.adapt_frames) for job, one in zip(jobs, needs, strict=True)),
    )


def _usual_frames(info: MediaInfo, job: Job) -> int:
    rate = info.video.average_rate or info.video.base_rate or 25
    fitting = int(_MOST_SAMPLES / (job.out_width * job.out_height)) if not _is_large(job) else _USUAL_FRAMES[1]
    return max(1, min(fitting, _USUAL_FRAMES[1], max(_USUAL_FRAMES[0], round(_USUAL_SECONDS * rate))))


def _is_large(job: Job) -> bool:
    return job.out_width * job.out_height > _SMALL * _PART_SAMPLES


def _part(job: Job, excerpt: Excerpt, options: TrialOptions) -> Part | None:
    look = excerpt.records[0].look
    geometry = job.geometry(look)
    if options.box is not None:
        return part_of_frame(geometry, options.box)
    if options.is_whole or not _is_large(job):
        return None
    share = (_PART_SAMPLES / (geometry.out_width * geometry.out_height)) ** 0.5
    width = min(geometry.width, max(_LEAST_SIDE, round(geometry.width * share)))
    height = min(geometry.height, max(_LEAST_SIDE, round(geometry.height * share)))
    frame = excerpt.frames[(excerpt.start + excerpt.stop) // 2]
    [luma] = planes_of(frame, 1)
    top, left = busiest_crop(np.asarray(luma, np.float32)[:, :, None], height, width)
    return part_of_frame(geometry, Box(top, left, height, width))


def _try_all(
    candidates: Sequence[Candidate], excerpt: Excerpt, part: Part | None, options: TrialOptions, on_step: OnStep
) -> tuple[dict[str, MethodTrial], list[str]]:
    methods, notes = dict[str, MethodTrial](), list[str]()
    weight: float | None = None
    for number, candidate in enumerate(candidates, 1):
        on_step(f"{candidate.name} ({number} of {len(candidates)})")
        try:
            if weight is None:
                weight = weight_of_part(candidate.job, excerpt, part)
            limit = _METHOD_SECONDS if options.num_frames is None else None
            methods[candidate.name] = try_method(candidate.job, excerpt, part, most_seconds=limit, part_weight=weight)
        except VsrError as error:
            notes.append(f"{candidate.name} could not be tried: {error}")
    if not methods:
        raise UsageError(f"none of the methods could be tried; {notes[0]}")
    return methods, notes

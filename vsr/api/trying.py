"""Methods tried on a short part of a video, before hours of work."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from vsr.api.arguments import PathLike, position_of
from vsr.api.commands import upscale_words
from vsr.api.finding import find_inputs
from vsr.api.inputs import Naming, pair_inputs
from vsr.distributed.choose import count_workers
from vsr.errors import UsageError, VsrError
from vsr.media.display import Box
from vsr.media.probe import MediaInfo
from vsr.media.reading import probe as probe_source
from vsr.methods.auto import leading_network
from vsr.methods.registry import find_method
from vsr.pipeline.job import Job, Span, resolve_job
from vsr.pipeline.objects import is_url
from vsr.pipeline.settings import Settings, load_settings
from vsr.report.trial import Candidate, Trial, TrialOptions, make_trial, try_candidates
from vsr.stills.boxes import Box as Region
from vsr.timeline import parse_rate

__all__ = ["USUAL_METHODS", "RunEstimate", "estimate_run", "try_methods"]

USUAL_METHODS = ("lanczos", "lite", "video", "multiframe", "auto")
"""Those that are tried, from the quickest to the slowest; ``video`` where it has weights for the size."""
_WITHOUT_PRIORS = ("interpolation", "observation-model")
_ALL = "all"


def try_methods(
    path: PathLike,
    page: PathLike | None = None,
    *,
    methods: Sequence[str] | None = None,
    at: str | int | Fraction | None = None,
    frames: int | None = None,
    roi: str | tuple[int, int, int, int] | None = None,
    preset: str = "default",
    settings: Mapping[str, Any] | None = None,
    video: bool = True,
    max_bytes: int = 8_000_000,
    on_step: Callable[[str], None] | None = None,
) -> Trial:
    """Restore about two seconds of a video by several methods; write a page on which to compare them.

    Args:
        path: a video, or an image sequence.
        page: the page; by default ``NAME.try.html`` in the current folder.
        methods: which ones; by default `USUAL_METHODS`, and that of the settings.
        at: where: a frame number, or a time; by default where much detail moves, as far as a look at some frames tells.
        frames: how many frames by every method; by default about two seconds, and fewer by a method that is slow.
        roi: ``(x, y, width, height)`` in pixels of the input as it is coded, or ``"x,y,width,height"``; ``"all"`` for
            whole frames. By default whole frames where they are small, else the part with most detail.
        preset: as in `vsr.upscale`.
        settings: as in `vsr.upscale`.
        video: whether the page shows motion.
        max_bytes: size that the page is not to exceed.
        on_step: called from this thread with what is being done, in words.

    Returns:
        Where the page is, and what was measured. ``trial.run_seconds("auto")`` estimates a run over the whole video.

    Raises `InputError` for what is not a video, `UsageError` for what cannot be tried.
    """
    if is_url(path):
        raise UsageError(f"{path}: needs a local file; copy it first")
    source = Path(path)
    resolved, _ = load_settings(preset, settings or {}, is_lenient=methods is not None)
    names = _names(methods, resolved)
    tell = on_step or (lambda words: None)
    info = probe_source(source, parse_rate(resolved.fps) if resolved.fps else None, resolved.video_stream)
    output = _output(source, resolved)
    candidates, notes = _candidates(info, output, names, preset, settings or {})
    if methods is None:
        candidates = [one for one in candidates if one.name in (resolved.method, *_fitting(one.job))]
    options = TrialOptions(
        at=position_of(at),
        num_frames=frames,
        box=None if roi in (None, _ALL) else _box(roi),
        is_whole=roi == _ALL,
        with_video=video,
        most_bytes=max_bytes,
    )
    place = Path(page) if page is not None else Path(f"{source.resolve().stem.replace('%', '')}.try.html")
    return make_trial(info, candidates, place, options, chosen=resolved.method, notes=notes, on_step=tell)


@dataclass(frozen=True)
class RunEstimate:
    """What a run would take on this machine, as busy as it was."""

    frame_seconds: float
    num_frames: int | None
    """Images of the output, as the header says; None where that does not."""
    frame_bytes: float
    """Of the video, if all of it is like the part that was restored."""
    workers: int

    @property
    def seconds(self) -> float | None:
        """Of the whole run."""
        return None if self.num_frames is None else self.num_frames * self.frame_seconds

    @property
    def num_bytes(self) -> float | None:
        """Of the whole video."""
        return None if self.num_frames is None else self.num_frames * self.frame_bytes


def estimate_run(job: Job, workers: int | None = None) -> RunEstimate:
    """Restore some frames of ``job``'s video, and tell from that what all of it takes.

    ``workers``: as for `vsr.upscale`. Raises a `VsrError` where no frame can be restored.
    """
    name = job.settings.method
    trial = try_candidates(job.info, [Candidate(name, job, "")], TrialOptions(at=job.span.start), chosen=name)
    count = workers or count_workers(job.settings, [job])
    return RunEstimate(trial.frame_seconds(name, count), trial.num_frames, trial.frame_bytes(name), count)


def _names(methods: Sequence[str] | None, settings: Settings) -> list[str]:
    names = list(dict.fromkeys([*USUAL_METHODS, settings.method] if methods is None else methods))
    if not names:
        raise UsageError("name a method to try")
    for name in names:
        find_method(name)  # refuses what is none
    return names


def _fitting(job: Job) -> list[str]:
    """Usual methods that have weights for the size of ``job``."""
    return [name for name in USUAL_METHODS if name != "video" or leading_network(job.geometry()) == name]


def _output(source: Path, settings: Settings) -> Path:
    """A name for the output, in a container that takes it."""
    found = find_inputs([source], recursive=False, output="./")
    target = Path(pair_inputs(found, [source], "./", Naming.of(settings), make_folder=False)[0][1])
    if "%" in target.name:
        return target.parent.with_name(f"{target.parent.name}-restored") / target.name
    return target.with_stem(f"{target.stem}-restored")


def _candidates(
    info: MediaInfo, output: Path, names: Sequence[str], preset: str, given: Mapping[str, Any]
) -> tuple[list[Candidate], list[str]]:
    """What can be tried, and what cannot, in words."""
    candidates, notes = list[Candidate](), list[str]()
    for name in names:
        try:
            settings, options = load_settings(preset, {**given, "method": name}, is_lenient=True)
            job = resolve_job(info, output, settings, options, Span())
        except VsrError as error:
            if len(names) == 1:
                raise
            notes.append(f"{name} was not tried: {error}")
            continue
        candidates.append(Candidate(name, job, _command(info, output, name, preset, given)))
    if not candidates:
        raise UsageError(f"none of the methods can be tried: {notes[0]}")
    return candidates, notes


def _command(info: MediaInfo, output: Path, method: str, preset: str, given: Mapping[str, Any]) -> str:
    """What to type for a run."""
    others = {key: value for key, value in given.items() if key != "method"}
    usual = load_settings(preset, others, is_lenient=True)[0].method
    chosen = {} if method == usual else {"method": method}
    return shlex.join(["vsr", *upscale_words(info.path, output, preset, {**chosen, **others})])


def _box(roi: str | tuple[int, int, int, int] | None) -> Box:
    region = Region.parse(roi) if isinstance(roi, str) else Region(*roi or ())
    return Box(region.y, region.x, region.height, region.width)

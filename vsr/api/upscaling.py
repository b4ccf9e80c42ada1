"""Restoring videos, and planning it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from vsr.api.arguments import PathLike, is_folder, place_of, position_of
from vsr.api.finding import find_inputs, names_several
from vsr.api.inputs import Naming, pair_inputs, refuse_collisions
from vsr.api.one_frame import Place, span_of
from vsr.distributed.choose import choose_executor
from vsr.errors import UsageError, VsrError
from vsr.pipeline.batch import Skipped, is_done, write_batch
from vsr.pipeline.executor import Executor
from vsr.pipeline.job import Job, Span
from vsr.pipeline.objects import is_url
from vsr.pipeline.parts import split_by_shape
from vsr.pipeline.preview_places import preview_places
from vsr.pipeline.progress import OnProgress
from vsr.pipeline.request import Outcome, Request
from vsr.pipeline.run import check_output, clear_left, work_folder
from vsr.pipeline.settings import load_settings

__all__ = ["check_plan", "done_before", "is_batch", "plan", "upscale"]

_log = logging.getLogger(__name__)


def upscale(
    inputs: PathLike | Sequence[PathLike],
    output: PathLike,
    *,
    preset: str = "default",
    start: str | int | Fraction | None = None,
    end: str | int | Fraction | None = None,
    at: str | int | Fraction | None = None,
    overwrite: bool = False,
    work_dir: PathLike | None = None,
    on_progress: OnProgress | None = None,
    on_outcome: Callable[[Outcome], None] | None = None,
    workers: int | None = None,
    ray: str | None = None,
    executor: Executor | None = None,
    preview: PathLike | bool = False,
    recursive: bool = False,
    on_skipped: Callable[[Sequence[Skipped]], None] | None = None,
    passes: Sequence[str | Mapping[str, Any]] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> list[Outcome]:
    """Restore one video or several.

    Args:
        inputs: a file, a folder of videos, an image sequence, a list of them in a ``.txt`` file, a URL (``s3://…``),
            or several of these.
        output: a file name whose extension says the container (or ``folder/%06d.png``); for several inputs, or
            with a trailing slash, a folder to fill. URLs, too.
        preset: name of a shipped preset, or a YAML file.
        start: where the requested part begins: a frame number (``120``) or a time (``"1:02.5"``, ``"62.5s"``).
        end: where it ends, exclusive; given like ``start``.
        at: one frame instead, by its number or the time at which it is shown; the output may then be one image
            (``frame.png``).
        overwrite: replace an output that exists.
        work_dir: where unfinished work is kept; by default beside the output.
        on_progress: called from this thread while work goes on.
        on_outcome: called once for each input, as soon as it is settled.
        workers: how many segments are made at a time, each by a process of its own; by default one for each GPU;
            without one, one for each core, as far as memory and the length of the videos go. One is this process; more
            are Ray's.
        ray: address of a running Ray cluster, or ``"auto"`` for the one of this machine; workers are by default as
            many as it has room for.
        executor: who does the work, instead of ``workers`` and ``ray``.
        preview: a PNG that shows the newest frames before and after, replaced every few seconds while the work goes on;
            a folder for one PNG of each output; True for ``OUTPUT.preview.png`` beside it.
        recursive: look for videos in sub-folders, too; their outputs lie in sub-folders of the same names.
        on_skipped: called once, before any work, with what folders and lists hold that is not an input.
        passes: passes before and after the method instead of the preset's, for example
            ``["deflicker", {"deflicker": {"place": "after"}}]``; alone with ``scale`` 1.
        settings: keys on top of the preset, for example ``{"scale": 2, "method": "lanczos"}``, with a section for each
            method: ``{"lite": {"precision": "float32"}}`` or ``{"lite.precision": "float32"}``.

    Returns:
        One `Outcome` for each input, in the order given; with the setting ``split``, for each part of it. With one file
        its error is raised instead. With several, a folder, or a list into a folder, one bad file does not stop the
        others, ``batch.json`` in the output folder says what became of each, and inputs that an earlier run finished
        with the same settings are left as they are.

    Calling again after a crash goes on where it stopped. The example makes ``clip-2x.mp4``::

        vsr.upscale("clip.mp4", "clip-2x.mp4", settings={"scale": 2})
    """
    given = [inputs] if isinstance(inputs, (str, Path)) else list(inputs)
    resolved, options = load_settings(preset, _with_passes(settings, passes))
    found = find_inputs([place_of(one) for one in given], recursive=recursive, output=output)
    pairs = pair_inputs(found, given, output, Naming.of(resolved), make_folder=True)
    if on_skipped is not None and found.skipped:
        on_skipped(found.skipped)
    base = _work_base(work_dir)
    several = is_batch(inputs, output, pairs)
    if several and at is not None and not isinstance(position_of(at), int):
        raise UsageError("--at: a time is looked up in one video; for several name the number of the frame")
    spans = [span_of(source, resolved, start=start, end=end, at=at) for source, _ in pairs]
    requests = [
        Request(source, target, resolved, options, span, overwrite, base)
        for (source, target), span in zip(pairs, spans, strict=True)
    ]
    if resolved.split:
        requests = [part for request in requests for part in _parts(request)]
        refuse_collisions([request.source for request in requests], [request.output for request in requests])
    shown = preview_places([request.output for request in requests], preview)
    requests = [replace(request, preview=place) for request, place in zip(requests, shown, strict=True)]
    finished: dict[PathLike, Outcome] = {}

    def resolve(outcome: Outcome) -> None:
        finished[outcome.output] = outcome
        if on_outcome is not None and (several or outcome.error is None):
            on_outcome(outcome)

    waiting = []
    for request in requests:
        done = is_done(request) if several and not overwrite else None
        if done is not None:
            assert done.manifest is not None
            clear_left(request, done.manifest)
            resolve(done)
        else:
            waiting.append(request)
    if waiting:
        chosen = executor or choose_executor(resolved, workers, ray, waiting)
        try:
            chosen.run(waiting, on_progress or (lambda progress: None), resolve)
        except BaseException:
            if several:
                _try_batch(output, requests, finished, found.skipped)
            raise
    if several:
        write_batch(output, requests, finished, found.skipped)
    outcomes = [finished[request.output] for request in requests]
    failed = next((outcome.error for outcome in outcomes if outcome.error is not None), None)
    if not several and failed is not None:
        raise failed
    return outcomes


def _parts(request: Request) -> list[Request]:
    try:
        return split_by_shape(request)
    except VsrError:
        return [request]  # its own run says what is wrong with it, and others go on


def plan(
    path: PathLike,
    output: PathLike,
    *,
    preset: str = "default",
    start: str | int | Fraction | None = None,
    end: str | int | Fraction | None = None,
    at: str | int | Fraction | None = None,
    passes: Sequence[str | Mapping[str, Any]] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Job:
    """Decide everything about restoring ``path`` into ``output`` without doing it.

    ``settings`` are keys of a preset (``scale``, ``method``, ``codec`` …; ``vsr presets --keys`` lists them) and go
    on top of ``preset``; ``passes`` as for `upscale`.

    Raises `UsageError` for what cannot be, `InputError` for what is not a video.
    """
    settings = _with_passes(settings, passes)
    span = span_of(path, load_settings(preset, settings)[0], start=start, end=end, at=at)
    return _request(path, output, preset, span, settings).plan()


def _with_passes(
    settings: Mapping[str, Any] | None, passes: Sequence[str | Mapping[str, Any]] | None
) -> Mapping[str, Any]:
    if passes is None:
        return settings or {}
    if settings and "passes" in settings:
        raise UsageError("passes are given twice: as an argument and among the settings")
    return {**(settings or {}), "passes": passes}


def _try_batch(
    output: PathLike,
    requests: Sequence[Request],
    finished: Mapping[PathLike, Outcome],
    skipped: Sequence[Skipped],
) -> None:
    """Where the run itself has failed, which is what the user must hear of."""
    try:
        write_batch(output, requests, finished, skipped)
    except VsrError as error:
        _log.warning("%s", error)


def _work_base(work_dir: PathLike | None) -> Path | None:
    if work_dir is None:
        return None
    if is_url(work_dir):
        raise UsageError(f"--work-dir {work_dir}: must be a folder; work for outputs in a store is kept beside them")
    return Path(work_dir)


def is_batch(
    inputs: PathLike | Sequence[PathLike], output: PathLike, pairs: Sequence[tuple[PathLike, PathLike]]
) -> bool:
    """Whether a run of these ``pairs`` leaves finished ones as they are and writes ``batch.json``."""
    given = [inputs] if isinstance(inputs, (str, Path)) else inputs
    listed = not isinstance(inputs, (str, Path)) and (str(output).endswith("/") or is_folder(output))
    return listed or len(pairs) > 1 or names_several(given)


def done_before(
    path: PathLike,
    output: PathLike,
    *,
    preset: str = "default",
    start: str | int | Fraction | None = None,
    end: str | int | Fraction | None = None,
    at: Place = None,
    settings: Mapping[str, Any] | None = None,
) -> Outcome | None:
    """The outcome of an earlier run that made just this, as a batch would find it; None where it would be made."""
    request = _request(path, output, preset, Span(), settings)
    return is_done(replace(request, span=span_of(path, request.settings, start=start, end=end, at=at)))


def _request(path: PathLike, output: PathLike, preset: str, span: Span, settings: Mapping[str, Any] | None) -> Request:
    return Request(place_of(path), place_of(output), *load_settings(preset, settings or {}), span)


def check_plan(job: Job, overwrite: bool, work_dir: PathLike | None = None) -> None:
    """Refuse what a run of ``job`` could not write; see `vsr.pipeline.run.check_output`."""
    check_output(job, overwrite, work_folder(job, _work_base(work_dir)))

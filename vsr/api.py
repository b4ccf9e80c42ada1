"""The public functions of vsr: what the command line calls, for use from Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, Literal

from vsr.distributed.choose import choose_executor
from vsr.errors import InputError, UsageError, VsrError
from vsr.evaluation import Evaluation, OnStep, evaluate_methods
from vsr.media.codecs import CODECS
from vsr.media.images import IMAGE_SUFFIXES, is_image_sequence, is_numbered
from vsr.media.probe import MediaInfo
from vsr.media.reading import probe as probe_source
from vsr.media.suffixes import VIDEO_SUFFIXES
from vsr.networks import Network
from vsr.pipeline.batch import is_done, write_batch
from vsr.pipeline.executor import Executor
from vsr.pipeline.job import Job, Span
from vsr.pipeline.objects import is_url, join_url, list_objects
from vsr.pipeline.preview_places import preview_places
from vsr.pipeline.progress import OnProgress, Progress
from vsr.pipeline.request import Outcome, Request
from vsr.pipeline.run import check_output
from vsr.pipeline.settings import load_settings
from vsr.pipeline.verify import Check
from vsr.report.blind import make_blind_page
from vsr.report.comparison import Comparison, Wanted
from vsr.report.comparison import compare as compare_videos
from vsr.report.page import PageOptions, make_page
from vsr.stills.boxes import Box
from vsr.stills.frames import Exported
from vsr.stills.frames import export_frames as write_frames
from vsr.stills.make import OnStep as OnStillStep
from vsr.stills.options import Motion, StillOptions
from vsr.stills.run import Still, run_still
from vsr.timeline import parse_position
from vsr.training import OnProgress as OnTraining
from vsr.training import TrainingOutcome, TrainingProgress, heard, make_request, train_share
from vsr.verifying import verify_any

__all__ = [
    "Check",
    "Comparison",
    "Evaluation",
    "Exported",
    "Job",
    "MediaInfo",
    "Outcome",
    "Progress",
    "Still",
    "TrainingOutcome",
    "TrainingProgress",
    "check_plan",
    "compare",
    "evaluate",
    "expand_inputs",
    "export_frames",
    "make_blind",
    "make_report",
    "pair_outputs",
    "plan",
    "probe",
    "still",
    "train",
    "upscale",
    "verify",
]

PathLike = str | Path

_LIST_SUFFIX = ".txt"
_CONTAINER_OF_URL = {"mkv": "mkv", "webm": "mkv", "mov": "mov"}


def probe(path: PathLike, *, fps: str | Fraction | None = None) -> MediaInfo:
    """What a video file, a folder of pictures or a pattern such as ``frames/%06d.png`` holds.

    ``fps`` is the rate of pictures that come without ``timing.json``. Raises `InputError`, with the reason, for
    what is no video.
    """
    return probe_source(Path(path), _rate(fps))


def verify(
    output: PathLike,
    *,
    source: PathLike | None = None,
    recompute: bool = False,
    on_step: OnStillStep | None = None,
    on_progress: OnProgress | None = None,
) -> list[Check]:
    """Compare an output with its record ``OUTPUT.vsr.json``: the record itself, bytes, streams, frames, and the input.

    ``output`` is the output or its record; ``source`` is where the input is now, if not where the record says. With
    ``recompute`` the output is made again, as the record says, and compared byte for byte. ``on_step`` is told how a
    still comes on, ``on_progress`` how a video does. A URL of an object store is copied here first. Raises
    `VerificationError` where the output or its record is missing, or is of another version, and `UsageError` where an
    output in a store is to be made again.
    """
    place = None if source is None else Path(source)
    steps, progress = on_step or (lambda what, done: None), on_progress or (lambda told: None)
    return verify_any(output, place, recompute, steps, progress)


def still(
    path: PathLike,
    output: PathLike,
    *,
    at: str | int | Fraction,
    roi: str | tuple[int, int, int, int] | None = None,
    frames: int = 30,
    scale: float = 4.0,
    motion: Motion = "auto",
    psf_sigma_px: float | None = None,
    regularization: float | None = None,
    evidence: bool = True,
    fps: str | None = None,
    overwrite: bool = False,
    on_step: OnStillStep | None = None,
) -> Still:
    """Make one still of ``path`` from the frames around a time; see `vsr.stills`.

    Args:
        path: a video, a folder of pictures or a pattern.
        output: a PNG or TIFF file. Beside it go ``NAME.support.png``, ``NAME.confidence.png`` and the record
            ``OUTPUT.vsr.json``.
        at: a frame number (``120``) or a time (``"1:02.5"``, ``"62.5s"``): the still is what that frame shows.
        roi: x, y, width and height of the region, in pixels of that frame; by default the whole picture.
        frames: frames used at most.
        scale: how many times as large the still is.
        motion: how the region may move: translation, affine, homography, or auto.
        psf_sigma_px, regularization: blur of the camera, in pixels, and strength of smoothing; found by default.
        evidence: compute in double precision, so that other machines come to the same picture.
        fps: rate of pictures that do not tell theirs.
        overwrite: replace files that exist.
        on_step: called with what is being done and the share done, 0…1 or None.

    The example makes ``plate.png``::

        vsr.still("yard.mp4", "plate.png", at="0:12.4", roi="612,340,96,32")
    """
    region = Box.parse(roi) if isinstance(roi, str) else None if roi is None else Box(*roi)
    options = StillOptions(
        roi=region,
        frames=frames,
        scale=scale,
        motion=motion,
        psf_sigma_px=psf_sigma_px,
        regularization=regularization,
        evidence=evidence,
    )
    place = parse_position(at) if isinstance(at, str) else at
    told = on_step or (lambda what, done: None)
    return run_still(Path(path), Path(output), place, fps, options, overwrite=overwrite, on_step=told)


def export_frames(
    path: PathLike,
    output: PathLike,
    *,
    start: str | int | Fraction | None = None,
    end: str | int | Fraction | None = None,
    fps: str | None = None,
    overwrite: bool = False,
    on_frame: Callable[[int], None] | None = None,
) -> Exported:
    """Write frames as they were decoded to ``output``, a pattern such as ``frames/%06d.png``, with their times.

    ``start`` and ``end`` are frame numbers or times. Nothing is restored; what pictures cannot hold is converted
    without loss, which the manifest names. ``on_frame`` is told how many frames are written.
    """
    span = Span(_position(start), _position(end))
    told = on_frame or (lambda count: None)
    return write_frames(Path(path), Path(output), span, fps=fps, overwrite=overwrite, on_frame=told)


def compare(
    first: PathLike,
    second: PathLike,
    reference: PathLike | None = None,
    *,
    every: int = 1,
    vmaf: bool = False,
    exact: bool = False,
    offset: Fraction | Literal["start"] | None = None,
    fps: str | Fraction | None = None,
    on_pair: Callable[[int], None] | None = None,
) -> Comparison:
    """Measure two videos against each other, or each against a ``reference``, frame by frame.

    Frames are paired by their times. Videos of one size: PSNR, SSIM, temporal PSNR. One larger than the other: LR-PSNR
    of the larger one. Always: sharpness.

    Args:
        first, second, reference: video files or image sequences.
        every: measure one in so many of the frames that all have.
        vmaf: VMAF too.
        exact: use every window and row of large pictures, which are sampled otherwise.
        offset: seconds added to the times of ``second``; ``"start"``: all count from their first frame. By default
            what the manifest of one says that was made from the other, else 0.
        fps: rate of pictures that do not tell theirs.
        on_pair: called from this thread with the number of pairs measured so far.

    Raises `UsageError` where shapes do not fit or hardly any times agree, `InputError` for what is no video. For
    example::

        print(vsr.compare("clip.mp4", "clip-2x.mp4").curve("lr_psnr").mean)
    """
    paths = Path(first), Path(second), None if reference is None else Path(reference)
    wanted = Wanted(every, vmaf, exact, offset)
    return compare_videos(*paths, wanted=wanted, fps=_rate(fps), on_pair=on_pair)


def plan(
    path: PathLike,
    output: PathLike,
    *,
    preset: str = "default",
    start: str | int | Fraction | None = None,
    end: str | int | Fraction | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Job:
    """Decide everything about restoring ``path`` into ``output`` without doing it.

    ``settings`` are keys of a preset (``scale``, ``method``, ``codec`` …; ``vsr presets --keys`` lists them) and go
    on top of ``preset``. Raises `UsageError` for what cannot be, `InputError` for what is no video.
    """
    span = Span(_position(start), _position(end))
    return Request(_place(path), _place(output), *load_settings(preset, settings or {}), span).plan()


def make_blind(
    first: PathLike,
    second: PathLike,
    target: PathLike,
    reference: PathLike | None = None,
    *,
    pairs: int = 12,
    seed: int = 0,
    offset: Fraction | Literal["start"] | None = None,
    fps: str | Fraction | None = None,
) -> Path:
    """Write one HTML page for opinions: which of two versions is better, without saying which is which.

    ``pairs`` frames are shown, left and right by lot (``seed``); choices are saved from the page as JSON. ``reference``
    can be looked at as the original. Otherwise as `compare`.
    """
    return make_blind_page(
        Path(first),
        Path(second),
        Path(target),
        reference=None if reference is None else Path(reference),
        num_pairs=pairs,
        seed=seed,
        wanted=Wanted(offset=offset),
        fps=_rate(fps),
    )


def make_report(
    output: PathLike,
    target: PathLike | None = None,
    *,
    reference: PathLike | None = None,
    frames: int = 12,
    video: bool = True,
    max_bytes: int = 8_000_000,
    on_step: Callable[[str, int], None] | None = None,
) -> Path:
    """Write one HTML page about an output of `upscale`; returns where.

    Args:
        output: the output, with its manifest beside it.
        target: the page; by default ``OUTPUT.report.html`` beside it.
        reference: the truth, for PSNR and SSIM.
        frames: how many frames are shown.
        video: whether a short video is part of the page.
        max_bytes: size that the page is not to exceed.
        on_step: called from this thread with the stage and the number of frames compared so far.

    Raises `VerificationError` where the manifest is missing or speaks of another file.
    """
    options = PageOptions(num_frames=frames, with_video=video, most_bytes=max_bytes)
    truth = None if reference is None else Path(reference)
    place = None if target is None else Path(target)
    return make_page(Path(output), place, reference=truth, options=options, on_step=on_step)


def upscale(
    inputs: PathLike | Sequence[PathLike],
    output: PathLike,
    *,
    preset: str = "default",
    start: str | int | Fraction | None = None,
    end: str | int | Fraction | None = None,
    overwrite: bool = False,
    work_dir: PathLike | None = None,
    on_progress: OnProgress | None = None,
    on_outcome: Callable[[Outcome], None] | None = None,
    workers: int | None = None,
    ray: str | None = None,
    executor: Executor | None = None,
    preview: PathLike | bool = False,
    settings: Mapping[str, Any] | None = None,
) -> list[Outcome]:
    """Restore one video or several.

    Args:
        inputs: a file, a folder of videos, an image sequence, a list of them in a ``.txt`` file, a URL (``s3://…``),
            or several of these.
        output: a file name whose extension says the container (or ``folder/%06d.png``); for several inputs, or
            with a trailing slash, a folder to fill. URLs, too.
        preset: name of a shipped preset, or a YAML file.
        start, end: the part wanted: frame numbers (``120``) or times (``"1:02.5"``, ``"62.5s"``).
        overwrite: replace an output that exists.
        work_dir: where unfinished work is kept; by default beside the output.
        on_progress: called from this thread while work goes on.
        on_outcome: called once for each input, as soon as it is settled.
        workers: how many segments are made at a time, each by a process of its own; by default one for each GPU,
            else one. One is this process; more are Ray's.
        ray: address of a running Ray cluster, or ``"auto"`` for the one of this machine; workers are by default as
            many as it has room for.
        executor: who does the work, instead of ``workers`` and ``ray``.
        preview: a PNG that shows the newest frames before and after, replaced every few seconds while the work goes on;
            a folder for one PNG of each output; True for ``OUTPUT.preview.png`` beside it.
        settings: keys on top of the preset, for example ``{"scale": 2, "method": "lanczos"}``.

    Returns:
        One `Outcome` for each input, in the order given. With one file its error is raised instead. With several, a
        folder, or a list into a folder, one bad file does not stop the others, ``batch.json`` in the output folder says
        what became of each, and inputs that an earlier run finished with the same settings are left as they are.

    Calling again after a crash goes on where it stopped. The example makes ``clip-2x.mp4``::

        vsr.upscale("clip.mp4", "clip-2x.mp4", settings={"scale": 2})
    """
    given = [inputs] if isinstance(inputs, (str, Path)) else list(inputs)
    resolved, options = load_settings(preset, settings or {})
    pairs = pair_outputs(given, output, make_folder=True, codec=resolved.codec)
    span = Span(_position(start), _position(end))
    base = Path(work_dir) if work_dir is not None else None
    shown = preview_places([target for _, target in pairs], preview)
    requests = [
        Request(source, target, resolved, options, span, overwrite, base, place)
        for (source, target), place in zip(pairs, shown, strict=True)
    ]
    settled: dict[PathLike, Outcome] = {}

    def settle(outcome: Outcome) -> None:
        settled[outcome.input] = outcome
        if on_outcome is not None and (several or outcome.error is None):
            on_outcome(outcome)

    listed = not isinstance(inputs, (str, Path)) and (str(output).endswith("/") or _is_plain_folder(output))
    several = listed or len(pairs) > 1 or _names_several(given)
    waiting = []
    for request in requests:
        done = is_done(request) if several and not overwrite else None
        if done is not None:
            settle(done)
        else:
            waiting.append(request)
    if waiting:
        chosen = executor or choose_executor(resolved, workers, ray)
        try:
            chosen.run(waiting, on_progress or (lambda progress: None), settle)
        finally:
            if several:
                write_batch(output, requests, settled)
    elif several:
        write_batch(output, requests, settled)
    outcomes = [settled[source] for source, _ in pairs]
    if not several and outcomes[0].error is not None:
        raise outcomes[0].error
    return outcomes


def evaluate(
    methods: str | Network | Sequence[str | Network],
    scales: int | Sequence[int],
    data: PathLike | Sequence[PathLike],
    *,
    device: str = "auto",
    max_frames: int | None = None,
    settings: Mapping[str, Any] | None = None,
    lpips: PathLike | None = None,
    resume: PathLike | None = None,
    on_step: OnStep | None = None,
) -> Evaluation:
    """Measure methods against known truth, as the papers do (MATLAB's bicubic and luma, border of the scale left out).

    Args:
        methods: ``bicubic``, ``lanczos``, networks by name or file or as `vsr.networks.Network`, restorers such as
            ``multiframe`` (clips only).
        scales: whole magnifications; all methods are measured at all of them.
        data: folders of pictures (the truths), folders of video clips, or single files. Of a clip a small version is
            made, unless one lies beside it: ``X_GT.mkv`` (or ``X.mkv``) with ``X_BIx4.mkv``.
        device: ``auto``, ``cpu``, ``cuda:N``.
        max_frames: first frames of each clip that are used; all by default.
        settings: options of networks and restorers, as for `upscale`; networks run in float32 by default.
        lpips: file of weights for LPIPS; by default ``lpips-alex`` among the models, and without it no LPIPS.
        resume: file in which results are kept as they come; what it holds already is not measured again.
        on_step: called from this thread after every picture and clip.

    Raises `UsageError` for an unknown method, `ModelError` for weights that do not load or lack a scale, `InputError`
    for data that is missing, empty, damaged or too small. For example::

        print(vsr.evaluate(["bicubic", "vdsr.mat"], 2, "Set5").results[1].mean.psnr_y)
    """
    return evaluate_methods(
        [methods] if isinstance(methods, (str, Network)) else list(methods),
        [scales] if isinstance(scales, int) else list(scales),
        [Path(one) for one in ([data] if isinstance(data, (str, Path)) else data)],
        device=device,
        max_frames=max_frames,
        settings=settings,
        lpips=None if lpips is None else Path(lpips),
        resume=None if resume is None else Path(resume),
        on_step=on_step,
    )


def train(
    config: PathLike | Mapping[str, Any],
    out: PathLike,
    *,
    data: PathLike | Sequence[PathLike] | None = None,
    start_from: str | None = None,
    steps: int | None = None,
    settings: Mapping[str, Any] | None = None,
    workers: int = 1,
    ray: str | None = None,
    on_progress: OnTraining | None = None,
) -> TrainingOutcome:
    """Train a network, or fit one to footage of one's own; see docs/training.md.

    Args:
        config: a YAML file, the name of a recipe that comes with vsr (``lite-x2``), or its keys and values.
        out: folder of the run. Given again with the same configuration, an ended run goes on to the same result.
        data: folders of pictures or of videos to learn from, instead of those of the configuration.
        start_from: weights to begin with, by name or file.
        steps: steps in all, instead of those of the configuration.
        settings: further keys of the configuration.
        workers: processes that share each step, through Ray; their gradients are averaged.
        ray: address of a running Ray cluster.
        on_progress: called from this thread every few steps.

    Raises `UsageError` for what cannot be, `InputError` for data that is missing or unfit, `ModelError` for weights
    that do not fit and for a loss that is no number, `MachineError` for a full disk. For example::

        vsr.train("lite-x2", "runs/mine", data="my-videos", start_from="lite", steps=2000)
    """
    request = make_request(
        config if isinstance(config, Mapping) else str(config),
        Path(out).expanduser(),
        data=None if data is None else [Path(one) for one in ([data] if isinstance(data, (str, Path)) else data)],
        start_from=start_from,
        steps=steps,
        workers=workers,
        settings=settings or {},
    )
    part = partial(train_share, request)
    if workers == 1 and ray is None:
        events = part(0)
    else:
        from vsr.distributed.data_parallel import run_together

        events = run_together(part, workers, ray)
    return heard(events, on_progress)


def pair_outputs(
    inputs: Sequence[PathLike], output: PathLike, *, make_folder: bool, codec: str | None = None
) -> list[tuple[PathLike, PathLike]]:
    """Every input with its output file, in a container that takes ``codec``.

    ``make_folder`` makes the output folder where one is meant.
    """
    sources = expand_inputs([_place(one) for one in inputs])
    several = len(sources) > 1 or _names_several(inputs)
    into_folder = several or str(output).endswith(("/", "\\")) or _is_plain_folder(output)
    if not into_folder:
        return [(sources[0], _place(output))]
    if make_folder and not is_url(output) and not _is_plain_folder(output):
        _make_folder(Path(output))
    fit = _containers_for(codec)
    targets = [_target(source, _place(output), fit) for source in sources]
    _refuse_collisions(sources, targets)
    return list(zip(sources, targets, strict=True))


def expand_inputs(places: Sequence[PathLike]) -> list[PathLike]:
    """Folders replaced by the videos in them (image sequences stay one input), lists by what they name.

    Raises `InputError` for none.
    """
    found: list[PathLike] = []
    for place in places:
        if is_url(place):
            found += _videos_at(str(place)) if str(place).endswith("/") else [place]
            continue
        path = Path(place)
        if path.suffix.lower() == _LIST_SUFFIX and path.is_file():
            found += expand_inputs(_listed(path))
        elif path.is_dir() and not is_image_sequence(path):
            videos = sorted(e for e in path.iterdir() if e.is_file() and e.suffix.lower() in VIDEO_SUFFIXES)
            if not videos:
                raise InputError(f"{path}: holds no videos")
            found += videos
        else:
            found.append(path)
    if not found:
        raise UsageError("no input given")
    return found


def _videos_at(folder: str) -> list[PathLike]:
    """URLs of the videos in a folder of an object store."""
    names = [name for name in list_objects(folder) if Path(name).suffix.lower() in VIDEO_SUFFIXES]
    if not names:
        raise InputError(f"{folder}: holds no videos")
    return [join_url(folder, name) for name in names]


def _listed(path: Path) -> list[PathLike]:
    """What a list file names: one input a line, ``#`` before remarks; paths as from the current folder."""
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read list {path}: {error}") from error
    named = [_place(line) for line in lines if line and not line.startswith("#")]
    if not any(is_url(place) or Path(place).exists() for place in named):
        raise InputError(f"{path}: is not a video file, and as a list it names no input that is there")
    nested = [place for place in named if not is_url(place) and Path(place).suffix.lower() == _LIST_SUFFIX]
    if nested:
        raise InputError(f"{path}: names {nested[0]}; a list cannot hold lists")
    return named


def check_plan(job: Job, overwrite: bool) -> None:
    """Refuse what a run of ``job`` could not write; see `vsr.pipeline.run.check_output`."""
    check_output(job, overwrite)


def _place(place: PathLike) -> PathLike:
    """A path, or a URL as it is written."""
    return place if is_url(place) else Path(place)


def _is_plain_folder(path: PathLike) -> bool:
    return not is_url(path) and Path(path).is_dir() and not is_image_sequence(Path(path))


def _names_several(inputs: Sequence[PathLike]) -> bool:
    """Whether these are a batch, however many videos they turn out to be."""
    first = inputs[0]
    if is_url(first):
        return len(inputs) > 1 or str(first).endswith("/")
    return len(inputs) > 1 or _is_plain_folder(first) or Path(first).suffix.lower() == _LIST_SUFFIX


def _containers_for(codec: str | None) -> tuple[str, ...]:
    """Containers of video that take the codec."""
    if codec is None or CODECS.get(codec) is None or CODECS[codec].kind != "video":
        return ("mp4", "mov", "mkv")
    return CODECS[codec].containers


def _make_folder(folder: Path) -> None:
    if folder.exists():
        raise UsageError(f"several inputs need a folder as output; {folder} is a file")
    if folder.suffix and not folder.name.endswith("/") and folder.suffix.lower() in VIDEO_SUFFIXES:
        raise UsageError(f"several inputs need a folder as output, for example -o {folder.stem}/; got {folder}")
    try:
        folder.mkdir()
    except OSError as error:
        raise UsageError(f"cannot make output folder {folder}: {error.strerror}") from error


def _target(place: PathLike, folder: PathLike, fit: Sequence[str]) -> PathLike:
    """The output's name in ``folder``: the source's, in a container of ``fit`` that holds its times and streams."""
    if is_url(place):
        stem, dot, suffix = str(place).rpartition("/")[2].rpartition(".")
        liked = _CONTAINER_OF_URL.get(suffix.lower(), "mp4")
        name = f"{stem if dot else suffix}.{liked if liked in fit else fit[0]}"
        return join_url(str(folder), name) if is_url(folder) else Path(folder) / name
    source = Path(place)
    if is_url(folder):
        return join_url(str(folder), f"{source.stem}{_container_suffix(source, fit)}")
    folder = Path(folder)
    if is_image_sequence(source):
        suffix = source.suffix or next(iter(_suffixes_in(source)), ".png")
        name = source.parent.name if is_numbered(source) else source.name
        return folder / name / f"%06d{suffix if suffix in ('.png', '.tif', '.tiff', '.dpx', '.exr') else '.png'}"
    return folder / f"{source.stem}{_container_suffix(source, fit)}"


def _suffixes_in(folder: Path) -> list[str]:
    return sorted({entry.suffix.lower() for entry in folder.iterdir()} & set(IMAGE_SUFFIXES))


def _container_suffix(source: Path, fit: Sequence[str]) -> str:
    """MKV for Matroska sources; MP4 or MOV, whose clocks are exact, for all others that these can hold."""
    try:
        info = probe_source(source)
    except VsrError:
        return f".{fit[0]}"  # the run itself says what is wrong with this file
    from vsr.media.containers import holds

    others = [stream for stream in info.streams if stream.index != info.video.index]
    if info.container.startswith("matroska") and "mkv" in fit:
        return ".mkv"
    if info.video.layout.has_alpha or info.video.layout.bit_depth > 12:
        return ".mkv"
    order = ("mov", "mp4") if source.suffix.lower() == ".mov" or info.video.codec == "prores" else ("mp4", "mov")
    fitting = [name for name in (*order, "mkv") if name in fit and all(holds(name, stream) for stream in others)]
    return f".{fitting[0] if fitting else fit[-1]}"


def _refuse_collisions(sources: Sequence[PathLike], targets: Sequence[PathLike]) -> None:
    seen: dict[PathLike, PathLike] = {}
    for source, target in zip(sources, targets, strict=True):
        if target in seen:
            raise UsageError(f"{source} and {seen[target]} would both become {target}; give them separate folders")
        seen[target] = source


def _rate(fps: str | Fraction | None) -> Fraction | None:
    if fps is None:
        return None
    rate = Fraction(fps)
    if rate <= 0:
        raise UsageError(f"fps must be positive, got {fps}")
    return rate


def _position(value: str | int | Fraction | None) -> int | Fraction | None:
    return parse_position(value) if isinstance(value, str) else value

"""The public functions of vsr: what the command line calls, for use from Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from vsr.distributed.in_process import InProcess
from vsr.errors import InputError, UsageError, VsrError
from vsr.media.images import IMAGE_SUFFIXES, is_image_sequence, is_numbered
from vsr.media.probe import MediaInfo
from vsr.media.reading import probe as probe_source
from vsr.pipeline.executor import Executor
from vsr.pipeline.job import Job, Span, resolve_job
from vsr.pipeline.run import OnProgress, Progress, check_output, run_job
from vsr.pipeline.settings import load_settings
from vsr.pipeline.verify import Check, verify_output
from vsr.timeline import parse_position

__all__ = [
    "Check",
    "Job",
    "MediaInfo",
    "Outcome",
    "Progress",
    "check_plan",
    "expand_inputs",
    "pair_outputs",
    "plan",
    "probe",
    "upscale",
    "verify",
]

PathLike = str | Path

_VIDEO_SUFFIXES = frozenset(
    [
        ".3gp",
        ".asf",
        ".avi",
        ".dv",
        ".flv",
        ".gif",
        ".ivf",
        ".m2ts",
        ".m2v",
        ".m4v",
        ".mkv",
        ".mov",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".mts",
        ".mxf",
        ".nut",
        ".ogv",
        ".rm",
        ".ts",
        ".vob",
        ".webm",
        ".wmv",
        ".y4m",
        ".264",
        ".h264",
        ".265",
        ".h265",
        ".hevc",
        ".av1",
        ".obu",
    ]
)


@dataclass(frozen=True)
class Outcome:
    """What became of one input."""

    input: Path
    output: Path
    manifest: Mapping[str, Any] | None
    """What ``OUTPUT.vsr.json`` says; None where the input failed."""
    error: VsrError | None = None
    """Why it failed."""


def probe(path: PathLike, *, fps: str | Fraction | None = None) -> MediaInfo:
    """What a video file, a folder of pictures or a pattern such as ``frames/%06d.png`` holds.

    ``fps`` is the rate of pictures that come without ``timing.json``. Raises `InputError`, with the reason, for
    what is no video.
    """
    return probe_source(Path(path), _rate(fps))


def verify(output: PathLike) -> list[Check]:
    """Compare an output with its manifest ``OUTPUT.vsr.json``: bytes, streams, frames, and the input if it is there.

    Raises `VerificationError` where the output or its manifest is missing.
    """
    return verify_output(Path(output))


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
    resolved, options = load_settings(preset, settings or {})
    info = probe_source(Path(path), _rate(resolved.fps))
    span = Span(_position(start), _position(end))
    return resolve_job(info, Path(output), resolved, options, span)


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
    executor: Executor | None = None,
    settings: Mapping[str, Any] | None = None,
) -> list[Outcome]:
    """Restore one video or several.

    Args:
        inputs: a file, a folder of videos, an image sequence, or several of them.
        output: a file name whose extension says the container (or ``folder/%06d.png``); for several inputs, or
            with a trailing slash, a folder to fill.
        preset: name of a shipped preset, or a YAML file.
        start, end: the part wanted: frame numbers (``120``) or times (``"1:02.5"``, ``"62.5s"``).
        overwrite: replace an output that exists.
        work_dir: where unfinished work is kept; by default beside the output.
        on_progress: called from this thread while work goes on.
        on_outcome: called after each input.
        executor: who does the work; by default this process.
        settings: keys on top of the preset, for example ``{"scale": 2, "method": "lanczos"}``.

    Returns:
        One `Outcome` for each input. With one input its error is raised instead; with several, one bad file does
        not stop the others.

    Calling again after a crash goes on where it stopped. The example makes ``clip-2x.mp4``::

        vsr.upscale("clip.mp4", "clip-2x.mp4", settings={"scale": 2})
    """
    given = [inputs] if isinstance(inputs, (str, Path)) else list(inputs)
    pairs = pair_outputs(given, output, make_folder=True)
    outcomes = []
    for source, target in pairs:
        try:
            job = plan(source, target, preset=preset, start=start, end=end, settings=settings)
            manifest = run_job(
                job,
                executor or InProcess(),
                work_base=Path(work_dir) if work_dir is not None else None,
                overwrite=overwrite,
                on_progress=on_progress or (lambda progress: None),
            )
            outcome = Outcome(source, target, manifest)
        except VsrError as error:
            if len(pairs) == 1:
                raise
            outcome = Outcome(source, target, None, error)
        outcomes.append(outcome)
        if on_outcome is not None:
            on_outcome(outcome)
    return outcomes


def pair_outputs(inputs: Sequence[PathLike], output: PathLike, *, make_folder: bool) -> list[tuple[Path, Path]]:
    """Every input with its output file. ``make_folder`` makes the output folder where one is meant."""
    sources = expand_inputs([Path(one) for one in inputs])
    several = len(sources) > 1 or len(inputs) > 1 or _is_plain_folder(inputs[0])
    into_folder = several or str(output).endswith(("/", "\\")) or _is_plain_folder(output)
    if not into_folder:
        return [(sources[0], Path(output))]
    if make_folder and not _is_plain_folder(output):
        _make_folder(Path(output))
    targets = [_target(source, Path(output)) for source in sources]
    _refuse_collisions(sources, targets)
    return list(zip(sources, targets, strict=True))


def expand_inputs(paths: Sequence[Path]) -> list[Path]:
    """Folders replaced by the videos in them (image sequences stay one input). Raises `InputError` for none."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir() and not is_image_sequence(path):
            videos = sorted(e for e in path.iterdir() if e.is_file() and e.suffix.lower() in _VIDEO_SUFFIXES)
            if not videos:
                raise InputError(f"{path}: holds no videos")
            found += videos
        else:
            found.append(path)
    if not found:
        raise UsageError("no input given")
    return found


def check_plan(job: Job, overwrite: bool) -> None:
    """Refuse what a run of ``job`` could not write; see `vsr.pipeline.run.check_output`."""
    check_output(job, overwrite)


def _is_plain_folder(path: PathLike) -> bool:
    return Path(path).is_dir() and not is_image_sequence(Path(path))


def _make_folder(folder: Path) -> None:
    if folder.exists():
        raise UsageError(f"several inputs need a folder as output; {folder} is a file")
    if folder.suffix and not folder.name.endswith("/") and folder.suffix.lower() in _VIDEO_SUFFIXES:
        raise UsageError(f"several inputs need a folder as output, for example -o {folder.stem}/; got {folder}")
    try:
        folder.mkdir()
    except OSError as error:
        raise UsageError(f"cannot make output folder {folder}: {error.strerror}") from error


def _target(source: Path, folder: Path) -> Path:
    """The output's name in ``folder``: the source's, in a container that holds its times and streams."""
    if is_image_sequence(source):
        suffix = source.suffix or next(iter(_suffixes_in(source)), ".png")
        name = source.parent.name if is_numbered(source) else source.name
        return folder / name / f"%06d{suffix if suffix in ('.png', '.tif', '.tiff', '.dpx', '.exr') else '.png'}"
    return folder / f"{source.stem}{_container_suffix(source)}"


def _suffixes_in(folder: Path) -> list[str]:
    return sorted({entry.suffix.lower() for entry in folder.iterdir()} & set(IMAGE_SUFFIXES))


def _container_suffix(source: Path) -> str:
    """MKV for Matroska sources; MP4 or MOV, whose clocks are exact, for all others that these can hold."""
    try:
        info = probe_source(source)
    except VsrError:
        return ".mp4"  # the run itself says what is wrong with this file
    from vsr.media.containers import holds

    others = [stream for stream in info.streams if stream.index != info.video.index]
    if info.container.startswith("matroska"):
        return ".mkv"
    if info.video.layout.has_alpha or info.video.layout.bit_depth > 12:
        return ".mkv"
    order = ("mov", "mp4") if source.suffix.lower() == ".mov" or info.video.codec == "prores" else ("mp4", "mov")
    fitting = [name for name in (*order, "mkv") if all(holds(name, stream) for stream in others)]
    return f".{fitting[0] if fitting else 'mkv'}"


def _refuse_collisions(sources: Sequence[Path], targets: Sequence[Path]) -> None:
    seen: dict[Path, Path] = {}
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

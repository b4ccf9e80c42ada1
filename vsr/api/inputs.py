"""What a run's inputs are, and the name of the output of each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from vsr.api.arguments import PathLike, is_folder, is_plain_folder, place_of
from vsr.errors import InputError, UsageError, VsrError
from vsr.media.codecs import CODECS
from vsr.media.images import IMAGE_SUFFIXES, is_image_sequence, is_numbered
from vsr.media.reading import probe as probe_source
from vsr.media.suffixes import VIDEO_SUFFIXES
from vsr.pipeline.objects import is_url, join_url, list_objects
from vsr.timeline import parse_rate

__all__ = ["expand_inputs", "names_several", "pair_outputs"]

_LIST_SUFFIX = ".txt"
_CONTAINER_OF_URL = {"mkv": "mkv", "webm": "mkv", "mov": "mov"}


def pair_outputs(
    inputs: Sequence[PathLike],
    output: PathLike,
    *,
    make_folder: bool,
    codec: str | None = None,
    fps: str | None = None,
) -> list[tuple[PathLike, PathLike]]:
    """Every input with its output file, in a container that takes ``codec``.

    ``make_folder`` makes the output folder where one is meant. ``fps`` is refused where no input is pictures.
    """
    sources = expand_inputs([place_of(one) for one in inputs])
    if fps is not None and not any(not is_url(one) and is_image_sequence(Path(one)) for one in sources):
        raise UsageError(f"fps {fps} is for pictures; a video keeps its own times")
    several = len(sources) > 1 or names_several(inputs)
    into_folder = several or str(output).endswith(("/", "\\")) or is_folder(output)
    if not into_folder:
        return [(sources[0], place_of(output))]
    if make_folder and not is_url(output) and not is_folder(output):
        _make_folder(Path(output))
    naming = _Naming(codec, None if fps is None else parse_rate(fps))
    targets = [_target(source, place_of(output), naming) for source in sources]
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
    named = [place_of(line) for line in lines if line and not line.startswith("#")]
    if not any(is_url(place) or Path(place).exists() for place in named):
        raise InputError(f"{path}: is not a video file, and as a list it names no input that is there")
    nested = [place for place in named if not is_url(place) and Path(place).suffix.lower() == _LIST_SUFFIX]
    if nested:
        raise InputError(f"{path}: names {nested[0]}; a list cannot hold lists")
    return named


def names_several(inputs: Sequence[PathLike]) -> bool:
    """Whether these are a batch, however many videos they turn out to be."""
    first = inputs[0]
    if is_url(first):
        return len(inputs) > 1 or str(first).endswith("/")
    return len(inputs) > 1 or is_plain_folder(first) or Path(first).suffix.lower() == _LIST_SUFFIX


@dataclass(frozen=True)
class _Naming:
    """What names of outputs depend on besides their inputs."""

    codec: str | None
    fps: Fraction | None

    @property
    def is_video(self) -> bool:
        """Whether a codec of videos is asked for by name, so that pictures become one."""
        return self.codec is not None and self.codec in CODECS and CODECS[self.codec].kind == "video"

    @property
    def containers(self) -> tuple[str, ...]:
        """Containers of video that take the codec."""
        return CODECS[self.codec].containers if self.codec is not None and self.is_video else ("mp4", "mov", "mkv")


def _make_folder(folder: Path) -> None:
    if folder.exists():
        raise UsageError(f"several inputs need a folder as output; {folder} is a file")
    if folder.suffix and not folder.name.endswith("/") and folder.suffix.lower() in VIDEO_SUFFIXES:
        raise UsageError(f"several inputs need a folder as output, for example -o {folder.stem}/; got {folder}")
    try:
        folder.mkdir()
    except OSError as error:
        raise UsageError(f"cannot make output folder {folder}: {error.strerror}") from error


def _target(place: PathLike, folder: PathLike, naming: _Naming) -> PathLike:
    """The output's name in ``folder``: the source's, in a container that takes its codec, times and streams."""
    fit = naming.containers
    if is_url(place):
        stem, dot, suffix = str(place).rpartition("/")[2].rpartition(".")
        liked = _CONTAINER_OF_URL.get(suffix.lower(), "mp4")
        name = f"{stem if dot else suffix}.{liked if liked in fit else fit[0]}"
        return join_url(str(folder), name) if is_url(folder) else Path(folder) / name
    source = Path(place)
    is_pictures = is_image_sequence(source)
    if is_pictures and not naming.is_video and not is_url(folder):
        suffix = source.suffix or next(iter(_suffixes_in(source)), ".png")
        kept = suffix if suffix in (".png", ".tif", ".tiff", ".dpx", ".exr") else ".png"
        return Path(folder) / _name_of_pictures(source) / f"%06d{kept}"
    stem = _name_of_pictures(source) if is_pictures else source.stem
    name = f"{stem}{_container_suffix(source, naming)}"
    return join_url(str(folder), name) if is_url(folder) else Path(folder) / name


def _name_of_pictures(source: Path) -> str:
    """The folder's, also of a pattern in it and of a folder that is written as ``.``."""
    folder = source.parent if is_numbered(source) else source
    return Path(os.path.abspath(folder)).name


def _suffixes_in(folder: Path) -> list[str]:
    return sorted({entry.suffix.lower() for entry in folder.iterdir()} & set(IMAGE_SUFFIXES))


def _container_suffix(source: Path, naming: _Naming) -> str:
    """MKV for Matroska sources; MP4 or MOV, whose clocks are exact, for all others that these can hold."""
    fit = naming.containers
    try:
        info = probe_source(source, naming.fps)
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

"""The name of the output of each of a run's inputs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from vsr.api.arguments import PathLike, is_folder, place_of
from vsr.api.finding import FoundInputs, find_inputs, names_several
from vsr.errors import UsageError, VsrError
from vsr.media.codecs import CODECS
from vsr.media.images import IMAGE_SUFFIXES, is_image_sequence, is_numbered
from vsr.media.reading import probe as probe_source
from vsr.media.reading import wants_rate
from vsr.media.suffixes import VIDEO_SUFFIXES
from vsr.pipeline.objects import is_url, join_url
from vsr.pipeline.settings import Settings
from vsr.timeline import parse_rate

__all__ = ["Naming", "pair_inputs", "pair_outputs", "refuse_collisions"]

_CONTAINER_OF_URL = {"mkv": "mkv", "webm": "mkv", "mov": "mov"}


def pair_outputs(
    inputs: Sequence[PathLike],
    output: PathLike,
    *,
    make_folder: bool,
    codec: str | None = None,
    fps: str | None = None,
    video_stream: int | None = None,
    recursive: bool = False,
) -> list[tuple[PathLike, PathLike]]:
    """Every input with its output file, in a container that takes ``codec``.

    ``make_folder`` makes the output folder where one is meant. ``fps`` is refused where all inputs have times.
    ``recursive`` looks into sub-folders, too; their outputs lie in sub-folders of the same names.
    """
    found = find_inputs([place_of(one) for one in inputs], recursive=recursive, output=output)
    return pair_inputs(found, inputs, output, Naming(codec, fps, video_stream), make_folder=make_folder)


def pair_inputs(
    found: FoundInputs,
    inputs: Sequence[PathLike],
    output: PathLike,
    naming: Naming,
    *,
    make_folder: bool,
) -> list[tuple[PathLike, PathLike]]:
    """`pair_outputs` for what was ``found`` among ``inputs``."""
    sources, fps = found.places, naming.fps
    if fps is not None and not any(is_url(one) or wants_rate(Path(one)) for one in sources):
        raise UsageError(f"fps {fps} is for images and for streams without times; these videos keep their own times")
    several = len(sources) > 1 or names_several(inputs)
    into_folder = several or str(output).endswith(("/", "\\")) or is_folder(output)
    if not into_folder:
        return [(sources[0], place_of(output))]
    if make_folder and not is_url(output):
        if not is_folder(output):
            _make_folder(Path(output))
        for below in dict.fromkeys(found.folders):
            _make_sub_folder(Path(output) / below)
    places = [_inside(output, below) for below in found.folders]
    targets = [_target(source, place, naming) for source, place in zip(sources, places, strict=True)]
    refuse_collisions(sources, targets)
    return list(zip(sources, targets, strict=True))


def _inside(output: PathLike, below: Path) -> PathLike:
    if not is_url(output):
        return Path(output) / below
    return join_url(str(output), below.as_posix()) if below.parts else output


@dataclass(frozen=True)
class Naming:
    """What names of outputs depend on besides their inputs."""

    codec: str | None = None
    fps: str | None = None
    video_stream: int | None = None

    @classmethod
    def of(cls, settings: Settings) -> Naming:
        """As ``settings`` have it."""
        return cls(settings.codec, settings.fps, settings.video_stream)

    @property
    def rate(self) -> Fraction | None:
        """``fps`` as a number."""
        return None if self.fps is None else parse_rate(self.fps)

    @property
    def is_video(self) -> bool:
        """Whether a codec of videos is asked for by name, so that images become one."""
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


def _make_sub_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make output folder {folder}: {error.strerror}") from error


def _target(place: PathLike, folder: PathLike, naming: Naming) -> PathLike:
    """The output's name in ``folder``: the source's, in a container that takes its codec, times and streams."""
    fit = naming.containers
    if is_url(place):
        stem, dot, suffix = str(place).rpartition("/")[2].rpartition(".")
        liked = _CONTAINER_OF_URL.get(suffix.lower(), "mp4")
        name = f"{stem if dot else suffix}.{liked if liked in fit else fit[0]}"
        return join_url(str(folder), name) if is_url(folder) else Path(folder) / name
    source = Path(place)
    is_sequence = is_image_sequence(source)
    if is_sequence and not naming.is_video and not is_url(folder):
        suffix = source.suffix or next(iter(_suffixes_in(source)), ".png")
        kept = suffix if suffix in (".png", ".tif", ".tiff", ".dpx", ".exr") else ".png"
        return Path(folder) / _name_of_images(source) / f"%06d{kept}"
    stem = _name_of_images(source) if is_sequence else source.stem
    name = f"{stem}{_container_suffix(source, naming)}"
    return join_url(str(folder), name) if is_url(folder) else Path(folder) / name


def _name_of_images(source: Path) -> str:
    """The folder's, also of a pattern in it and of a folder that is written as ``.``."""
    folder = source.parent if is_numbered(source) else source
    return Path(os.path.abspath(folder)).name


def _suffixes_in(folder: Path) -> list[str]:
    return sorted({entry.suffix.lower() for entry in folder.iterdir()} & set(IMAGE_SUFFIXES))


def _container_suffix(source: Path, naming: Naming) -> str:
    """MKV for Matroska sources; MP4 or MOV, whose clocks are exact, for all others that these can hold."""
    fit = naming.containers
    try:
        info = probe_source(source, naming.rate, naming.video_stream)
    except VsrError:
        return f".{fit[0]}"  # the run itself says what is wrong with this file
    from vsr.media.containers import holders, holds

    others = [
        stream
        for stream in info.streams
        if stream.index != info.video.index and stream.codec != "chapters" and holders(stream)
    ]
    if info.container.startswith("matroska") and "mkv" in fit:
        return ".mkv"
    if info.video.layout.has_alpha or info.video.layout.bit_depth > 12:
        return ".mkv"
    order = ("mov", "mp4") if source.suffix.lower() == ".mov" or info.video.codec == "prores" else ("mp4", "mov")
    fitting = [name for name in (*order, "mkv") if name in fit and all(holds(name, stream) for stream in others)]
    return f".{fitting[0] if fitting else fit[-1]}"


def refuse_collisions(sources: Sequence[PathLike], targets: Sequence[PathLike]) -> None:
    """Refuse targets two of which would lie in one place, and one that is the source of another. `UsageError`."""
    given = {_place(source): source for source in sources}
    seen: dict[str, PathLike] = {}
    for source, target in zip(sources, targets, strict=True):
        place = _place(target)
        if place in seen:
            raise UsageError(f"{source} and {seen[place]} would both become {target}; give them separate folders")
        if place in given and given[place] != source:  # its own run refuses what would replace its own source
            raise UsageError(f"{source} would become {target}, which is an input, too; name another folder")
        seen[place] = source


def _place(name: PathLike) -> str:
    """What is read or replaced under a name: a file, the whole folder of numbered images, or an object."""
    if is_url(name):
        return str(name)
    return os.path.abspath(Path(name).parent if is_numbered(Path(name)) else name)

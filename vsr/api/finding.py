"""Which files are a run's inputs: folders, lists and URLs looked through, and what of them is left out, by name."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vsr.api.arguments import PathLike, is_plain_folder, place_of
from vsr.errors import InputError, UsageError
from vsr.media.images import is_image_sequence
from vsr.media.safe_open import is_resource_fork
from vsr.media.suffixes import VIDEO_SUFFIXES
from vsr.pipeline.batch import Skipped
from vsr.pipeline.objects import is_url, join_url, list_objects

__all__ = ["FoundInputs", "describe_skipped", "expand_inputs", "find_inputs", "names_several"]

_LIST_SUFFIX = ".txt"
_RESOURCE_FORK = "macOS resource fork"
_SUB_FOLDER = "sub-folder"
_HIDDEN = "hidden"
_OTHER = "not named like a video"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class FoundInputs:
    """The inputs of a run."""

    places: tuple[PathLike, ...]
    """Files, image sequences and URLs, in the order given; those of a folder by name."""
    folders: tuple[Path, ...]
    """For each place the sub-folder that it was found in, from the folder given: ``.`` where there is none."""
    skipped: tuple[Skipped, ...]
    """What folders and lists hold besides."""


def expand_inputs(places: Sequence[PathLike], recursive: bool = False) -> list[PathLike]:
    """Folders replaced by the videos in them (image sequences stay one input), lists by what they name.

    ``recursive`` looks into sub-folders, too. Raises `InputError` for none.
    """
    return list(find_inputs(places, recursive=recursive).places)


def find_inputs(places: Sequence[PathLike], *, recursive: bool = False, output: PathLike | None = None) -> FoundInputs:
    """What `expand_inputs` finds, where, and what was left out; ``output`` is not a folder of inputs."""
    found: list[tuple[PathLike, Path]] = []
    skipped: list[Skipped] = []
    for place in places:
        if is_url(place):
            found += [(one, Path()) for one in _objects(str(place), recursive, skipped)]
        elif Path(place).suffix.lower() == _LIST_SUFFIX and Path(place).is_file():
            inner = find_inputs(_list_folder(Path(place), skipped), recursive=recursive, output=output)
            found += zip(inner.places, inner.folders, strict=True)
            skipped += inner.skipped
        elif is_plain_folder(place):
            found += _videos_in(Path(place), recursive, output, skipped)
        else:
            found.append((place, Path()))
    if not found:
        raise UsageError("no input given")
    return FoundInputs(tuple(place for place, _ in found), tuple(folder for _, folder in found), tuple(skipped))


def describe_skipped(skipped: Iterable[Skipped]) -> str:
    """One line for people: how many of what was left out, and which extensions; empty for nothing."""
    found = list(skipped)
    counts = Counter(one.reason for one in found)
    suffixes = {reason: sorted({_suffix(one.path) for one in found if one.reason == reason}) for reason in counts}
    parts = []
    for reason, count in counts.items():
        hint = " (--recursive reads them)" if reason == _SUB_FOLDER else ""
        if reason == _OTHER:
            shown = suffixes[reason][:8] + (["…"] if len(suffixes[reason]) > 8 else [])
            hint = f" ({', '.join(shown)}; name a file outright to have it read)"
        parts.append(f"{count} × {reason}{hint}")
    return f"left out: {', '.join(parts)}" if parts else ""


def _suffix(place: str) -> str:
    return Path(place).suffix.lower() or "no extension"


def _objects(place: str, recursive: bool, skipped: list[Skipped]) -> list[PathLike]:
    """A URL, or the URLs of the videos in a folder of an object store."""
    if not place.endswith("/"):
        return [place]
    if recursive:
        raise UsageError(f"--recursive reads folders of this machine; name the folders of {place} one by one")
    names = list_objects(place)
    videos = [name for name in names if Path(name).suffix.lower() in VIDEO_SUFFIXES and not name.startswith(".")]
    skipped += [Skipped(join_url(place, one), _reason(Path(one), None)) for one in names if one not in videos]
    if not videos:
        raise InputError(f"{place}: holds no videos")
    return [join_url(place, name) for name in videos]


def _reason(path: Path, opened: Path | None) -> str:
    """Why a file of a folder is not an input; ``opened`` is where it can be read."""
    if opened is not None and is_resource_fork(opened):
        return _RESOURCE_FORK
    return _HIDDEN if path.name.startswith(".") else _OTHER


def _videos_in(
    folder: Path, recursive: bool, output: PathLike | None, skipped: list[Skipped]
) -> list[tuple[PathLike, Path]]:
    """Videos and image sequences of a folder, each with its sub-folder. Raises `InputError` for none."""
    left_out: list[Skipped] = []
    found = list(_walk(folder, Path(), recursive, output, left_out))
    if not found:
        described = describe_skipped(left_out)
        raise InputError(f"{folder}: holds no videos{f'; {described}' if described else ''}")
    skipped += left_out
    return found


def _walk(
    folder: Path, below: Path, recursive: bool, output: PathLike | None, skipped: list[Skipped]
) -> Iterator[tuple[PathLike, Path]]:
    """Files of one folder, then its sub-folders'. Links to folders are not followed: they may lead in circles."""
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise InputError(f"{folder}: cannot be read ({error.strerror})") from error
    inner = []
    for entry in entries:
        if entry.is_dir():
            inner.append(entry)
        elif not entry.name.startswith(".") and entry.is_file() and entry.suffix.lower() in VIDEO_SUFFIXES:
            yield entry, below
        else:
            skipped.append(Skipped(str(entry), _reason(entry, entry)))
    for entry in inner:
        is_output = output is not None and not is_url(output) and _are_same(entry, Path(output))
        if is_output or entry.name.startswith("."):
            skipped.append(Skipped(str(entry), "output folder" if is_output else _HIDDEN))
        elif not recursive or entry.is_symlink():
            skipped.append(Skipped(str(entry), _SUB_FOLDER if not recursive else "link to a folder"))
        elif is_image_sequence(entry):
            yield entry, below
        else:
            yield from _walk(entry, below / entry.name, recursive, output, skipped)


def _are_same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _list_folder(path: Path, skipped: list[Skipped]) -> list[PathLike]:
    """What a list file names: one input a line, ``#`` before remarks; paths as from the current folder."""
    try:
        data = path.read_bytes()
        text = data.decode("utf-16" if data.startswith(_UTF16_MARKS) else "utf-8").lstrip("\ufeff")
        lines = [line.strip() for line in text.replace("\r", "\n").split("\n")]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read list {path}: {error}") from error
    named = [place_of(line) for line in lines if line and not line.startswith("#")]
    if not any(is_url(place) or Path(place).exists() for place in named):
        raise InputError(f"{path}: is not a video file, and as a list it names no input that is there")
    nested = [place for place in named if not is_url(place) and Path(place).suffix.lower() == _LIST_SUFFIX]
    if nested:
        raise InputError(f"{path}: names {nested[0]}; a list cannot hold lists")
    forks = [place for place in named if not is_url(place) and is_resource_fork(Path(place))]
    skipped += [Skipped(str(place), _RESOURCE_FORK) for place in forks]
    return [place for place in named if place not in forks]


def names_several(inputs: Sequence[PathLike]) -> bool:
    """Whether these are a batch, however many videos they turn out to be."""
    first = inputs[0]
    if is_url(first):
        return len(inputs) > 1 or str(first).endswith("/")
    return len(inputs) > 1 or is_plain_folder(first) or Path(first).suffix.lower() == _LIST_SUFFIX

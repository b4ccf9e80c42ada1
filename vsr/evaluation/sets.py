"""What is evaluated on: folders of images, folders of clips, or single files."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from vsr.errors import InputError, UsageError
from vsr.media.image_files import IMAGE_FILE_SUFFIXES
from vsr.media.suffixes import VIDEO_SUFFIXES

__all__ = ["DataSet", "Item", "Kind", "find_sets"]

Kind = Literal["images", "clips"]

_HR_MARK = "_GT"
_RECORDED = re.compile(r"(?P<stem>.+)_[A-Za-z]*x(?P<scale>\d+)")
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Item:
    """One image or clip whose ground truth is known."""

    name: str
    """Of the file, without extension and without ``_GT``."""
    path: Path
    """The ground truth."""
    digest: str
    """SHA-256 of the file."""
    recorded: Mapping[int, tuple[Path, str]] = field(default_factory=dict)
    """By scale: a small version that is to be used instead of one made here, and its SHA-256."""

    def digest_at(self, scale: int) -> str:
        """Of all that is read at a scale."""
        recorded = self.recorded.get(scale)
        return self.digest if recorded is None else f"{self.digest}+{recorded[1]}"


@dataclass(frozen=True)
class DataSet:
    """Images or clips that are averaged over."""

    name: str
    """The folder's, or the whole path where two sets would have one name."""
    kind: Kind
    items: tuple[Item, ...]
    """In order of their names."""


def find_sets(paths: Sequence[Path]) -> list[DataSet]:
    """The sets that ``paths`` name. Raises `InputError` where one is missing, empty or mixed, `UsageError` for none."""
    if not paths:
        raise UsageError("no data given; name a folder of images or clips with --data")
    if repeated := [path for path, count in Counter(path.resolve() for path in paths).items() if count > 1]:
        raise UsageError(f"{repeated[0]} is named twice")
    names = Counter(_name(path) for path in paths)
    return [_find_set(path, _name(path) if names[_name(path)] == 1 else str(path)) for path in paths]


def _name(path: Path) -> str:
    return path.name if path.name not in ("", "..") else path.resolve().name


def _find_set(path: Path, name: str) -> DataSet:
    try:
        files = sorted(entry for entry in path.iterdir() if entry.is_file()) if path.is_dir() else [path]
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if not path.exists():
        raise InputError(f"{path}: no such folder or file; --data takes folders of images or of video clips")
    images = [file for file in files if file.suffix.lower() in IMAGE_FILE_SUFFIXES]
    clips = [file for file in files if file.suffix.lower() in VIDEO_SUFFIXES]
    if images and clips:
        raise InputError(f"{path}: holds images ({images[0].name}) and videos ({clips[0].name}); separate them")
    if images:
        return DataSet(name, "images", tuple(Item(file.stem, file, _digest(file)) for file in images))
    if clips:
        return DataSet(name, "clips", tuple(_clip_items(path, clips)))
    known = ", ".join(sorted(IMAGE_FILE_SUFFIXES))
    raise InputError(f"{path}: {'holds' if path.is_dir() else 'is'} no image ({known}) and no video")


def _clip_items(path: Path, clips: Sequence[Path]) -> list[Item]:
    """HR clips with their LR recordings: ``X_GT.mkv`` or ``X.mkv`` with ``X_BIx4.mkv``."""
    hr_images = {clip.stem.removesuffix(_HR_MARK): clip for clip in clips if not _is_recording(clip, clips)}
    recorded: dict[str, dict[int, tuple[Path, str]]] = {name: {} for name in hr_images}
    for clip in clips:
        match = _RECORDED.fullmatch(clip.stem)
        if match is None or not _is_recording(clip, clips):
            continue
        versions, scale = recorded[match["stem"]], int(match["scale"])
        if scale in versions:
            raise InputError(f"{path}: {versions[scale][0].name} and {clip.name} are both x{scale}; keep one")
        versions[scale] = (clip, _digest(clip))
    return [Item(name, clip, _digest(clip), recorded[name]) for name, clip in sorted(hr_images.items())]


def _is_recording(clip: Path, clips: Sequence[Path]) -> bool:
    """Whether its name says that it is a small version of another clip there."""
    match = _RECORDED.fullmatch(clip.stem)
    names = {other.stem.removesuffix(_HR_MARK) for other in clips if other != clip}
    return match is not None and match["stem"] in names


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    return digest.hexdigest()

"""The folder that a studio works in. Names from the page lead to files in it and never out of it."""

from __future__ import annotations

import errno
import os
import stat
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vsr.errors import InputError, MachineError, UsageError
from vsr.media.images import is_image_sequence, is_numbered
from vsr.media.suffixes import VIDEO_SUFFIXES

__all__ = ["Entry", "Listing", "Root", "make_own_folder", "read_own"]

_STATE = ".vsr-studio"
_MOST_ENTRIES = 2000
_MOST_PATH_BYTES, _MOST_PART_BYTES = 4000, 255  # that Linux takes
_MOST_NAME_BYTES = 200  # of an upload; room is left for what is written beside it


@dataclass(frozen=True)
class Entry:
    """Something in a folder that can be opened."""

    name: str
    """Its path from the root, with slashes."""
    kind: Literal["folder", "video", "images"]
    size_bytes: int | None


@dataclass(frozen=True)
class Listing:
    """What can be opened in a folder."""

    entries: tuple[Entry, ...]
    """Folders first, then by name."""
    num_left_out: int
    """Entries after those, of a folder with very many."""


class Root:
    """A folder, by its real path. Raises `InputError` where it is none, `MachineError` where nothing can be kept in it.

    Hidden names, ``..`` and symbolic links that lead out are refused as if nothing were there.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self.folder = folder.resolve(strict=True)
        except (OSError, RuntimeError) as error:
            raise InputError(f"{folder}: there is no such folder") from error
        if not self.folder.is_dir():
            raise InputError(f"{folder}: is not a folder; name the one that your videos are in")
        self.state = self.folder / _STATE
        make_own_folder(self.state)

    def place(self, name: str) -> Path:
        """The real path of that name, whether anything is there or not. Raises `UsageError` for one that leads out."""
        return self._real(name)

    def find(self, name: str) -> Path:
        """What is there by that name; the real path. Raises `UsageError` for a name that leads out, `InputError`."""
        path = self._real(name)
        if not path.exists():
            raise InputError(f"{name}: is not there")
        return path

    def source(self, name: str) -> Path:
        """The real path of a video, or of a folder or pattern of images, whether anything is there or not.

        Raises `UsageError` where it, or a file that is read with it, leads out.
        """
        path = self._real(name)
        folder = path if path.is_dir() else path.parent if is_numbered(path) else None
        if folder is None or not folder.is_dir():
            return path
        try:
            with os.scandir(folder) as places:
                is_held = all(self.holds(Path(place.path)) for place in places if place.is_symlink())
        except OSError as error:
            raise UsageError(f"{name}: cannot be read ({error.strerror or error})") from error
        if not is_held:
            raise UsageError(f"{name}: holds links that lead out of the folder of this studio")
        return path

    def target(self, name: str) -> Path:
        """Where a file of that name is to be written; its folder is there. Raises `UsageError`."""
        path = self._real(name)
        if path == self.folder:
            raise UsageError("name a file")
        if not path.parent.is_dir():
            raise UsageError(f"{name}: there is no such folder to write to")
        return path

    def upload_target(self, name: str) -> Path:
        """Where an upload of that name goes: directly into the folder, over nothing. Raises `UsageError`."""
        is_long = len(os.fsencode(name)) > _MOST_NAME_BYTES
        if "/" in name or "\\" in name or is_long:
            raise UsageError(f"{name[:40]!r} is no name for an upload; give it a short one without slashes")
        path = self.target(name)
        if path.suffix.lower() not in VIDEO_SUFFIXES:
            raise UsageError(f"{name}: has no ending of a video file, like .mp4 or .mkv")
        if path.exists():
            raise UsageError(f"{name}: is there already; rename one of them")
        return path

    def holds(self, path: Path) -> bool:
        """Whether a path leads, by whatever links, to something in the folder that is not hidden."""
        try:
            real = path.resolve()
        except (OSError, RuntimeError):  # links in a circle
            return False
        if not real.is_relative_to(self.folder):
            return False
        return not any(part.startswith(".") for part in real.relative_to(self.folder).parts)

    def name_of(self, path: Path) -> str:
        """The name that `find` finds ``path`` by."""
        return path.relative_to(self.folder).as_posix()

    def entries(self, name: str = "") -> Listing:
        """What can be opened in the folder of that name. Raises `UsageError`, `InputError`."""
        folder = self.find(name) if name else self.folder
        if not folder.is_dir():
            raise InputError(f"{name}: is not a folder")
        try:
            with os.scandir(folder) as places:
                found = [entry for place in places if (entry := self._entry(place)) is not None]
        except OSError as error:
            raise InputError(f"{name or self.folder}: cannot be read ({error.strerror or error})") from error
        found.sort(key=lambda entry: (entry.kind != "folder", entry.name.casefold(), entry.name))
        return Listing(tuple(found[:_MOST_ENTRIES]), max(0, len(found) - _MOST_ENTRIES))

    def _entry(self, place: os.DirEntry[str]) -> Entry | None:
        path = Path(place.path)
        if path.name.startswith(".") or not _is_text(path.name):
            return None
        try:
            is_video = path.suffix.lower() in VIDEO_SUFFIXES and place.is_file()
            if not (is_video or place.is_dir()) or not self.holds(path):
                return None
            if is_video:
                return Entry(self.name_of(path), "video", place.stat().st_size)
            return Entry(self.name_of(path), "images" if is_image_sequence(path) else "folder", None)
        except OSError:
            return None  # not readable, or just removed

    def _real(self, name: str) -> Path:
        parts = name.split("/")
        if not name or not _is_text(name) or any(part.startswith(".") or not part for part in parts):
            raise UsageError(f"{name[:80]!r} is no name of anything in this folder")
        path = self.folder / name
        if len(os.fsencode(path)) > _MOST_PATH_BYTES or any(
            len(os.fsencode(part)) > _MOST_PART_BYTES for part in parts
        ):
            raise UsageError(f"{name[:80]!r} is too long for a name")
        if not self.holds(path):
            raise UsageError(f"{name[:80]!r} is no name of anything in this folder")
        return path.resolve()


def make_own_folder(path: Path) -> None:
    """A folder that this user alone can look into. Raises `MachineError` where that cannot be.

    One that is there must be ours: writing into it decides what the studio runs.
    """
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise MachineError(f"{path.parent}: nothing can be kept in it ({error.strerror or error})") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise MachineError(f"{path} is a link, or another user's; move it away")
    if found.st_mode & 0o022:
        raise MachineError(f"others may write into {path}; chmod 700 it once you know what it holds, or move it away")


def read_own(path: Path) -> bytes:
    """A file of the studio's own folder: no link, nor a pipe, which others may have put there. Raises `OSError`."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "no file", str(path))
        return file.read()


def _is_text(name: str) -> bool:
    """Whether a name can be shown: valid Unicode without control characters."""
    return not any(unicodedata.category(character) in ("Cc", "Cs") for character in name)

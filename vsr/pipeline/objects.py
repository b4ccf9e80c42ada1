"""Objects in a store, by URL (``s3://bucket/name``, ``gs://…``, ``abfs://…``): what fsspec does, with our errors.

Only stores are known here in which an object appears whole or not at all; vsr never shows half an output.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from vsr.errors import InputError, MachineError, UsageError, VsrError

__all__ = [
    "ObjectFacts",
    "download",
    "find_object",
    "is_same_object",
    "is_url",
    "join_url",
    "list_objects",
    "read_object",
    "remove_object",
    "remove_objects",
    "split_url",
    "upload",
    "write_object",
]

_STORES = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs", "abfs": "abfs", "abfss": "abfs", "az": "abfs"}
"""Schemes with whole puts, and the extra of vsr (or the package of fsspec) that serves them."""
_PACKAGES = {"s3": "pip install 'vsr[s3]'", "gcs": "pip install 'vsr[gcs]'", "abfs": "pip install adlfs"}
_MAGIC = frozenset("*?[")


@dataclass(frozen=True)
class ObjectFacts:
    """What a store says of an object without reading it."""

    size_bytes: int
    version: str
    """Differs as soon as the content does."""


def is_url(text: str | Path) -> bool:
    """Whether ``text`` names something in an object store rather than a path."""
    scheme, sign, _ = str(text).partition("://")
    return bool(sign) and scheme.replace("+", "").isalnum()


def join_url(folder: str, name: str) -> str:
    """``folder`` and ``name`` with one slash between them."""
    return f"{folder.rstrip('/')}/{name}"


def split_url(url: str) -> tuple[str, str]:
    """The folder and the name in it."""
    folder, _, name = url.rpartition("/")
    return folder, name


def _open_store(url: str, *, is_folder: bool = False) -> tuple[Any, str]:
    """The fsspec file system of ``url`` and the path in it. A folder may be a whole bucket."""
    import fsspec

    scheme = url.partition("://")[0].lower()
    if scheme not in _STORES:
        raise UsageError(f"{url}: {scheme}:// is not an object store; give a path, or one of {', '.join(_STORES)}")
    try:
        store, path = fsspec.core.url_to_fs(url, use_listings_cache=False)
    except ImportError as error:
        raise MachineError(f"{url}: this machine cannot read {scheme}://; {_PACKAGES[_STORES[scheme]]}") from error
    except ValueError as error:
        raise UsageError(f"{url}: {error}") from error
    bucket, _, key = str(path).partition("/")
    if not bucket or not (is_folder or key.strip("/")):
        raise UsageError(f"{url}: names no object; want {scheme}://BUCKET/NAME")
    return store, str(path)


def is_same_object(url: str, other: str) -> bool:
    """Whether two URLs name one object, however its scheme is written. Raises `UsageError` for what names none."""
    from fsspec.utils import infer_storage_options

    def place(one: str) -> tuple[str | None, ...]:
        parts = infer_storage_options(one)  # an account's name is in no path
        return _STORES.get(one.partition("://")[0].lower()), parts.get("host"), parts.get("username")

    return place(url) == place(other) and _open_store(url)[1] == _open_store(other)[1]


@contextlib.contextmanager
def _store_errors(url: str, doing: str) -> Iterator[None]:
    """Whatever the store's package raises (its errors have no common base) as one line. What is missing passes."""
    try:
        yield
    except (VsrError, FileNotFoundError, FileExistsError):
        raise
    except PermissionError as error:
        raise MachineError(f"cannot {doing} {url}: access denied ({_words(error)}); check the credentials") from error
    except Exception as error:
        raise MachineError(f"cannot {doing} {url}: {_words(error)}") from error


def _words(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def find_object(url: str) -> ObjectFacts | None:
    """What is known of an object; None where there is none. Raises `MachineError` where the store refuses."""
    store, path = _open_store(url)
    try:
        with _store_errors(url, "look up"):
            facts = store.info(path)
    except FileNotFoundError:
        return None
    if facts.get("type") != "file":
        return None
    stamp = facts.get("ETag") or facts.get("etag") or facts.get("mtime") or facts.get("LastModified") or ""
    return ObjectFacts(int(facts["size"]), str(stamp).strip('"'))


def _missing(url: str, store: Any, path: str) -> str:
    """Why nothing is found at ``url``."""
    bucket = path.partition("/")[0]
    with _store_errors(url, "look up"):
        is_there = bool(store.exists(bucket))
    return (
        f"{url}: no such object" if is_there else f"{url}: bucket {bucket!r} does not exist, or may not be looked into"
    )


def download(url: str, path: Path) -> None:
    """Copy an object to ``path``. Raises `InputError` where there is none, `MachineError`."""
    store, place = _open_store(url)
    try:
        with _store_errors(url, "read"):
            store.get_file(place, str(path))
    except FileNotFoundError as error:
        raise InputError(_missing(url, store, place)) from error


def read_object(url: str) -> bytes | None:
    """All of a small object; None where there is none."""
    store, place = _open_store(url)
    try:
        with _store_errors(url, "read"):
            return bytes(store.cat_file(place))
    except FileNotFoundError:
        return None


def upload(path: Path, url: str) -> None:
    """Put a file into the store under its final name; it appears there whole or not at all."""
    store, place = _open_store(url)
    try:
        with _store_errors(url, "write"):
            store.put_file(str(path), place)
    except FileNotFoundError as error:
        raise MachineError(f"cannot write {_missing(url, store, place)}") from error


def write_object(url: str, data: bytes, *, only_new: bool = False) -> bool:
    """Put a small object; with ``only_new`` only where there is none. Returns whether it was put."""
    store, place = _open_store(url)
    try:
        with _store_errors(url, "write"):
            store.pipe_file(place, data, mode="create" if only_new else "overwrite")
    except FileExistsError:
        return False
    except FileNotFoundError as error:
        raise MachineError(f"cannot write {_missing(url, store, place)}") from error
    return True


def list_objects(folder: str, pattern: str = "*") -> list[str]:
    """Names of the objects directly in ``folder`` that match ``pattern``, sorted; none where there is no folder."""
    store, place = _open_store(folder, is_folder=True)
    try:
        with _store_errors(folder, "list"):
            entries = store.ls(place.rstrip("/"), detail=True)
    except FileNotFoundError:
        return []
    names = [str(entry["name"]).rstrip("/").rpartition("/")[2] for entry in entries if entry["type"] == "file"]
    return sorted(name for name in names if fnmatchcase(name, pattern))


def remove_object(url: str) -> None:
    """Remove one object, if it is there."""
    store, place = _open_store(url)
    with contextlib.suppress(FileNotFoundError), _store_errors(url, "remove"):
        store.rm_file(place)


def remove_objects(folder: str, names: list[str]) -> None:
    """Remove objects of ``folder``, many at a time where their names allow it."""
    store, place = _open_store(folder)
    paths = [join_url(place, name) for name in names]
    with contextlib.suppress(FileNotFoundError), _store_errors(folder, "clear"):
        if not _MAGIC & set("".join(paths)):
            if paths:
                store.rm(paths)
            return
        for path in paths:  # fsspec would take these names for patterns, and remove others, too
            store.rm_file(path)

"""Content credentials in the form of C2PA, read by the library of the Content Authenticity Initiative.

They lie in the file itself, or beside one that has no place for them (``OUTPUT.c2pa``). The library is an extra.
https://spec.c2pa.org/
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vsr.errors import UsageError

__all__ = ["SIDECAR", "Credentials", "is_installed", "library", "media_type", "read_credentials", "settings_context"]

SIDECAR = ".c2pa"
"""What the name of a file of credentials ends with."""

_MEDIA_TYPES = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/quicktime",
    ".png": "image/png",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".avi": "video/avi",
}
"""Kinds of files that credentials go into."""
_OTHERS = "application/octet-stream"
_SETTINGS = {
    "builder": {"thumbnail": {"enabled": False}},
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
}
_NO_TRUST_LIST = "signingCredential.untrusted"


@dataclass(frozen=True)
class Credentials:
    """What a file's credentials say."""

    signer: str
    """Common name and organisation of the certificate."""
    algorithm: str
    failures: tuple[str, ...]
    """Codes of what is wrong; empty where signature and hashes are right. The certificate may be on no trust list."""
    store: Mapping[str, Any]
    """All manifests."""
    results: Mapping[str, Any]
    """All that was validated."""


def is_installed() -> bool:
    """Whether the library is here."""
    try:
        library()
    except UsageError:
        return False
    return True


def library() -> Any:
    """The module ``c2pa``. Raises `UsageError` where it is not installed."""
    try:
        import c2pa
    except (ImportError, OSError, RuntimeError) as error:
        raise UsageError(
            f"content credentials need the package c2pa-python: pip install 'vsr[c2pa]' ({error})"
        ) from error
    return c2pa


def settings_context() -> Any:
    """How the library is used: no thumbnails, no network."""
    c2pa = library()
    return c2pa.Context(c2pa.Settings.from_dict(_SETTINGS))


def media_type(path: Path) -> tuple[str, bool]:
    """The media type of a file by its name, and whether credentials can lie in it."""
    found = _MEDIA_TYPES.get(path.suffix.lower())
    return found or _OTHERS, found is not None


def read_credentials(path: Path, sidecar: Path | None = None) -> Credentials | None:
    """The credentials in ``path``, or in the file ``sidecar`` about it; None where there are none that can be read.

    Raises OSError, and `UsageError` where the library is not installed.
    """
    c2pa = library()
    store = sidecar.read_bytes() if sidecar is not None else None
    with path.open("rb") as file:
        try:
            reader = c2pa.Reader(media_type(path)[0], file, store, context=settings_context())
            said, results = json.loads(reader.json()), reader.get_validation_results()
        except c2pa.C2paError:
            return None
    failed = [one["code"] for one in results["activeManifest"].get("failure", ())]
    signature = said["manifests"][said["active_manifest"]]["signature_info"]
    names = [signature[key] for key in ("common_name", "issuer") if signature.get(key)]
    failures = tuple(code for code in failed if code != _NO_TRUST_LIST)
    return Credentials(", ".join(names), signature["alg"], failures, said, results)

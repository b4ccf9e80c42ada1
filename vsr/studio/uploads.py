"""Uploads: written beside the queue as they come, and under their name once they are whole, over nothing."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from vsr.errors import InputError, MachineError, UsageError
from vsr.studio.places import Root

__all__ = ["receive", "remove_broken"]

_SPARE_BYTES = 1 << 30  # of the disk, that uploads leave
_CHECKED_BYTES = 16 << 20  # after so many the disk is looked at again: others write, too


async def receive(root: Root, name: str, announced: str, pieces: AsyncIterator[bytes], *, most_bytes: int) -> Path:
    """Write ``pieces``, of ``announced`` bytes in all, to the file ``name`` of the folder.

    Raises `UsageError` for a name that is taken or none, `HTTPException` where it is too large, `InputError` where it
    breaks off, and `MachineError`.
    """
    place = root.upload_target(name)
    limit = max(0, min(most_bytes, _free_bytes(root)))
    if not announced.isdecimal() or int(announced) > limit:
        raise HTTPException(413, f"uploads of up to {limit} bytes are taken here")
    part = root.state / f"upload-{uuid.uuid4().hex}.part"
    try:
        await _write(root, part, int(announced), pieces)
        await run_in_threadpool(_publish, part, place)
    except FileExistsError as error:
        raise UsageError(f"{place.name}: is there already; rename one of them") from error
    except ClientDisconnect as error:
        raise InputError("the upload broke off") from error
    except OSError as error:
        raise MachineError(f"{place.name}: cannot be written ({error.strerror or error})") from error
    finally:
        part.unlink(missing_ok=True)
    return place


def remove_broken(root: Root) -> None:
    """Remove what a studio that was killed had received."""
    for part in root.state.glob("upload-*.part"):
        part.unlink(missing_ok=True)


async def _write(root: Root, part: Path, expected: int, pieces: AsyncIterator[bytes]) -> None:
    with part.open("xb") as file:
        count = checked = 0
        async for piece in pieces:
            count += len(piece)
            if count > expected:
                raise HTTPException(413, "more came than was announced")
            if count >= checked + _CHECKED_BYTES:
                checked = count
                if _free_bytes(root) <= 0:
                    raise MachineError("the disk is nearly full; make room, then upload again")
            await run_in_threadpool(file.write, piece)
        if count != expected:
            raise InputError("the upload broke off")
        await run_in_threadpool(os.fsync, file.fileno())


def _free_bytes(root: Root) -> int:
    return shutil.disk_usage(root.folder).free - _SPARE_BYTES


def _publish(part: Path, place: Path) -> None:
    """Give a file its name, over nothing that has come meanwhile. Raises `FileExistsError`, `OSError`."""
    try:
        os.link(part, place)
    except FileExistsError:
        raise
    except OSError:  # exFAT and some network folders have no links: an empty file holds the name until it is replaced
        place.touch(exist_ok=False)
        try:
            os.replace(part, place)
        except OSError:
            with contextlib.suppress(OSError):
                place.unlink()
            raise

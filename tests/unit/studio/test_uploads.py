"""Uploads where the disk is another than the usual one, or fills up."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
from collections import namedtuple
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from vsr.errors import MachineError, UsageError
from vsr.studio import uploads
from vsr.studio.places import Root


async def _pieces(*data: bytes) -> AsyncIterator[bytes]:
    for piece in data:
        yield piece


def _receive(root: Root, *data: bytes) -> Path:
    announced = str(sum(map(len, data)))
    return asyncio.run(uploads.receive(root, "up.mp4", announced, _pieces(*data), most_bytes=1 << 20))


@pytest.fixture
def without_links(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)


@pytest.mark.usefixtures("without_links")
def test_disks_without_links_take_uploads_and_nothing_goes_over_a_file_that_came_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Root(tmp_path)
    assert _receive(root, b"one", b"two").read_bytes() == b"onetwo"
    monkeypatch.setattr(root, "upload_target", lambda name: tmp_path / name)  # looked at before the other came
    with pytest.raises(UsageError, match="is there already"):
        _receive(root, b"other")
    assert (tmp_path / "up.mp4").read_bytes() == b"onetwo"
    assert not list(root.state.glob("*.part"))


@pytest.mark.usefixtures("without_links")
def test_a_name_is_let_go_of_where_the_upload_cannot_have_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(MachineError, match="Input/output error"):
        _receive(Root(tmp_path), b"one")
    assert not (tmp_path / "up.mp4").exists()


def test_a_disk_that_fills_up_meanwhile_ends_the_upload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, usage = Root(tmp_path), namedtuple("usage", "total used free")
    free = iter([1 << 40, 1 << 40, 1 << 30])
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1 << 50, 0, next(free)))
    monkeypatch.setattr(uploads, "_CHECKED_BYTES", 4)
    with pytest.raises(MachineError, match="nearly full"):
        _receive(root, b"1234", b"5678", b"9012")
    assert not list(tmp_path.glob("*.mp4"))
    assert not list(root.state.glob("*.part"))

"""What is refused before a studio serves anything, and what is said of addresses."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from filelock import FileLock

from vsr.cli import app
from vsr.cli.console import run_guarded
from vsr.errors import InputError, MachineError, UsageError
from vsr.studio.places import Root
from vsr.studio.serve import is_loopback, serve


def test_one_folder_has_one_studio(tmp_path: Path) -> None:
    with FileLock(Root(tmp_path).state / "lock"), pytest.raises(MachineError, match="another vsr studio works in"):
        serve(tmp_path)


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(MachineError, match=f"127.0.0.1:{port}: cannot be listened on"):
            serve(tmp_path, port=port)
    with pytest.raises(UsageError, match="ports are 0 to 65535"):
        serve(tmp_path, port=70_000)
    with pytest.raises(InputError, match="no such folder"):
        serve(tmp_path / "none")


def test_addresses_that_only_this_machine_reaches() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.1.2.3", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.1.7", "box.lan", "")))


def test_the_address_is_named_once_it_can_be_connected_to(tmp_path: Path) -> None:
    class Enough(Exception):
        pass

    def connect(address: str) -> None:
        parts = urlsplit(address)
        with socket.create_connection((parts.hostname, parts.port), timeout=5):
            raise Enough

    with pytest.raises(Enough):
        serve(tmp_path, port=0, on_address=connect)


@pytest.mark.parametrize("size", ["inf", "nan", "-1"])
def test_a_size_that_is_none_is_refused(
    tmp_path: Path, size: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["vsr", "studio", str(tmp_path), "--upload-gb", size])
    assert run_guarded(app) == 2
    assert "upload-gb" in capsys.readouterr().err

"""Fixtures of all tests: clips made at most once a session, and settings that make runs quick."""

from __future__ import annotations

import os
import signal
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from object_store import ObjectStore, start_object_store
from plain_reader import is_working_name
from videos import CLIPS

from vsr.media.probe import MediaInfo, probe_media


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--nightly", action="store_true", help="run tests that are marked nightly, too")


MANY_VARIANTS, KEPT_EACH = 5, 4
"""Of a test with more variants than that, outside ``tests/unit``, a fourth runs without ``--nightly`` (ADR 89)."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is marked ``nightly`` and most of many variants, unless all is asked for, or one by its name."""
    if config.getoption("--nightly"):
        return
    is_named = bool(config.option.keyword) or any("::" in argument for argument in config.args)
    by_day = [item for item in items if not item.get_closest_marker("nightly")]
    thinned = set() if is_named else {id(item) for item in _thin(by_day)}
    kept = [item for item in by_day if id(item) not in thinned]
    left_out = [item for item in items if id(item) in thinned or item.get_closest_marker("nightly")]
    if left_out:
        items[:] = kept
        config.hook.pytest_deselected(items=left_out)


def _thin(items: list[pytest.Item]) -> Iterator[pytest.Item]:
    """Variants that are left out: three of four, by their names, but one of each test stays."""
    variants: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        if "unit" not in item.path.relative_to(Path(__file__).parent).parts:
            variants[item.nodeid.partition("[")[0]].append(item)
    for several in variants.values():
        if len(several) > MANY_VARIANTS:
            ranked = sorted(several, key=lambda item: zlib.crc32(item.nodeid.encode()))
            yield from ranked[-(-len(several) // KEPT_EACH) :]


hypothesis.settings.register_profile("no-deadline", deadline=None)  # machines are busy; times tell nothing
hypothesis.settings.load_profile("no-deadline")

# A shell that runs the suite in the background has it ignore Ctrl-C, which the programs under test would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)

QUICK: dict[str, Any] = {"method": "lanczos", "speed": "ultrafast", "encoder_threads": 2}
"""Settings for runs whose images do not matter."""


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """``clips(name)`` is the path of a clip of `videos.CLIPS`; never write to it."""
    folder = tmp_path_factory.mktemp("clips")
    made: dict[str, Path] = {}

    def get(name: str) -> Path:
        if name not in made:
            place = folder / name
            place.mkdir()
            path = place / CLIPS[name].file_name
            CLIPS[name].write(path)
            made[name] = path
        return made[name]

    return get


@pytest.fixture(scope="session")
def probed(clips: Callable[[str], Path]) -> Callable[[str], MediaInfo]:
    """``probed(name)`` is what `vsr.media.probe.probe_media` says of a clip."""
    known: dict[str, MediaInfo] = {}

    def get(name: str) -> MediaInfo:
        if name not in known:
            known[name] = probe_media(clips(name))
        return known[name]

    return get


@pytest.fixture
def quick() -> dict[str, Any]:
    """A fresh copy of `QUICK`, to change at will."""
    return dict(QUICK)


@pytest.fixture(scope="session")
def object_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """An S3-compatible server on loopback."""
    store = start_object_store(tmp_path_factory.mktemp("objects"))
    yield store
    store.process.terminate()
    store.process.wait(10)


@pytest.fixture
def objects(object_server: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """The server, for this process and those it starts; copies are staged in ``tmp_path / "staging"``."""
    for name, value in object_server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("VSR_STAGING", str(tmp_path / "staging"))
    return object_server


@pytest.fixture
def no_leaks(tmp_path: Path) -> Iterator[None]:
    """After the test no thread of ours is left and no file in ``tmp_path`` has a working name."""
    import threading

    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and set(threading.enumerate()) - before:
        time.sleep(0.02)
    assert not [t.name for t in set(threading.enumerate()) - before]
    stray = [name for _, folders, files in os.walk(tmp_path) for name in (*folders, *files) if is_working_name(name)]
    assert not stray

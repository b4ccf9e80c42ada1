"""What is finished gets its name, and nothing is lost by it that nobody gave up."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from vsr.errors import UsageError
from vsr.pipeline.publishing import is_output_of, note_output, publish
from vsr.pipeline.storage import WorkFolder


def _finished(tmp_path: Path, kind: str) -> Path:
    partial = tmp_path / ".partial"
    if kind == "folder":
        partial.mkdir()
        (partial / "1.png").write_text("new")
    else:
        partial.write_text("new")
    return partial


def _content(place: Path) -> str:
    return (place / "1.png" if place.is_dir() else place).read_text()


@pytest.fixture(params=["hard links", "none"])
def _links(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "none":

        def refuse(source: Path, target: Path) -> None:
            raise OSError(errno.EPERM, "no hard links here")

        monkeypatch.setattr(os, "link", refuse)


@pytest.mark.usefixtures("_links")
@pytest.mark.parametrize("kind", ["file", "folder"])
@pytest.mark.parametrize("replace", [True, False])
def test_a_name_that_is_free(tmp_path: Path, kind: str, replace: bool) -> None:
    place = tmp_path / "out"
    publish(_finished(tmp_path, kind), place, replace=replace)
    assert _content(place) == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


@pytest.mark.usefixtures("_links")
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_came_meanwhile_stays(tmp_path: Path, kind: str) -> None:
    place, partial = tmp_path / "out", _finished(tmp_path, kind)
    if kind == "folder":
        place.mkdir()
        (place / "1.png").write_text("somebody's")
    else:
        place.write_text("somebody's")
    with pytest.raises(UsageError, match="has come to be while the run was at work"):
        publish(partial, place, replace=False)
    assert _content(place) == "somebody's"
    assert _content(partial) == "new"
    publish(partial, place, replace=True)
    assert _content(place) == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


def test_not_even_replacing_takes_what_nobody_meant(tmp_path: Path) -> None:
    """Other things that came into a folder of images, and a folder where a file was."""
    place = tmp_path / "out"
    place.mkdir()
    (place / "notes.md").write_text("somebody's")
    with pytest.raises(UsageError, match=r"holds other things \(notes\.md\), which came while"):
        publish(_finished(tmp_path, "folder"), place, replace=True)
    assert (place / "notes.md").read_text() == "somebody's"
    shutil.rmtree(tmp_path / ".partial")
    with pytest.raises(IsADirectoryError):
        publish(_finished(tmp_path, "file"), place, replace=True)
    assert (place / "notes.md").read_text() == "somebody's"


def test_a_link_that_leads_nowhere_and_an_empty_folder_are_nothing(tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to(tmp_path / "nowhere")
    publish(_finished(tmp_path, "file"), tmp_path / "out", replace=False)
    assert (tmp_path / "out").read_text() == "new"
    (tmp_path / "frames").mkdir()
    publish(_finished(tmp_path, "folder"), tmp_path / "frames", replace=False)
    assert _content(tmp_path / "frames") == "new"


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_its_own_output_is_known_again(tmp_path: Path, kind: str) -> None:
    work = WorkFolder(tmp_path / "work")
    work.make()
    place, partial = tmp_path / "out", _finished(tmp_path, kind)
    assert not is_output_of(work, place)
    note_output(work, partial)
    publish(partial, place, replace=False)
    assert is_output_of(work, place)
    (place / "2.png" if kind == "folder" else place).write_text("touched")
    assert not is_output_of(work, place)

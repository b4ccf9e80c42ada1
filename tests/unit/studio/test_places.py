"""Names from the page: into the folder, and by no way out of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vsr.errors import InputError, MachineError, UsageError
from vsr.studio.places import Root


@pytest.fixture
def root(tmp_path: Path) -> Root:
    folder = tmp_path / "videos"
    (folder / "reels").mkdir(parents=True)
    (folder / "clip.mp4").write_bytes(b"video")
    (folder / "reels" / "one.mkv").write_bytes(b"video")
    (folder / "notes.txt").write_text("no video")
    (folder / ".hidden.mp4").write_bytes(b"hidden")
    (tmp_path / "secret.mp4").write_bytes(b"secret")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "secret.mp4").write_bytes(b"secret")
    return Root(folder)


def test_what_is_there_is_found(root: Root) -> None:
    assert root.find("clip.mp4") == root.folder / "clip.mp4"
    assert root.find("reels/one.mkv").read_bytes() == b"video"
    assert root.name_of(root.find("reels/one.mkv")) == "reels/one.mkv"
    with pytest.raises(InputError, match="not there"):
        root.find("other.mp4")


ATTACKS = [
    "../secret.mp4",
    "reels/../../secret.mp4",
    "reels/../clip.mp4",
    "/etc/passwd",
    "//etc/passwd",
    "./clip.mp4",
    "",
    ".",
    "..",
    "reels//one.mkv",
    "clip.mp4/",
    ".hidden.mp4",
    ".vsr-studio/lock",
    "clip.mp4\0.txt",
    "clip\n.mp4",
    "\udcff.mp4",
    "a" * 5000,
]


@pytest.mark.parametrize("name", ATTACKS)
def test_names_that_lead_out_are_refused(root: Root, name: str) -> None:
    for use in (root.find, root.target, root.upload_target):
        with pytest.raises((UsageError, InputError)):
            use(name)
    if name:
        with pytest.raises((UsageError, InputError)):
            root.entries(name)


def test_links_that_lead_out_are_refused(root: Root) -> None:
    (root.folder / "link.mp4").symlink_to(root.folder.parent / "secret.mp4")
    (root.folder / "inside").symlink_to(root.folder.parent / "elsewhere")
    (root.folder / "state.mp4").symlink_to(root.state / "lock")
    (root.folder / "circle.mp4").symlink_to(root.folder / "circle.mp4")
    for name in ("link.mp4", "inside/secret.mp4", "inside", "state.mp4", "circle.mp4"):
        with pytest.raises(UsageError, match="no name of anything"):
            root.find(name)
        with pytest.raises(UsageError):
            root.target(name)
    assert {entry.name for entry in root.entries().entries} == {"clip.mp4", "reels"}


def test_links_that_stay_inside_are_followed(root: Root) -> None:
    (root.folder / "same.mkv").symlink_to(root.folder / "reels" / "one.mkv")
    assert root.find("same.mkv") == root.folder / "reels" / "one.mkv"
    assert "same.mkv" in {entry.name for entry in root.entries().entries}


def test_folders_list_what_can_be_opened(root: Root) -> None:
    (root.folder / os.fsdecode(b"\xff.mp4")).write_bytes(b"no name that can be shown")
    assert [(entry.name, entry.kind) for entry in root.entries().entries] == [
        ("reels", "folder"),
        ("clip.mp4", "video"),
    ]
    assert [entry.name for entry in root.entries("reels").entries] == ["reels/one.mkv"]


def test_uploads_go_over_nothing_and_are_videos(root: Root) -> None:
    assert root.upload_target("new.mp4") == root.folder / "new.mp4"
    for name in ("clip.mp4", "new.html", "new", "reels/new.mp4", "reels\\new.mp4", f"{'a' * 240}.mp4"):
        with pytest.raises(UsageError):
            root.upload_target(name)


def test_a_state_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / ".vsr-studio").symlink_to(tmp_path)
    with pytest.raises(MachineError, match="is a link"):
        Root(tmp_path / "videos")
    with pytest.raises(InputError, match="no such folder"):
        Root(tmp_path / "none")


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
def test_a_state_folder_that_others_may_write_into_is_refused(tmp_path: Path, mode: int) -> None:
    (tmp_path / ".vsr-studio").mkdir()
    (tmp_path / ".vsr-studio").chmod(mode)
    with pytest.raises(MachineError, match="others may write into"):
        Root(tmp_path)


def test_a_folder_with_very_many_files_lists_the_first_by_name_and_counts_the_rest(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vsr.studio.places._MOST_ENTRIES", 4)
    for number in range(9, 0, -1):
        (root.folder / f"b{number}.mp4").write_bytes(b"video")
    listing = root.entries()
    assert [entry.name for entry in listing.entries] == ["reels", "b1.mp4", "b2.mp4", "b3.mp4"]
    assert listing.num_left_out == 7
    assert root.entries("reels").num_left_out == 0


def test_images_and_what_is_read_with_them_must_not_lead_out(root: Root) -> None:
    (root.folder / "frames").mkdir()
    (root.folder / "frames" / "0001.png").write_bytes(b"image")
    (root.folder / "frames" / "0002.png").symlink_to(root.folder / "clip.mp4")
    for name in ("frames", "frames/%04d.png", "clip.mp4", "none.mp4"):
        assert root.source(name) == root.folder / name
    (root.folder / "frames" / "streams.mkv").symlink_to(root.folder.parent / "secret.mp4")
    for name in ("frames", "frames/%04d.png"):
        with pytest.raises(UsageError, match="lead out"):
            root.source(name)

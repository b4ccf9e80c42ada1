"""Folders and lists of videos: what is taken, what is left out, and that it is said and recorded."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import av
import pytest
from plain_reader import first_frames
from program import Run

import vsr
import vsr.api
from vsr.media.safe_open import input_options
from vsr.media.suffixes import VIDEO_SUFFIXES

QUICK = ["--method", "bicubic", "--scale", "1", "--speed", "ultrafast"]
RESOURCE_FORK = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        "
NO_VIDEO = """
302 722 aa aa3 aac aax ac3 ac4 acm adp ads adx aea afc aix al apc ape apl aptx aptxhd ast avr bcstm bfstm binka bit
bonk brstm c2 cdg daud dfpwm dss dtk dts dtshd eac3 ec3 fap flac fsb fwse g722 g723_1 g728 g729 genh gsm hca iamf
ircam isma laf lc3 lvf m2a m4a m4b mac mca mka mlp mp2 mp3 mpa mpc msbc msf mtaf musx nist nsp oma omg osq paf
pvf qoa rco rka rsd rso sb sbc sdns sdr2 sds sdx sf shn sln son sph ss2 svag svs sw tak tco thd tta ub ul uw vag vpk
vqe vqf vql wa way wsd xmd xvag
aqt mcc mks mpl2 pjs rt sami sbg scc smi stl sub sup txt vtt webvtt
avif heic heif j2k jxl mpo
ism cdata cgi v vb ty+
avs dat ogg str xl
"""
"""Sound; text; images; what FFmpeg reads of games and meters only; what other things bear more often."""


@pytest.fixture
def folder(tmp_path: Path, clips: Callable[[str], Path]) -> Path:
    """A folder as cameras and macOS fill it."""
    root = tmp_path / "card"
    (root / "DAY1" / "A").mkdir(parents=True)
    clip = clips("plain")
    for name in ("a.mp4", "b.M2T", "c.mod", "d.LRV", "e.insv", "f.f4v", "g.dav", "DAY1/h.mp4", "DAY1/A/h.mp4"):
        shutil.copy(clip, root / name)
    (root / "._a.mp4").write_bytes(RESOURCE_FORK)
    (root / "._notes.txt").write_bytes(RESOURCE_FORK)
    (root / "notes.txt").write_text("good light\n")
    (root / "INDEX").write_bytes(b"\0")
    return root


def test_every_demuxers_extension_is_decided_upon() -> None:
    """By FFmpeg's own lists: each extension of an allowed demuxer is a video's, or known to be none."""
    allowed = input_options(Path("any.mp4"))["format_whitelist"].split(",")
    theirs = {one for name in allowed for one in av.format.ContainerFormat(name, "r").extensions}
    others = set(NO_VIDEO.split())
    assert "m2t" not in theirs  # nor are all that cameras use: the table adds to FFmpeg's
    assert {f".{name}" for name in theirs - others} - VIDEO_SUFFIXES == set()
    assert not {f".{name}" for name in others} & VIDEO_SUFFIXES


def test_a_folder_with_all_that_cards_hold(folder: Path, tmp_path: Path, call: Callable[..., Run]) -> None:
    done = call("upscale", folder, "-o", tmp_path / "out", *QUICK)
    assert done.code == 0, done.err
    names = {path.name for path in (tmp_path / "out").glob("*.mp4")}
    assert names == {"a.mp4", "b.mp4", "c.mp4", "d.mp4", "e.mp4", "f.mp4", "g.mp4"}
    assert len(first_frames(tmp_path / "out" / "g.mp4")) == len(first_frames(folder / "a.mp4"))
    batch = json.loads((tmp_path / "out" / "batch.json").read_text())
    assert batch["counts"] == {"done": 7}
    assert {Path(one["path"]).name: one["reason"] for one in batch["skipped"]} == {
        "._a.mp4": "macOS resource fork",
        "._notes.txt": "macOS resource fork",
        "notes.txt": "not named like a video",
        "INDEX": "not named like a video",
        "DAY1": "sub-folder",
    }
    message = done.one_line()
    for words in ("2 × macOS resource fork", "2 × not named like a video (.txt, no extension", "1 × sub-folder (--rec"):
        assert words in message


def test_sub_folders_keep_their_places(folder: Path, call: Callable[..., Run]) -> None:
    """Two files of one name in two folders, and an output folder inside the input: no input of the next run."""
    output = folder / "out"
    for expected in ("done", "done before"):
        done = call("upscale", folder, "-o", output, "--recursive", *QUICK)
        assert done.code == 0, done.err
        assert json.loads((output / "batch.json").read_text())["counts"] == {expected: 9}
    assert len(list(output.rglob("*.mp4"))) == 9
    assert (output / "DAY1" / "h.mp4").is_file()
    assert (output / "DAY1" / "A" / "h.mp4").is_file()


def test_links_that_lead_in_circles(folder: Path) -> None:
    (folder / "DAY1" / "again").symlink_to(folder)
    found = [Path(place).relative_to(folder) for place in vsr.api.expand_inputs([folder], recursive=True)]
    assert sorted(map(str, found))[:2] == ["DAY1/A/h.mp4", "DAY1/h.mp4"]
    assert len(found) == 9


def test_an_image_sequence_in_a_sub_folder_is_one_input(folder: Path) -> None:
    images = folder / "DAY1" / "scan"
    images.mkdir()
    for number, frame in enumerate(first_frames(folder / "a.mp4", 2), 1):
        frame.to_image().save(images / f"{number:04d}.png")
    assert images in vsr.api.expand_inputs([folder], recursive=True)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
def test_lists_as_windows_writes_them(folder: Path, tmp_path: Path, encoding: str) -> None:
    text = f"{folder}/a.mp4\r\n{folder}/._a.mp4\r\n# the rest\r\n{folder}/c.mod\r\n"
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    (tmp_path / "list.txt").write_bytes((mark + text).encode(encoding))
    assert vsr.api.expand_inputs([tmp_path / "list.txt"]) == [folder / "a.mp4", folder / "c.mod"]


def test_a_resource_fork_named_outright(folder: Path, tmp_path: Path, call: Callable[..., Run]) -> None:
    refused = call("upscale", folder / "._a.mp4", "-o", tmp_path / "x.mp4")
    assert refused.code == 3
    assert refused.one_line().endswith("is a macOS resource fork, which holds no video; the video is a.mp4")


def test_a_folder_whose_videos_lie_deeper(folder: Path, tmp_path: Path, call: Callable[..., Run]) -> None:
    for path in folder.iterdir():
        if path.is_file():
            path.unlink()
    refused = call("upscale", folder, "-o", tmp_path / "out")
    assert refused.code == 3
    assert refused.one_line().endswith("holds no videos; left out: 1 × sub-folder (--recursive reads them)")


def test_quiet_and_json(folder: Path, tmp_path: Path, call: Callable[..., Run]) -> None:
    quiet = call("upscale", folder, "-o", tmp_path / "out", "-q", *QUICK)
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")
    lines = call("upscale", folder, "-o", tmp_path / "out", "--json-lines", *QUICK).out.splitlines()
    skipped = [event for line in lines if (event := json.loads(line))["event"] == "skipped"]
    assert [Path(event["path"]).name for event in skipped] == ["._a.mp4", "._notes.txt", "INDEX", "notes.txt", "DAY1"]

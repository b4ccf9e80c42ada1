"""pipelines/film_archive.py: masters of reels."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import bagit
import pytest
from object_store import ObjectStore
from plain_reader import read_plain
from recipes import PIPELINES, QUICK, Recipe
from videos import X264, encode, scene

import vsr


def test_masters_of_all_reels_and_a_second_run_that_does_nothing(recipe: Recipe, reels: Path, tmp_path: Path) -> None:
    (reels / "bad.mp4").write_bytes(b"no video" * 100)
    target = tmp_path / "masters"
    done = recipe("film_archive", reels, "-o", target)
    assert done.code == 3
    assert not done.err
    assert "bad.mp4: FAILED: " in done.out
    assert done.out.splitlines()[-1] == f"2 of 3 reels are restored; see {target}"
    assert json.loads((target / "batch.json").read_text())["counts"] == {"failed": 1, "done": 2}
    master = read_plain(target / "cfr.mov")
    assert master.video.codec == "ffv1"
    assert len(master.video.payloads) == 60
    assert master.of("audio")[0].digest == read_plain(reels / "cfr.mp4").of("audio")[0].digest
    before = (target / "cfr.mov").stat().st_mtime_ns
    (reels / "bad.mp4").unlink()
    again = recipe("film_archive", reels, "-o", target)
    assert again.code == 0
    assert again.out.count("done before, ") == 2
    assert (target / "cfr.mov").stat().st_mtime_ns == before


def test_prores_masters_of_a_single_reel(recipe: Recipe, reels: Path, tmp_path: Path) -> None:
    for words in ("done in", "done before"):
        done = recipe(
            "film_archive", reels / "plain.mp4", "-o", tmp_path / "masters", "--master", "prores", "--scale", 1
        )
        assert done.code == 0, done.out + done.err
        assert words in done.out
    master = read_plain(tmp_path / "masters" / "plain.mov")
    assert master.video.codec == "prores"
    assert vsr.probe(tmp_path / "masters" / "plain.mov").video.width == vsr.probe(reels / "plain.mp4").video.width


def test_scanned_images_become_masters(recipe: Recipe, reels: Path, tmp_path: Path) -> None:
    """Folders of DPX beside a reel that is a video; a rate is asked for."""
    for name in ("one", "two"):
        vsr.export_frames(reels / "plain.mp4", tmp_path / name / "%03d.dpx", end=3)
        (tmp_path / name / "timing.json").unlink()
    arguments = [tmp_path / "one", tmp_path / "two" / "%03d.dpx", reels / "plain.mp4", "-o", tmp_path / "masters"]
    done = recipe("film_archive", *arguments)
    assert (done.code, done.out.count("give --fps")) == (2, 2)
    for words in ("done in", "done before"):
        done = recipe("film_archive", *arguments, "--fps", "24")
        assert done.code == 0, done.out + done.err
        assert done.out.count(words) == (2 if words == "done in" else 3)
    for name in ("one", "two"):
        master = read_plain(tmp_path / "masters" / f"{name}.mov")
        assert (master.video.codec, len(master.video.payloads)) == ("ffv1", 3)
        assert vsr.probe(tmp_path / "masters" / f"{name}.mov").video.average_rate == 24


def test_masters_go_into_bags_with_their_reels(recipe: Recipe, reels: Path, tmp_path: Path) -> None:
    (reels / "cfr.mp4").unlink()
    arguments = ["film_archive", reels, "-o", tmp_path / "masters", "--bags", tmp_path / "bags", "--scale", 1]
    done = recipe(*arguments)
    assert (done.code, done.err.splitlines()[-1].endswith("bags is no folder; make it first")) == (2, True)
    (tmp_path / "bags").mkdir()
    for words in ("packed, ", "is in "):
        done = recipe(*arguments, "--organization", "Film museum")
        assert done.code == 0, done.out + done.err
        assert f"plain.mov: {words}" in done.out
    bag = bagit.Bag(str(tmp_path / "bags" / "plain.mov"))
    assert bag.validate()
    assert bag.info["Source-Organization"] == "Film museum"
    names = {path.removeprefix("data/") for path in bag.payload_files()}
    assert {"plain.mov", "plain.mov.vsr.json", "plain.mov.premis.xml", "source/plain.mp4"} <= names
    (tmp_path / "masters" / "plain.mov.framemd5").write_text("changed")
    shutil.rmtree(tmp_path / "bags" / "plain.mov")
    done = recipe(*arguments)
    assert done.code == 5
    assert "plain.mov: NOT PACKED: " in done.out
    done = recipe("film_archive", reels, "-o", "s3://bucket/masters", "--bags", tmp_path / "bags")
    assert (done.code, "needs masters on this machine" in done.err) == (2, True)


def test_no_folder_is_not_the_root(recipe: Recipe, reels: Path) -> None:
    done = recipe("film_archive", reels, "-o", "")
    assert (done.code, done.err.splitlines()[-1].endswith("error: -o names no folder")) == (2, True)


def test_reels_from_a_store(recipe: Recipe, objects: ObjectStore, reels: Path, tmp_path: Path) -> None:
    bucket = objects.make_bucket(f"film-{uuid.uuid4().hex[:12]}")
    urls = [objects.put(bucket, f"scans/{name}.mp4", reels / f"{name}.mp4") for name in ("plain", "cfr")]
    (tmp_path / "reels.txt").write_text("\n".join(urls))
    done = recipe("film_archive", tmp_path / "reels.txt", "-o", f"s3://{bucket}/masters")
    assert done.code == 0, done.out + done.err
    kinds = ("", ".framemd5", ".input.framemd5")  # the preset keeps checksums of frames
    made = [name for name in objects.names(bucket, "masters/") if not name.endswith(".json")]
    assert made == [f"masters/{name}.mkv{kind}" for name in ("cfr", "plain") for kind in kinds]
    recipe("film_archive", reels, "-o", tmp_path / "masters")
    local = read_plain(tmp_path / "masters" / "cfr.mov").video.payloads
    (tmp_path / "cfr.mkv").write_bytes(objects.read(bucket, "masters/cfr.mkv"))
    assert read_plain(tmp_path / "cfr.mkv").video.payloads == local


@pytest.mark.slow
@pytest.mark.nightly
def test_a_stopped_run_goes_on(recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "reels").mkdir()
    encode(tmp_path / "reels" / "a.mp4", scene(640, 64, 48), *X264)
    command = [sys.executable, str(PIPELINES / "film_archive.py"), str(tmp_path / "reels")]
    command += ["-o", str(tmp_path / "masters"), *QUICK, "--set", "segment_frames=16"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    work = tmp_path / "masters" / ".a.mov.vsr-work"
    while process.poll() is None and len(list(work.glob("segment-*.json"))) < 3:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 6, err
    assert err == "film_archive: stopped; the same command goes on from there\n"
    assert json.loads((tmp_path / "masters" / "batch.json").read_text())["counts"] == {"unfinished": 1}
    done = recipe("film_archive", tmp_path / "reels", "-o", tmp_path / "masters", "--set", "segment_frames=16")
    assert done.code == 0, done.err
    manifest = json.loads((tmp_path / "masters" / "a.mov.vsr.json").read_text())
    assert sum(segment["reused"] for segment in manifest["segments"]) >= 3

"""``vsr compare`` as a person and a script use it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from program import Run
from videos import X264, ffmpeg

Call, Clips = Callable[..., Run], Callable[[str], Path]


def test_table_csv_and_json(call: Call, clips: Clips, tmp_path: Path) -> None:
    plain, worse, table = clips("plain"), tmp_path / "worse.mp4", tmp_path / "frames.csv"
    ffmpeg("-i", str(plain), "-t", "0.8", *X264, "-crf", "40", str(worse))
    done = call("compare", plain, worse, "--csv", table)
    assert done.code == 0, done.err
    assert "PSNR, dB" in done.out
    assert "10 of 30 frames of A have no partner" in done.out
    assert done.err == ""
    assert len(table.read_text().splitlines()) == 21
    as_data = json.loads(call("compare", plain, worse, "--json", "--every", "5").out)
    assert (as_data["frames_in_common"], as_data["frames_measured"]) == (20, 4)
    assert len(as_data["frames"]["psnr"]) == 4


def test_errors_are_one_line(call: Call, clips: Clips, tmp_path: Path) -> None:
    plain = clips("plain")
    nothing = call("compare", plain, tmp_path / "none.mp4")
    assert (nothing.code, "no such file" in nothing.one_line()) == (3, True)
    apart = call("compare", plain, plain, "--offset", "900")
    assert (apart.code, "no common times" in apart.one_line()) == (2, True)
    unclear = call("compare", plain, plain, "--offset", "later")
    assert (unclear.code, "neither a number" in unclear.one_line()) == (2, True)
    nowhere = call("compare", plain, plain, "--csv", tmp_path / "no" / "such.csv")
    assert (nowhere.code, "there is no folder" in nowhere.one_line()) == (5, True)
    taken = call("compare", plain, plain, "--csv", plain)
    assert (taken.code, "is what is read" in taken.one_line()) == (2, True)
    figures = call("compare", plain, plain, "--blind", tmp_path / "page.html", "--vmaf", "--json")
    assert (figures.code, "--vmaf, --json: a blind page has no figures" in figures.one_line()) == (2, True)

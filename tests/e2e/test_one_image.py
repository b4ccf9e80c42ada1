"""One frame to one image: `vsr upscale … -o frame.png --at TIME`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from page_reader import read_page
from PIL import Image
from program import Run
from videos import scene

import vsr
from vsr.errors import UsageError
from vsr.media.images import read_samples

pytestmark = pytest.mark.usefixtures("no_leaks")
Clips, Call = Callable[[str], Path], Callable[..., Run]
QUICK = {"method": "bicubic", "scale": 2}


@pytest.mark.parametrize(("at", "number"), [("7", 7), ("0.29s", 7), (0, 0)])
def test_it_is_the_frame_of_a_whole_run(clips: Clips, tmp_path: Path, at: str | int, number: int) -> None:
    """`plain` has 25 frames a second: frame 7 is shown from 0.28 s on."""
    source = clips("plain")
    vsr.upscale(source, tmp_path / "all" / "%03d.png", end=8, settings=QUICK)
    vsr.upscale(source, tmp_path / "one.png", at=at, settings=QUICK)
    one, of_all = (read_samples(tmp_path / name) for name in ("one.png", f"all/{number:03d}.png"))
    assert all(np.array_equal(a, b) for a, b in zip(one, of_all, strict=True))
    assert all(check.passed for check in vsr.verify(tmp_path / "one.png", recompute=True))
    record = json.loads((tmp_path / "one.png.vsr.json").read_text())
    assert record["span"] == {"start": number, "stop": number + 1}
    assert not list(tmp_path.glob(".*")), "nothing is left"
    page = read_page(vsr.make_report(tmp_path / "one.png"))
    agrees = re.search(r"agrees with the input to ([0-9.]+) dB", page.text)
    assert agrees is not None
    assert float(agrees[1]) > 38, "another frame would agree less"


def test_sound_is_left_out_and_named(call: Call, clips: Clips, tmp_path: Path) -> None:
    done = call("upscale", clips("rich"), "-o", tmp_path / "one.png", "--at", "2", "--method", "bicubic")
    assert done.code == 0, done.err
    dropped = json.loads((tmp_path / "one.png.vsr.json").read_text())["output"]["dropped"]
    assert any("one image has no place for it" in text for text in dropped)


def test_a_photo(call: Call, tmp_path: Path) -> None:
    Image.fromarray(scene(1, 64, 48)[0]).save(tmp_path / "photo.png")
    done = call("upscale", tmp_path / "photo.png", "-o", tmp_path / "large.tif", "--method", "bicubic", "--scale", 3)
    assert done.code == 0, done.err
    assert read_samples(tmp_path / "large.tif")[0].shape == (144, 192)
    changed = bytearray((tmp_path / "large.tif").read_bytes())
    changed[len(changed) // 2] ^= 1
    (tmp_path / "large.tif").write_bytes(changed)
    assert [check.what for check in vsr.verify(tmp_path / "large.tif") if not check.passed] == ["output bytes"]


def test_what_makes_more_than_one_is_refused(clips: Clips, tmp_path: Path) -> None:
    source, output = clips("plain"), tmp_path / "one.png"
    with pytest.raises(UsageError, match="is one image, and the video has more"):
        vsr.upscale(source, output, settings=QUICK)
    with pytest.raises(UsageError, match="leave out start and end"):
        vsr.upscale(source, output, start=1, at=3, settings=QUICK)
    with pytest.raises(UsageError, match="is past the end of"):
        vsr.upscale(source, output, at="99s", settings=QUICK)
    with pytest.raises(UsageError, match="for several name the number of the frame"):
        vsr.upscale([source, clips("cfr")], f"{tmp_path}/", at="0.2s", settings=QUICK)
    assert not list(tmp_path.iterdir())


def test_images_bear_the_numbers_of_their_frames(clips: Clips, tmp_path: Path) -> None:
    """Those of the video from 0, as ``--at`` counts them; of a sequence its own; two for two fields."""
    source, names = clips("plain"), lambda folder: sorted(path.name for path in (tmp_path / folder).glob("*.png"))
    vsr.upscale(source, tmp_path / "part" / "%04d.png", start=3, end=6, settings=QUICK)
    assert names("part") == ["0003.png", "0004.png", "0005.png"]
    assert all(check.passed for check in vsr.verify(tmp_path / "part" / "%04d.png", recompute=True))
    vsr.upscale(tmp_path / "part", tmp_path / "again" / "%03d.png", start=1, settings=QUICK)
    assert names("again") == ["004.png", "005.png"]
    vsr.export_frames(tmp_path / "part", tmp_path / "frames" / "%03d.png", end=2)
    assert names("frames") == ["003.png", "004.png"]
    vsr.upscale(source, tmp_path / "fields" / "%d.png", start=1, end=3, settings=QUICK | {"deinterlace": "field"})
    assert names("fields") == ["2.png", "3.png", "4.png", "5.png"]


def test_exported_frames_have_their_own_numbers(clips: Clips, tmp_path: Path) -> None:
    made = vsr.export_frames(clips("plain"), tmp_path / "f" / "%06d.png", start=3, end=6)
    names = ["000003.png", "000004.png", "000005.png"]
    assert sorted(path.name for path in (tmp_path / "f").glob("*.png")) == names
    assert [(one["file"], one["ordinal"]) for one in made.manifest["frames"]] == list(
        zip(names, (3, 4, 5), strict=True)
    )
    assert all(check.passed for check in vsr.verify(tmp_path / "f" / "%06d.png", recompute=True))

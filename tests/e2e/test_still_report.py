"""The page of a still: what it shows, on the screen and on paper, and when it refuses."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from browser import browser, find_chromium
from page_reader import decode_uri, read_page
from plates import film
from program import Run
from videos import encode

import vsr
from vsr.errors import MachineError, UsageError, VerificationError
from vsr.pipeline.seal import record_pieces, seal

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_leaks")]
Call = Callable[..., Run]


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The still of a plate from ten frames, one of them of something else."""
    folder = tmp_path_factory.mktemp("still")
    clip = film(10, noise=3.0)
    frames = np.stack(clip.frames)
    frames[3] = np.random.default_rng(0).integers(0, 255, frames[3].shape)
    source = encode(folder / "plate.mkv", frames, "-c:v", "ffv1")
    given = {"psf_sigma_px": 0.45, "regularization": 1.0, "scale": 2.0}
    return vsr.still(source, folder / "plate.png", at=5, roi=clip.roi, **given).output  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def page(still: Path) -> Path:
    """Its page."""
    return vsr.make_report(still)


def test_everything_is_on_the_page(still: Path, page: Path) -> None:
    assert page == still.with_name("plate.png.report.html")
    shown, record = read_page(page), json.loads(still.with_name("plate.png.vsr.json").read_text())
    assert shown.faults == []
    versions = {e.attributes["alt"]: e.attributes["src"] for e in shown.of("img")}
    assert list(versions) == [
        *("one frame, enlarged", "one frame, sharpened", "the still", "difference", "support", "confidence"),
    ]
    drawn = cv2.imdecode(np.frombuffer(decode_uri(versions["the still"])[1], np.uint8), cv2.IMREAD_COLOR)
    assert drawn is not None
    assert drawn.shape[:2] == (record["output"]["height"], record["output"]["width"])
    kept = cv2.imread(str(still))
    assert kept is not None
    assert np.abs(drawn.astype(int) - kept).mean() < 3
    assert len([e for e in shown.of("svg") if e.attributes["aria-label"].startswith("frame ")]) == 10
    assert "the frame could not be registered" in shown.text
    for digest in [*record["output"]["files"].values(), record["input"]["sha256"], record["record_sha256"]]:
        assert digest in shown.text
    for step in record["steps"]:
        assert step["what"] in shown.text


def test_outlines_lie_on_the_plate(still: Path, page: Path) -> None:
    """The followed corners, in pixels of the frames, against those of the record's own matrices."""
    record = json.loads(still.with_name("plate.png.vsr.json").read_text())
    own = next(frame for frame in record["frames"] if frame["ordinal"] == 5)
    x, y, width, height = (int(part) for part in record["request"]["roi"].split(","))
    outline = re.search(
        r'aria-label="The region in the whole frame".*?<polygon points="([^"]*)"', page.read_text(), re.S
    )
    assert outline is not None
    found = np.array([[float(n) for n in point.split(",")] for point in outline[1].split()])
    assert own["used"]
    assert np.abs(found - [[x, y], [x + width, y], [x + width, y + height], [x, y + height]]).max() < 0.1


def test_what_changed_is_refused_or_not_shown(still: Path, tmp_path: Path) -> None:
    copies = {path.name: tmp_path / path.name for path in still.parent.glob("plate.*") if path.suffix != ".html"}
    for name, copy in copies.items():
        copy.write_bytes(still.with_name(name).read_bytes())
    record = json.loads(copies["plate.png.vsr.json"].read_text())
    record["input"]["path"] = str(tmp_path / "gone.mkv")
    record["warnings"] = ["<b>not</b> to be relied on"]
    seal(record)
    copies["plate.png.vsr.json"].write_text("".join(record_pieces(record)))
    shown = read_page(vsr.make_report(copies["plate.png"]))
    assert "is not here any more" in shown.text
    assert "<b>not</b> to be relied on" in shown.text, "escaped, and read as text"
    assert [e.attributes["alt"] for e in shown.of("img")] == ["the still", "support", "confidence"]
    copies["plate.support.png"].write_bytes(b"another")
    with pytest.raises(VerificationError, match=r"plate.support.png: is not the file"):
        vsr.make_report(copies["plate.png"])
    with pytest.raises(UsageError, match="a reference is for videos"):
        vsr.make_report(still, reference=still)
    with pytest.raises(MachineError, match="there is no folder"):
        vsr.make_report(still, tmp_path / "no" / "page.html")


def test_one_call_makes_both(call: Call, still: Path, tmp_path: Path) -> None:
    options = (
        "--at",
        "5",
        "--roi",
        "46,39,52,18",
        "--psf",
        "0.45",
        "--regularization",
        "1",
        "--scale",
        "1",
        "--report",
    )
    made = call("still", still.with_name("plate.mkv"), "-o", tmp_path / "out.png", *options)
    assert made.code == 0, made.err
    assert (
        f"report    {tmp_path / 'out.png.report.html'}" in made.out.replace("\n", " ").replace("  ", " ")
        or (tmp_path / "out.png.report.html").is_file()
    )


@pytest.mark.skipif(find_chromium() is None, reason="Chromium is not installed")
def test_in_a_browser_and_on_paper(page: Path, tmp_path: Path) -> None:
    with browser() as driven:
        driven.size(1200, 1000)
        driven.open(page)
        side = "getComputedStyle(document.querySelector('.pane[data-version=\"{}\"]')).display"
        assert driven.value(side.format("the still")) == "block"
        assert driven.value(side.format("support")) == "none"
        select = "document.querySelector('select[data-side=after]')"
        driven.value(f"{select}.value = 'support'; {select}.dispatchEvent(new Event('change'))")
        assert driven.value(side.format("support")) == "block"
        assert driven.problems == []
        assert [url for url in driven.requests if not url.startswith(page.as_uri())] == []
    printed = tmp_path / "page.pdf"
    chromium = str(find_chromium())
    flags = ("--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}")
    subprocess.run(
        [chromium, *flags, "--no-pdf-header-footer", f"--print-to-pdf={printed}", page.as_uri()],
        check=True,
        capture_output=True,
        timeout=120,
    )
    data = printed.read_bytes()
    assert data.startswith(b"%PDF")
    assert 3 <= data.count(b"/Type /Page\n") <= 9 or 3 <= len(re.findall(rb"/Type\s*/Page\b", data)) <= 9
    assert len(re.findall(rb"/Subtype\s*/Image", data)) >= 16, "versions and frames are printed"

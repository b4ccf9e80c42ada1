"""``vsr try``: one page about several methods, from the command line and from Python."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from page_reader import Page, decode_uri, read_page
from program import Run
from videos import X264, encode, scene

import vsr

Call = Callable[..., Run]
QUICK = ("--set", "speed=ultrafast", "--quiet")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encode(tmp_path_factory.mktemp("try") / "a clip.mp4", scene(40, 160, 128), *X264)


@pytest.fixture
def call(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """In an empty folder."""
    monkeypatch.chdir(tmp_path)
    return call


def _images(page: Page) -> dict[str, list[np.ndarray]]:
    """By version."""
    found: dict[str, list[np.ndarray]] = {}
    for image in page.of("img"):
        version, comma, _ = image.attributes["alt"].partition(",")
        if comma:
            data = decode_uri(image.attributes["src"])[1]
            found.setdefault(version, []).append(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR))
    return found


def test_it_ends_with_the_command_to_type(call: Call, clip: Path, tmp_path: Path) -> None:
    run = call("try", clip, "--methods", "lanczos", "bicubic", "--frames", 5, "--scale", 3, *QUICK, "--preset", "fast")
    assert run.code == 0, run.err
    *_, page, command = run.out.splitlines()
    assert page == "a clip.try.html"
    words = shlex.split(command)
    assert words[:3] == ["vsr", "upscale", str(clip)]
    assert words[words.index("--method") + 1] == "lanczos"
    assert call(*words[1:], "--end", 2, "--quiet").code == 0
    info = vsr.probe(tmp_path / words[words.index("-o") + 1])
    assert (info.video.width, info.video.height) == (480, 384)
    assert command in read_page(tmp_path / page).text


def test_the_page_is_one_file_that_shows_what_a_run_makes(call: Call, clip: Path, tmp_path: Path) -> None:
    run = call("try", clip, "-o", "page.html", "--methods", "lanczos", "bicubic", "--frames", 5, "--at", 10, *QUICK)
    assert run.code == 0, run.err
    page = read_page(tmp_path / "page.html")
    assert page.faults == []
    for element in page.elements:
        for name in ("src", "href", "poster", "data"):
            assert element.attributes.get(name, "#").startswith(("data:", "#"))
    images = _images(page)
    assert set(images) == {"input", "lanczos", "bicubic"}
    assert {len(shown) for shown in images.values()} == {4}
    assert images["input"][0].shape == (128, 160, 3)
    vsr.upscale(clip, tmp_path / "out.mkv", settings={"method": "lanczos", "codec": "ffv1"})
    vsr.export_frames(tmp_path / "out.mkv", tmp_path / "f" / "%06d.png", start=10, end=11)
    [made] = (tmp_path / "f").glob("*.png")
    run_shows = cv2.imread(str(made))
    assert cv2.PSNR(images["lanczos"][0], run_shows) > 35, "the page's WebP of the same frame"
    assert cv2.PSNR(images["lanczos"][3], run_shows) < 30, "another frame is another image"
    text = page.text
    assert "lanczos and bicubic: the same bytes as in a run over the whole video." in text
    assert "none: every frame is of one moment" in text


def test_motion_holds_every_version(call: Call, clip: Path, tmp_path: Path) -> None:
    assert call("try", clip, "-o", "p.html", "--methods", "lanczos", "bicubic", "--frames", 6, *QUICK).code == 0
    [video] = read_page(tmp_path / "p.html").of("video")
    (tmp_path / "sheet.mp4").write_bytes(decode_uri(video.attributes["src"])[1])
    info = vsr.probe(tmp_path / "sheet.mp4")
    assert info.video.num_frames_from_header == 6
    assert float(info.video.average_rate or 0) == pytest.approx(25, abs=0.01)
    assert (info.video.width, info.video.height) == (640, 512)
    assert json.loads(video.attributes["data-counts"]) == [6, 6, 6]
    assert json.loads(video.attributes["data-names"]) == ["input", "lanczos", "bicubic"]
    assert call("try", clip, "-o", "p.html", "--methods", "lanczos", "--frames", 3, "--no-video", *QUICK).code == 0
    assert read_page(tmp_path / "p.html").of("video") == []


def test_a_large_frame_is_tried_in_part(tmp_path: Path) -> None:
    large = encode(tmp_path / "large.mp4", scene(8, 640, 480), *X264)
    settings = {"speed": "ultrafast"}
    trial = vsr.try_methods(large, tmp_path / "p.html", methods=["lanczos"], frames=4, settings=settings)
    assert trial.part is not None
    assert trial.part.shown.width * trial.part.shown.height < 0.3 * 640 * 480
    planes = trial.methods["lanczos"].pixels[0]
    assert planes[0].shape == (2 * trial.part.shown.height, 2 * trial.part.shown.width)
    assert "The region in the whole frame" in (tmp_path / "p.html").read_text(encoding="utf-8")
    assert trial.num_frames == 8
    assert trial.run_seconds("lanczos") == pytest.approx(8 * trial.frame_seconds("lanczos"))
    whole = vsr.try_methods(large, tmp_path / "p.html", methods=["lanczos"], frames=2, roi="all", settings=settings)
    assert whole.part is None
    named = vsr.try_methods(
        large, tmp_path / "p.html", methods=["lanczos"], frames=2, roi=(64, 32, 100, 80), settings=settings
    )
    assert named.part is not None
    assert (named.part.shown.left, named.part.shown.top) == (64, 32)
    assert named.part.shown.width in range(100, 108)


@pytest.mark.slow
def test_all_usual_methods_are_tried(call: Call, clip: Path, tmp_path: Path) -> None:
    run = call("try", clip, "--set", "speed=ultrafast")
    assert run.code == 0, run.err
    assert run.err.splitlines()[0] == "a clip.mp4: loading", "something is said at once"
    images = _images(read_page(tmp_path / "a clip.try.html"))
    assert list(images) == ["input", "lanczos", "lite", "video", "multiframe", "auto"]
    assert "--method" not in run.out.splitlines()[-1], "auto is the usual one"
    text = read_page(tmp_path / "a clip.try.html").text
    assert "Compression" in text
    assert "the same bytes as in a run over the whole video" in text


@pytest.mark.parametrize(
    "name", ["rotated", "interlaced", "hdr", "sar", "alpha", "gray", "size_change", "damaged_ts", "mpeg2_ps"]
)
def test_awkward_videos_are_tried(clips: Callable[[str], Path], tmp_path: Path, name: str) -> None:
    settings = {"speed": "ultrafast"}
    trial = vsr.try_methods(clips(name), tmp_path / "p.html", methods=["lanczos"], frames=3, settings=settings)
    assert read_page(trial.page).faults == []


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (("--roi", "1,2,3"), 2, "is not a region"),
        (("--roi", "100,0,100,20"), 2, "reaches from 100 to 200"),
        (("--at", "500"), 2, "lies after the last frame"),
        (("--methods", "lancos"), 2, "no method 'lancos'"),
        (("--frames", "0"), 2, "not 0"),
        (("-o", "page.txt"), 2, "is named .html or .htm"),
        (("-o", "no/page.html"), 5, "there is no folder"),
        (("--set", "speed=fastish"), 2, "no speed 'fastish'"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(
    call: Call, clip: Path, options: tuple[str, ...], code: int, says: str
) -> None:
    methods = () if "--methods" in options else ("--methods", "lanczos")
    run = call("try", clip, "--quiet", *methods, *options)
    assert run.code == code
    assert says in run.one_line()


def test_what_is_no_video_is_refused(call: Call, tmp_path: Path) -> None:
    (tmp_path / "no.mp4").write_bytes(b"nothing")
    run = call("try", "no.mp4", "--quiet")
    assert run.code == 3
    run.one_line()
    assert not list(tmp_path.glob("*.html"))

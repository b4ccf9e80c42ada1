"""The page for opinions: both versions alike in all but their looks, who is who hidden, choices saved as JSON."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from browser import browser, find_chromium
from numpy.typing import NDArray
from page_reader import decode_uri, read_page
from program import Run
from videos import X264, encode, ffmpeg, scene

import vsr
from vsr.errors import UsageError

Call = Callable[..., Run]


@pytest.fixture
def versions(tmp_path: Path) -> tuple[Path, Path, Path]:
    """A dark version of half the size, a bright one, and the ground truth."""
    images = scene(40, 96, 64)
    reference = encode(tmp_path / "reference.mkv", images, "-c:v", "ffv1")
    dark, bright = tmp_path / "secret-dark.mp4", tmp_path / "secret-bright.mp4"
    ffmpeg("-i", str(reference), "-vf", "scale=iw/2:ih/2,eq=brightness=-0.2", *X264, "-pix_fmt", "yuv420p", str(dark))
    ffmpeg("-i", str(reference), "-vf", "eq=brightness=0.2", *X264, "-pix_fmt", "yuv420p", str(bright))
    return dark, bright, reference


def _data(path: Path) -> dict[str, Any]:
    page = read_page(path)
    assert page.faults == []
    hidden = next(e.text for e in page.of("script") if e.attributes.get("id") == "data")
    return dict(json.loads(base64.b64decode(hidden)))


def _image(uri: str) -> NDArray[np.uint8]:
    kind, data = decode_uri(uri)
    assert kind == "image/webp"
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), np.uint8)


def _brightness(uri: str) -> float:
    image = _image(uri)
    assert image.shape == (64, 96, 3)
    return float(image.mean())


def test_pairs_differ_only_in_their_looks(versions: tuple[Path, Path, Path], tmp_path: Path) -> None:
    dark, bright, reference = versions
    place = vsr.make_blind(dark, bright, tmp_path / "blind.html", reference, pairs=10, seed=3)
    data = _data(place)
    assert len(data["pairs"]) == 10
    assert {pair["left"] for pair in data["pairs"]} == {"a", "b"}
    for pair in data["pairs"]:
        looks = {key: _brightness(uri) for key, uri in pair["images"].items()}
        assert looks["a"] < looks["reference"] < looks["b"]
        assert pair["frames"]["a"] == pair["frames"]["b"] == round(pair["seconds"] * 25)
    shown = [pair["seconds"] for pair in data["pairs"]]
    assert shown != sorted(shown)
    assert "secret" not in place.read_text(), "names can be read in the page's source"
    assert place.stat().st_size < 8_000_000


_SHOWN = {
    "turned": (("-display_rotation", "90"), "1"),
    "turned and mirrored": (("-display_rotation", "270", "-display_hflip"), "1"),
    "wide pixels": ((), "2"),
    "turned, wide pixels": (("-display_rotation", "90"), "2"),
}
"""How a clip says that players should show it: turned, and how wide its pixels are for their height."""


@pytest.fixture(params=_SHOWN)
def displayed(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[list[Path], NDArray[np.uint8]]:
    """Two equal versions of such a clip, one of which has lost the tags, and FFmpeg's image of frame 10."""
    turn, aspect = _SHOWN[request.param]
    bare = encode(tmp_path / "bare.mp4", scene(20), *X264, vf=f"setsar={aspect}")
    ffmpeg(*turn, "-i", str(bare), "-c", "copy", str(tmp_path / "tagged.mp4"))
    whole = "select=eq(n\\,10),scale=iw*sar:ih" if not turn else "select=eq(n\\,10),scale=iw:ih/sar"
    ffmpeg("-i", str(tmp_path / "tagged.mp4"), "-vf", whole, "-frames:v", "1", str(tmp_path / "shown.png"))
    reference = np.asarray(cv2.imread(str(tmp_path / "shown.png")), np.uint8)
    return [tmp_path / "tagged.mp4", bare], reference


def test_images_stand_as_players_show_them(displayed: tuple[list[Path], NDArray[np.uint8]], tmp_path: Path) -> None:
    (first, second), reference = displayed
    place = vsr.make_blind(first, second, tmp_path / "blind.html", pairs=1)
    [pair] = _data(place)["pairs"]
    assert pair["frames"] == {"a": 10, "b": 10}
    for uri in pair["images"].values():
        seen = cv2.resize(_image(uri), reference.shape[1::-1], interpolation=cv2.INTER_CUBIC)
        assert np.abs(seen.astype(int) - reference).mean() < 8


def test_the_seed_decides(versions: tuple[Path, Path, Path], tmp_path: Path) -> None:
    dark, bright, _ = versions
    pages = [vsr.make_blind(dark, bright, tmp_path / f"{n}.html", seed=n // 2).read_text() for n in range(4)]
    assert (pages[0] == pages[1], pages[0] == pages[2]) == (True, False)


def test_refusals(versions: tuple[Path, Path, Path], tmp_path: Path, call: Call) -> None:
    dark, bright, _ = versions
    wide = encode(tmp_path / "wide.mp4", scene(5, 128, 64), *X264)
    failed = call("compare", bright, wide, "--blind", tmp_path / "x.html")
    assert (failed.code, "neither one size nor one shape" in failed.one_line()) == (2, True)
    done = call("compare", dark, bright, "--blind", tmp_path / "y.html", "--pairs", "2", "--seed", "9")
    assert (done.code, done.out.strip()) == (0, str(tmp_path / "y.html"))
    with pytest.raises(UsageError, match="1 to 100 pairs"):
        vsr.make_blind(dark, bright, tmp_path / "z.html", pairs=0)


def test_the_documented_count_of_people(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "report.md").read_text(encoding="utf-8")
    code = text.split("```python\n")[1].split("```")[0]
    files = []
    for number, counts in enumerate([{"a": 2, "b": 9, "same": 1}, *[{"a": 1, "b": 10, "same": 1}] * 5]):
        files.append(tmp_path / f"{number}.json")
        files[-1].write_text(json.dumps({"counts": counts}))
    done = subprocess.run([sys.executable, "-c", code, *map(str, files)], capture_output=True, text=True, check=True)
    assert done.stdout == "0 people for A, 6 for B, chance 0.031\n"


@pytest.mark.slow
@pytest.mark.skipif(find_chromium() is None, reason="Chromium is not installed")
def test_choosing_in_a_browser(versions: tuple[Path, Path, Path], tmp_path: Path) -> None:
    dark, bright, reference = versions
    place = vsr.make_blind(dark, bright, tmp_path / "blind.html", reference, pairs=5, seed=1)
    pairs = _data(place)["pairs"]
    with browser() as window:
        window.size(1300, 900)
        window.open(place)
        catch = "URL.createObjectURL = (blob) => { blob.text().then(done); return '#'; };"
        window.value(f"window.caught = new Promise((done) => {{ {catch} }}); 0")
        assert window.value("document.body.innerText").count("secret") == 0
        for number, pair in enumerate(pairs):  # the bright one each time; once back and forth; once no difference
            assert window.value("document.getElementById('place').textContent") == f"{number + 1} of 5"
            assert window.value("document.getElementById('left').src") == pair["images"][pair["left"]]
            if number == 2:
                window.key("1")
                window.key("Backspace")
            window.key("2" if number == 4 else "3" if pair["left"] == "a" else "1")
        assert "secret-bright.mp4 4 times; no difference 1 times" in window.value(
            "document.getElementById('result').innerText"
        )
        assert "with probability 0.13" in window.value("document.getElementById('result').innerText"), "2 / 2**4"
        window.value("document.getElementById('who').value = 'observer 7'")
        window.value("document.getElementById('save').click()")
        saved = json.loads(window.value("window.caught"))
        assert window.problems == []
        assert window.requests == [place.as_uri()]
    assert saved["counts"] == {"a": 0, "b": 4, "same": 1}
    assert (saved["who"], saved["seed"], saved["kind"]) == ("observer 7", 1, "vsr opinions")
    assert [choice["chosen"] for choice in saved["choices"]] == ["b"] * 4 + ["same"]
    assert [choice["seconds"] for choice in saved["choices"]] == [pair["seconds"] for pair in pairs]
    assert saved["names"]["b"].endswith("secret-bright.mp4")


@pytest.mark.slow
@pytest.mark.skipif(find_chromium() is None, reason="Chromium is not installed")
def test_zoom_and_original_in_a_browser(versions: tuple[Path, Path, Path], tmp_path: Path) -> None:
    dark, bright, reference = versions
    place = vsr.make_blind(dark, bright, tmp_path / "blind.html", reference, pairs=2)
    with browser() as window:
        window.size(1300, 900)
        window.open(place)
        for key in ("+", "+", "ArrowRight"):
            window.key(key)
        moves = window.value("['left', 'right'].map((id) => document.getElementById(id).style.transform)")
        assert moves[0] == moves[1] == "translate(-60%, -50%) scale(2)"
        window.key("o")
        sources = window.value("['left', 'right'].map((id) => document.getElementById(id).src)")
        assert sources[0] == sources[1] == _data(place)["pairs"][0]["images"]["reference"]
        tree = [node for node in window.send("Accessibility.getFullAXTree")["nodes"] if not node.get("ignored")]
        parts = [node for node in tree if node["role"]["value"] in ("button", "image")]
        names = [part["name"]["value"] for part in parts]
        assert [name for name in names if name.endswith("version")] == ["Left version", "Right version"]
        assert {"Zoom in", "Zoom out", "1 Left is better", "2 No difference", "3 Right is better"} <= set(names)
        [original_button] = [part for part in parts if part["name"]["value"].endswith("Original")]
        assert {"name": "pressed", "value": {"type": "tristate", "value": "true"}} in original_button["properties"]
        window.key("1")
        assert window.value("document.getElementById('original').getAttribute('aria-pressed')") == "false"
        sources = window.value("['left', 'right'].map((id) => document.getElementById(id).src)")
        assert sources[0] != sources[1]
        assert window.problems == []


@pytest.mark.slow
@pytest.mark.skipif(find_chromium() is None, reason="Chromium is not installed")
def test_shapes_in_a_browser(displayed: tuple[list[Path], NDArray[np.uint8]], tmp_path: Path) -> None:
    (first, second), reference = displayed
    place = vsr.make_blind(first, second, tmp_path / "blind.html", pairs=1)
    with browser() as window:
        window.size(1300, 700)
        window.open(place)
        left, right, buttons = (window.box(what) for what in ("#left", "#right", ".tools"))
        assert left[2] / left[3] == pytest.approx(reference.shape[1] / reference.shape[0], rel=0.01)
        assert left[1:] == pytest.approx(right[1:], abs=0.1)
        assert left[0] + left[2] < right[0]
        assert buttons[1] + buttons[3] <= 700, "the buttons are in the window, however high the image is"
        shot = cv2.imdecode(np.frombuffer(window.screenshot(tmp_path / "page.png"), np.uint8), cv2.IMREAD_COLOR)
        for x, y, width, height in (left, right):
            part = shot[round(y) : round(y + height), round(x) : round(x + width)]
            seen = cv2.resize(part, reference.shape[1::-1], interpolation=cv2.INTER_AREA)
            assert np.abs(seen.astype(int) - reference).mean() < 8
        assert window.problems == []

"""The studio's page in a real browser, from an opened video to a finished one; by mouse, and by keys alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Browser, browser, find_chromium
from studio_server import Studio, studio
from videos import X264, encode, scene

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_chromium() is None, reason="Chromium is not installed"),
]

NAME = "<img src=x onerror=alert(1)> & <b>co.mp4"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    folder = tmp_path_factory.mktemp("studio")
    encode(folder / NAME, scene(60, 192, 128, cuts=(25,)), *X264)
    with studio(folder) as started:
        yield started


@pytest.fixture
def window(running: Studio) -> Iterator[Browser]:
    """The page with the video open; afterwards nothing may have gone wrong, and nothing come from elsewhere."""
    with browser() as driven:
        driven.size(1300, 1100)
        driven.visit(running.address)
        driven.wait("document.querySelectorAll('#welcome-files button').length > 0")
        assert driven.value("location.search") == ""  # the key is not left in the address
        driven.value("document.querySelector('#welcome-files button').click()")
        driven.wait("document.getElementById('reading').textContent.startsWith('60 frames')")
        yield driven
        driven.value("1")
        assert driven.problems == []
        assert [url for url in driven.requests if not url.startswith((running.origin, "blob:"))] == []


def _text(window: Browser, key: str) -> str:
    return str(window.value(f"document.getElementById({json.dumps(key)}).textContent"))


def _value(window: Browser, key: str) -> str:
    return str(window.value(f"document.getElementById({json.dumps(key)}).value"))


def _set(window: Browser, key: str, value: str, event: str = "input") -> None:
    window.value(
        f"(() => {{ const e = document.getElementById({json.dumps(key)}); e.value = {json.dumps(value)};"
        f"e.dispatchEvent(new Event({json.dumps(event)}, {{bubbles: true}})); }})()"
    )


def _click(window: Browser, key: str) -> None:
    window.value(f"document.getElementById({json.dumps(key)}).click()")


def test_from_open_to_a_finished_video(window: Browser, running: Studio) -> None:
    assert _text(window, "file") == NAME  # as text, whatever it looks like
    assert window.value("document.querySelectorAll('#file *, #facts img').length") == 0
    assert window.value("document.cookie") == ""
    _set(window, "frame", "25", "change")
    window.wait("document.getElementById('time').value === '0:00:01.000'")
    _click(window, "step-on")
    window.wait("document.getElementById('time').value === '0:00:01.040'")
    left, top, width, height = window.box("#stage")
    window.drag((left + width * 0.4, top + height * 0.4), (left + width * 0.6, top + height * 0.7))
    region = [int(_value(window, field)) for field in ("rx", "ry", "rw", "rh")]
    assert all(number % 8 == 0 for number in region)
    assert region[2] > 8
    window.drag((left + width * 0.5, top + height * 0.5), (left + width * 0.55, top + height * 0.5))
    moved = [int(_value(window, field)) for field in ("rx", "ry", "rw", "rh")]
    assert moved[0] > region[0]
    assert moved[1:] == region[1:]
    _click(window, "region-clear")
    _set(window, "method", "lanczos")
    _set(window, "output", "made.mp4")
    window.wait("document.getElementById('command').textContent.includes('--method lanczos')")
    assert "made.mp4" in _text(window, "command")
    _click(window, "preview")
    window.wait("document.querySelector('input[value=compare]').checked", 60)
    assert "384×256" in _text(window, "view-note")
    assert "the samples of a run" in _text(window, "view-note")
    before = window.value("document.getElementById('canvas').toDataURL()")
    _set(window, "divider", "10")
    assert window.value("document.getElementById('canvas').toDataURL()") != before
    window.value("document.querySelector('input[value=difference]').click()")
    assert not window.value("document.getElementById('tag-right').hidden")
    _click(window, "add")
    window.wait("document.querySelector('.job')?.dataset.state === 'done'", 90)
    assert (
        window.value("[...document.querySelectorAll('.job .links a')].map((a) => a.textContent).join()")
        == "Report,Save"
    )
    assert "done" in _text(window, "said")
    window.value("[...document.querySelectorAll('.job .links button')].find((b) => b.textContent === 'Play').click()")
    window.wait("document.getElementById('player-video').readyState >= 1")
    assert window.value("document.getElementById('player-video').videoWidth") == 384
    _click(window, "player-close")
    assert (running.folder / "made.mp4").is_file()


def test_the_video_is_open_again_after_a_reload(window: Browser) -> None:
    window.reload()
    window.wait(f"document.getElementById('file')?.textContent === {json.dumps(NAME)}")
    window.wait("document.getElementById('stage').getAttribute('aria-label').startsWith('Frame 0')")


def test_by_keys_alone(window: Browser) -> None:
    window.wait("document.activeElement.id === 'stage'")
    for _ in range(3):
        window.key("ArrowRight")
    window.wait("document.getElementById('frame').value === '3'")
    window.wait("document.getElementById('stage').getAttribute('aria-label').includes('0:00:00.120')")
    assert window.value("document.getElementById('scrub').getAttribute('aria-valuetext')") == "frame 3, 0:00:00.120"
    seen = []
    for _ in range(40):
        window.key("Tab")
        seen.append(str(window.value("document.activeElement.id || document.activeElement.name")))
    for needed in ("scrub", "frame", "time", "tab-video", "preset", "method", "rx", "preview", "add", "copy"):
        assert needed in seen, seen
    window.value("document.getElementById('tab-video').focus()")
    window.key("ArrowRight")
    assert window.value("document.getElementById('tab-still').getAttribute('aria-selected')") == "true"
    assert window.value("document.activeElement.id") == "tab-still"
    assert window.value("document.getElementById('panel-video').hidden")


def test_every_control_has_a_name(window: Browser) -> None:
    _click(window, "open")
    window.wait("document.querySelectorAll('#picker-files button').length > 0")
    nodes = window.send("Accessibility.getFullAXTree")["nodes"]
    roles = {"button", "textbox", "combobox", "slider", "spinbutton", "checkbox", "radio", "tab", "link", "progressbar"}
    controls = [node for node in nodes if not node["ignored"] and node["role"]["value"] in roles]
    assert len(controls) >= 3
    assert [node for node in controls if not node.get("name", {}).get("value")] == []
    _click(window, "picker-close")
    nodes = window.send("Accessibility.getFullAXTree")["nodes"]
    controls = [node for node in nodes if not node["ignored"] and node["role"]["value"] in roles]
    assert len(controls) > 25
    assert [node for node in controls if not node.get("name", {}).get("value")] == []


def test_refusals_are_shown_and_spoken(window: Browser) -> None:
    _set(window, "output", "../elsewhere.mp4")
    window.wait("document.getElementById('refusal').textContent.includes('no name of anything')")
    assert window.value("document.getElementById('add').disabled")
    assert window.value("document.getElementById('refusal').getAttribute('role')") == "alert"
    window.problems[:] = [one for one in window.problems if "status of 400" not in one]  # the browser notes refusals


@pytest.mark.parametrize("width", [390, 1300])
def test_nothing_is_wider_than_the_window(window: Browser, width: int, tmp_path: Path) -> None:
    window.size(width, 900)
    assert window.value("document.documentElement.scrollWidth") <= width
    assert window.screenshot(tmp_path / "page.png", whole=True)


def test_a_still_is_compared_with_its_frame(window: Browser, running: Studio) -> None:
    choice = {"at": "12", "roi": "16,16,48,32", "frames": 6, "scale": 2}
    job = running.add("still", input=NAME, output="still.png", **choice)
    running.wait_for(job["id"], "done")
    look = "[...document.querySelectorAll('.links button')].find((b) => b.textContent === 'Look at it')"
    window.wait(f"{look} !== undefined")  # other jobs have links as well
    assert window.value(f"[...{look}.parentElement.children].some((link) => link.textContent === 'Report')")
    window.value(f"{look}.click()")
    window.wait("document.querySelectorAll('#player-images figure').length === 4")
    assert "used" in _text(window, "player-record")
    warned = window.value("document.querySelectorAll('#player-record .warning').length")
    assert warned == len(running.get(f"/api/jobs/{job['id']}/record").json["warnings"])
    compare = "[...document.querySelectorAll('#player-record button')].find((b) => /Compare/.test(b.textContent))"
    window.wait(f"{compare} !== undefined")
    window.value(f"{compare}.click()")
    window.wait("document.querySelector('input[name=mode][value=compare]').checked")
    window.wait("document.getElementById('view-note').textContent.includes('still.png')")
    assert window.value("!document.getElementById('player').open")

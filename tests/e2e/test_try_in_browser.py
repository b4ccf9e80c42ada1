"""The page of ``vsr try`` in a real browser: any two versions, in slider, side by side and blink, still and moving."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Browser, browser, find_chromium
from videos import X264, encode, scene

import vsr

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_chromium() is None, reason="Chromium is not installed"),
]

CURRENT = ".frame.current .stage"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three versions besides the input, 10 frames."""
    folder = tmp_path_factory.mktemp("page")
    source = encode(folder / "source.mp4", scene(12, 640, 480), *X264)
    settings = {"speed": "ultrafast", "method": "bicubic"}
    methods = ["lanczos", "bicubic", "lite"]
    return vsr.try_methods(source, folder / "page.html", methods=methods, frames=10, settings=settings).page


@pytest.fixture
def window(page: Path) -> Iterator[Browser]:
    """The page, open; afterwards nothing may have gone wrong and nothing may have been fetched."""
    with browser() as driven:
        driven.size(1200, 1000)
        driven.open(page)
        yield driven
        driven.value("1")  # hears of what happened last
        assert driven.problems == []
        assert [url for url in driven.requests if not url.startswith(page.as_uri())] == []


def _choose(window: Browser, side: str, version: str) -> None:
    window.value(
        f"(() => {{ const s = document.querySelector('select[data-side={side}]'); s.value = '{version}';"
        "s.dispatchEvent(new Event('change')); })()"
    )


def _shown(window: Browser) -> list[str]:
    """Left and right version."""
    return [
        str(window.value(f"document.querySelector('{CURRENT} .{side}').dataset.version"))
        for side in ("before", "after")
    ]


def test_any_two_versions_are_compared(window: Browser) -> None:
    assert _shown(window) == ["input", "bicubic"], "the input and what the command would make"
    _choose(window, "before", "lanczos")
    assert _shown(window) == ["lanczos", "bicubic"]
    _choose(window, "after", "lanczos")
    assert _shown(window) == ["bicubic", "lanczos"], "they change places"
    visible = f"[...document.querySelectorAll('{CURRENT} .pane')].filter(p => p.offsetWidth).length"
    assert window.value(visible) == 2
    window.key("2")
    left, right = (window.box(f"{CURRENT} .{side}") for side in ("before", "after"))
    assert left[0] + left[2] <= right[0], "the left version stands left, whatever their order in the page"
    window.key("]")
    assert window.value("document.querySelector('.frame.current').id") == "frame-2"
    assert _shown(window) == ["bicubic", "lanczos"]


def test_a_pixel_is_a_pixel(window: Browser) -> None:
    width = window.value(f"document.querySelector('{CURRENT} .after img').naturalWidth")
    assert window.box(f"{CURRENT} .after")[2] == pytest.approx(width, abs=1)


def test_zoom_and_slider_serve_both(window: Browser) -> None:
    window.value("document.querySelector('[data-zoom=in]').click()")
    transforms = [
        window.value(f"document.querySelector('{CURRENT} .{side} img').style.transform") for side in ("before", "after")
    ]
    assert "scale(1.5)" in str(transforms[0])
    assert transforms[0] == transforms[1]
    window.value("document.getElementById('cut').focus()")
    window.key("ArrowRight")
    assert window.value(f"document.querySelector('{CURRENT} .before').style.clipPath") == "inset(0px 49% 0px 0px)"


_AVERAGES = (
    "[...document.querySelectorAll('.frame.current .before canvas, .frame.current .after canvas')].map((c) => {"
    "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let s = 0;"
    "for (let i = 0; i < d.length; i++) s += i % 4 < 3 ? d[i] : 0; return s / d.length * 4 / 3; })"
)
"""Mean code of both canvases, as they are at one moment."""


def test_it_plays_both_in_step(window: Browser) -> None:
    window.value("document.getElementById('play').click()")
    deadline = time.monotonic() + 30
    while not window.value(
        "document.querySelectorAll('canvas').length == 2 && document.getElementById('sheet').currentTime > 0"
    ):
        assert time.monotonic() < deadline, "it does not play"
        time.sleep(0.05)
    left, right = window.value(_AVERAGES)
    assert left > 20, "there is an image"
    assert left == pytest.approx(right, abs=2), "the same moment on both sides: brightness jumps from frame to frame"
    window.value("document.getElementById('play').click()")
    assert window.value("document.getElementById('sheet').paused")
    assert window.value("document.getElementById('play').textContent") == "Play"


def test_the_command_follows_the_method(window: Browser) -> None:
    command = "document.getElementById('command').textContent"
    assert "--method bicubic" in str(window.value(command))
    window.value("[...document.querySelectorAll('input[name=method]')].find(i => i.value.includes('lite')).click()")
    assert "--method lite" in str(window.value(command))


def test_nothing_is_wider_than_a_phone(window: Browser) -> None:
    window.size(390, 844, 2, is_touch=True)
    assert window.value("document.documentElement.scrollWidth") <= 390
    window.key("2")
    assert window.value("document.documentElement.scrollWidth") <= 390


def test_without_its_script_all_versions_are_there(page: Path) -> None:
    with browser() as driven:
        driven.send("Emulation.setScriptExecutionDisabled", value=True)
        driven.size(1200, 1000)
        driven.open(page)
        document = driven.send("DOM.getDocument", depth=-1)["root"]["nodeId"]
        panes = driven.send("DOM.querySelectorAll", nodeId=document, selector="#frame-1 .pane")["nodeIds"]
        sizes = [driven.send("DOM.getBoxModel", nodeId=node)["model"]["width"] for node in panes]
    assert len(sizes) == 4
    assert min(sizes) > 200

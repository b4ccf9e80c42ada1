"""The page in a real browser: slider, zoom, keys, frames, no error, no request, quick, both colour schemes, paper."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
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
    """A report of 12 frames, with a video and a cut."""
    folder = tmp_path_factory.mktemp("page")
    source = encode(folder / "source.mp4", scene(60, 320, 180, cuts=(25,)), *X264)
    settings: dict[str, Any] = {"method": "lanczos", "speed": "ultrafast", "scale": 2}
    vsr.upscale(source, folder / "out.mp4", settings=settings)
    return vsr.make_report(folder / "out.mp4")


@pytest.fixture
def window(page: Path) -> Iterator[Browser]:
    """The page, open; afterwards nothing may have gone wrong and nothing may have been fetched."""
    with browser() as driven:
        driven.size(1200, 1000)
        driven.open(page)
        driven.value("document.getElementById('frames').scrollIntoView()")
        yield driven
        driven.value("1")  # hears of what happened last
        assert driven.problems == []
        assert [url for url in driven.requests if not url.startswith(page.as_uri())] == []


def _cut(window: Browser) -> str:
    return str(window.value(f"document.querySelector('{CURRENT} .before').style.clipPath"))


def _zoom(window: Browser, selector: str = f"{CURRENT} .after img") -> str:
    return str(window.value(f"document.querySelector('{selector}').style.transform"))


def _numbers(transform: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?[\d.]+", transform)]


def test_it_opens_without_any_request(page: Path) -> None:
    with browser() as driven:
        seconds = min(driven.open(page) for _ in range(3))
        driven.value("1")
        assert driven.requests == [page.as_uri()] * 3
        assert driven.problems == []
    assert seconds < 2
    assert page.stat().st_size < 8_000_000


def test_the_slider_moves_by_mouse_and_by_keys(window: Browser) -> None:
    assert _cut(window) == "inset(0px 50% 0px 0px)"
    left, top, width, height = window.box(CURRENT)
    middle = top + height / 2
    window.drag((left + width / 2, middle), (left + width / 5, middle))
    assert _cut(window) == "inset(0px 80% 0px 0px)"
    assert window.value("document.getElementById('cut').value") == "20"
    assert window.value(f"document.querySelector('{CURRENT} .divider').style.left") == "20%"
    window.value("document.getElementById('cut').focus()")
    for _ in range(5):
        window.key("ArrowRight")
    assert _cut(window) == "inset(0px 75% 0px 0px)"
    window.value(f"document.querySelector('{CURRENT}').focus()")
    window.key("ArrowLeft")
    assert _cut(window) == "inset(0px 77% 0px 0px)"


def test_what_is_left_of_the_divider_is_the_input(window: Browser, tmp_path: Path) -> None:
    window.value(f"document.querySelector('{CURRENT} .before img').style.filter = 'invert(1)'")
    left, top, width, height = window.box(CURRENT)
    window.drag((left + width / 2, top + height / 2), (left + width * 0.3, top + height / 2))
    shot = cv2.imdecode(np.frombuffer(window.screenshot(tmp_path / "half.png"), np.uint8), cv2.IMREAD_COLOR)
    window.drag((left + width * 0.3, top + height / 2), (left, top + height / 2))
    plain = cv2.imdecode(np.frombuffer(window.screenshot(tmp_path / "none.png"), np.uint8), cv2.IMREAD_COLOR)
    rows = slice(int(top + height * 0.2), int(top + height * 0.4))
    seam = left + width * 0.3
    before, after = slice(int(left + 20), int(seam - 30)), slice(int(seam + 30), int(left + width - 20))
    assert np.abs(shot[rows, after].astype(int) - plain[rows, after]).mean() < 1
    assert np.abs(shot[rows, before].astype(int) - (255 - plain[rows, before].astype(int))).mean() < 12


def test_zoom_is_the_same_on_both_sides(window: Browser) -> None:
    window.value("document.querySelector('[data-zoom=in]').click()")
    window.value("document.querySelector('[data-zoom=in]').click()")
    assert window.value("document.getElementById('zoom-value').textContent") == "2×"
    assert _zoom(window) == "translate(-50%, -50%) scale(2)" == _zoom(window, f"{CURRENT} .before img")
    window.value(f"document.querySelector('{CURRENT}').focus()")
    for _ in range(30):
        window.key("ArrowRight")
    assert _zoom(window) == "translate(-100%, -50%) scale(2)", "the image's edge stays at the pane's"
    window.key("0")
    assert _zoom(window) == ""
    left, top, width, height = window.box(CURRENT)
    for clicks in (1, 2):
        window.mouse("Pressed", left + width / 4, top + height / 4, clicks=clicks)
        window.mouse("Released", left + width / 4, top + height / 4, clicks=clicks, buttons=0)
    assert _numbers(_zoom(window)) == pytest.approx([-25, -25, 2], abs=0.5), "the place clicked stays where it was"
    window.key("2")
    assert _zoom(window) == _zoom(window, f"{CURRENT} .before img")
    box_before, box_after = window.box(f"{CURRENT} .before"), window.box(f"{CURRENT} .after")
    assert box_before[1:] == box_after[1:]
    assert box_before[0] + box_before[2] <= box_after[0]
    left, top, width, height = box_after
    window.drag((left + width / 2, top + height / 2), (left + width * 0.4, top + height / 2))
    assert _zoom(window) == _zoom(window, f"{CURRENT} .before img")
    assert _numbers(_zoom(window)) == pytest.approx([-35, -25, 2], abs=0.5)


def test_frames_by_keys_clicks_and_curves(window: Browser) -> None:
    def shown() -> str:
        return str(window.value("document.querySelector('.frame.current').id"))

    assert shown() == "frame-1"
    window.key("]")
    window.key("]")
    window.key("[")
    assert shown() == "frame-2"
    assert window.value("document.getElementById('said').textContent").startswith("2 of 12")
    window.value("document.querySelectorAll('.strip a')[6].click()")
    assert shown() == "frame-7"
    assert window.value("document.querySelectorAll('.strip a[aria-current]').length") == 1
    window.value(
        "document.querySelector('.chart a[href=\"#frame-9\"]').dispatchEvent(new MouseEvent('click', {bubbles: true}))"
    )
    window.value("new Promise((done) => setTimeout(done, 100))")
    assert shown() == "frame-9"
    assert window.value("[...document.querySelectorAll('.frame')].filter((f) => f.offsetHeight).length") == 1


def test_blink_pixels_and_details(window: Browser) -> None:
    def before() -> str:
        return str(window.value(f"getComputedStyle(document.querySelector('{CURRENT} .before')).visibility"))

    window.key("3")
    assert before() == "visible"
    window.key("b")
    assert before() == "hidden"
    window.key("p")
    rendering = f"getComputedStyle(document.querySelector('{CURRENT} img')).imageRendering"
    assert window.value(rendering) == "pixelated"
    window.value("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert window.value("document.documentElement.scrollWidth <= innerWidth") is True
    length = window.value(
        "(async () => { const v = document.querySelector('video'); v.preload = 'auto'; v.load();"
        "await new Promise((done) => v.addEventListener('canplaythrough', done)); return v.duration; })()"
    )
    assert 1 < length <= 6.5


def test_everything_is_reached_by_tab_and_has_a_name(window: Browser) -> None:
    window.value("document.body.tabIndex = -1, document.body.focus(), scrollTo(0, 0)")  # from the very beginning
    tree = window.send("Accessibility.getFullAXTree")["nodes"]
    kinds = {"button", "slider", "radio", "checkbox", "link", "image", "Video"}
    parts = [node for node in tree if not node.get("ignored") and node["role"]["value"] in kinds]
    nameless = [part["role"]["value"] for part in parts if not part.get("name", {}).get("value")]
    assert {part["role"]["value"] for part in parts} == kinds
    assert nameless == []
    seen = []
    for _ in range(60):
        window.key("Tab")
        seen.append(
            window.value(
                "document.activeElement.id || document.activeElement.className || document.activeElement.tagName"
            )
        )
    order = [seen.index(name) for name in ("skip", "stage", "cut")]
    assert order == sorted(order)
    assert "VIDEO" in seen


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_both_schemes(window: Browser, scheme: str) -> None:
    window.prefer(color_scheme=scheme)
    ratios = window.value(
        """(() => {
          const light = (c) => c.map((v) => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; })
            .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
          const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
          const ground = (e) => { for (; e; e = e.parentElement) {
            const c = rgb(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] === 1) return c.slice(0, 3); }
            return SCHEME === "dark" ? [20, 21, 23] : [255, 255, 255]; };
          return [...document.querySelectorAll("p, dt, dd, td, th, figcaption, summary, h1, h2, h3, button, .strip a")]
            .filter((e) => e.textContent.trim() && e.offsetHeight && !e.classList.contains("unseen") && !e.disabled)
            .map((e) => { const a = light(rgb(getComputedStyle(e).color).slice(0, 3)), b = light(ground(e));
              return (Math.max(a, b) + .05) / (Math.min(a, b) + .05); });
        })()""".replace("SCHEME", f'"{scheme}"')
    )
    assert len(ratios) > 40
    assert min(ratios) >= 4.5


def test_small_windows_need_no_sideways_scrolling(window: Browser) -> None:
    for width in (360, 600, 900):
        window.size(width, 800, is_touch=True)
        assert window.value("document.documentElement.scrollWidth") <= width


def test_on_paper_every_frame_is_there(window: Browser, tmp_path: Path) -> None:
    window.send("Emulation.setEmulatedMedia", media="print")
    assert window.value("[...document.querySelectorAll('.frame')].filter((f) => f.offsetHeight).length") == 12
    assert (
        window.value("[...document.querySelectorAll('.tools, .slider, .strip')].filter((f) => f.offsetHeight).length")
        == 0
    )
    before, after = window.box("#frame-3 .before"), window.box("#frame-3 .after")
    assert before[0] + before[2] <= after[0]
    window.send("Emulation.setEmulatedMedia", media="")
    window.pdf(tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")


def test_without_script_the_page_can_be_read(page: Path, tmp_path: Path) -> None:
    with browser() as driven:
        driven.send("Emulation.setScriptExecutionDisabled", value=True)
        driven.size(1200, 1000)
        driven.open(page)
        driven.send("Emulation.setScriptExecutionDisabled", value=False)
        assert driven.value("[...document.querySelectorAll('.frame')].filter((f) => f.offsetHeight).length") == 12
        assert (
            driven.value("[...document.querySelectorAll('.tools, .strip, .keys')].filter((f) => f.offsetHeight).length")
            == 0
        )

#!/usr/bin/env python3
"""Draw docs/images/studio.png, a preview in the studio of the demonstration's clip: scripts/studio_screenshot.py FOLDER

The folder is one that ``vsr demo`` filled. The studio is started, opened in Debian's Chromium and used by its buttons.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from browser import browser  # noqa: E402
from studio_server import studio  # noqa: E402

IMAGE = ROOT / "docs" / "images" / "studio.png"
SHOWN = 3
ZOOMS = 4
SECONDS = 600.0


def main(folder: Path) -> None:
    """Write the image."""
    with tempfile.TemporaryDirectory() as place:
        videos = Path(place) / "videos"
        videos.mkdir()
        shutil.copy(folder / "recorded.mp4", videos / "wall.mp4")
        with studio(videos) as running, browser() as window:
            window.size(1280, 820)
            window.visit(running.address)
            window.wait("document.querySelectorAll('#welcome-files button').length > 0")
            window.value("document.querySelector('#welcome-files button').click()")
            window.wait("/^[0-9]+ frames/.test(document.getElementById('reading').textContent)")
            window.value(
                "(() => { const e = document.getElementById('frame');"
                f"e.value = '{SHOWN}'; e.dispatchEvent(new Event('change', {{bubbles: true}})); }})()"
            )
            window.wait("document.getElementById('command').textContent.includes('upscale')")
            window.value("document.getElementById('preview').click()")
            window.wait("document.querySelector('input[value=compare]').checked", SECONDS)
            for _ in range(ZOOMS):
                window.value("document.getElementById('zoom-in').click()")
            window.value(f"document.getElementById('folder').textContent = {'~/' + videos.name!r}")
            window.value("document.activeElement.blur()")
            left, top, width, height = window.box("#stage")
            window.mouse("Moved", left + width * 0.5, top + height * 0.5, buttons=0)
            window.screenshot(IMAGE)
            assert not window.problems, window.problems


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))

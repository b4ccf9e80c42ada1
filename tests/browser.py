"""A real browser, driven over a pair of pipes: Debian's Chromium, where it is installed.

Speaks the DevTools protocol: JSON objects that end in a zero byte, over file descriptors 3 and 4.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["Browser", "browser", "find_chromium"]

_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"),
    *("--remote-debugging-pipe", "--hide-scrollbars", "--disable-dev-shm-usage"),
)


def find_chromium() -> str | None:
    """The program, if there is one."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Browser:
    """One page. `problems` and `requests` gather what must not be there."""

    def __init__(self, program: str, profile: Path) -> None:
        to_child, from_parent = os.pipe()
        from_child, to_parent = os.pipe()

        def place() -> None:
            spare = [os.dup(to_child), os.dup(to_parent)]  # 3 and 4 may be any of these
            os.dup2(spare[0], 3)
            os.dup2(spare[1], 4)

        self._process = subprocess.Popen(
            [program, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            close_fds=False,
            preexec_fn=place,
        )
        os.close(to_child)
        os.close(to_parent)
        self._write, self._read = from_parent, from_child
        self._rest = b""
        self._number = 0
        self.problems: list[str] = []
        self.requests: list[str] = []
        self.session: str | None = None
        self.loaded = False
        self.session = self.send("Target.attachToTarget", targetId=self._page(), flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def _page(self) -> str:
        """The window's page, once the browser has it: other targets may come first."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            for target in self.send("Target.getTargets")["targetInfos"]:
                if target["type"] == "page":
                    return str(target["targetId"])
            time.sleep(0.05)
        raise AssertionError("the browser opened no page")

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol; events that come meanwhile are noted."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self.session is not None:
            message["sessionId"] = self.session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._write, data) :]
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer["error"]
                return dict(answer["result"])
            self._note(answer)

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            part = os.read(self._read, 1 << 20)
            assert part, "the browser has ended"
            self._rest += part
        message, _, self._rest = self._rest.partition(b"\0")
        return dict(json.loads(message))

    def _note(self, event: dict[str, Any]) -> None:
        what, facts = event.get("method"), event.get("params", {})
        if what == "Runtime.exceptionThrown":
            self.problems.append(json.dumps(facts["exceptionDetails"])[:500])
        elif what == "Runtime.consoleAPICalled" and facts["type"] in ("error", "warning", "assert"):
            self.problems.append(json.dumps(facts["args"])[:500])
        elif what == "Log.entryAdded" and facts["entry"]["level"] in ("error", "warning"):
            self.problems.append(json.dumps(facts["entry"])[:500])
        elif what == "Network.requestWillBeSent":
            url = facts["request"]["url"]
            if not url.startswith("data:"):
                self.requests.append(url)
        elif what == "Page.loadEventFired":
            self.loaded = True

    def size(self, width: int, height: int, scale: float = 1.0, *, is_touch: bool = False) -> None:
        """Size of the window."""
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=is_touch
        )

    def prefer(self, **features: str) -> None:
        """Media features, for example ``color_scheme="dark"``."""
        requested = [{"name": f"prefers-{name.replace('_', '-')}", "value": value} for name, value in features.items()]
        self.send("Emulation.setEmulatedMedia", features=requested)

    def open(self, path: Path, fragment: str = "") -> float:
        """Load a file; returns the seconds until its load event."""
        return self.visit(path.absolute().as_uri() + fragment)

    def visit(self, url: str) -> float:
        """Load an address; returns the seconds until its load event."""
        return self._load("Page.navigate", url=url)

    def reload(self) -> float:
        """Load the page again; returns the seconds until its load event."""
        return self._load("Page.reload")

    def _load(self, method: str, **parameters: Any) -> float:
        self.loaded, began = False, time.monotonic()
        self.send(method, **parameters)
        while not self.loaded:
            self._note(self._receive())
        return time.monotonic() - began

    def value(self, expression: str) -> Any:
        """What a JavaScript expression gives."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, expression: str, seconds: float = 30) -> None:
        """Until a JavaScript expression is true."""
        deadline = time.monotonic() + seconds
        while not self.value(expression):
            assert time.monotonic() < deadline, f"{expression} did not come true"
            time.sleep(0.1)

    def key(self, key: str, code: str = "") -> None:
        """Press a key and let it go."""
        text = {"text": key} if len(key) == 1 else {}
        codes = {"Tab": 9, "Enter": 13, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
        known = {"windowsVirtualKeyCode": codes[key]} if key in codes else {}
        self.send("Input.dispatchKeyEvent", type="keyDown", key=key, code=code or key, **text, **known)
        self.send("Input.dispatchKeyEvent", type="keyUp", key=key, code=code or key, **known)

    def mouse(self, kind: str, x: float, y: float, *, clicks: int = 1, buttons: int = 1) -> None:
        """``Pressed``, ``Moved`` or ``Released`` at a place of the window."""
        button = "left" if buttons or kind != "Moved" else "none"
        self.send(
            "Input.dispatchMouseEvent",
            type=f"mouse{kind}",
            x=x,
            y=y,
            button=button,
            buttons=buttons,
            clickCount=clicks,
        )

    def drag(self, start: tuple[float, float], stop: tuple[float, float]) -> None:
        """Press at ``start``, move, let go at ``stop``."""
        self.mouse("Pressed", *start)
        for share in (0.25, 0.5, 0.75, 1.0):
            self.mouse("Moved", *(a + (b - a) * share for a, b in zip(start, stop, strict=True)))
        self.mouse("Released", *stop, buttons=0)

    def box(self, selector: str) -> tuple[float, float, float, float]:
        """Left, top, width and height of an element in the window."""
        found = self.value(
            f"(() => {{ const b = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
            "return [b.left, b.top, b.width, b.height]; })()"
        )
        return found[0], found[1], found[2], found[3]

    def screenshot(self, path: Path, *, whole: bool = False) -> bytes:
        """A PNG of the window, or of the whole page; written to ``path``."""
        data = base64.b64decode(self.send("Page.captureScreenshot", captureBeyondViewport=whole)["data"])
        path.write_bytes(data)
        return data

    def pdf(self, path: Path) -> None:
        """The page as it would be printed."""
        data = self.send("Page.printToPDF", printBackground=True, preferCSSPageSize=True)["data"]
        path.write_bytes(base64.b64decode(data))

    def close(self) -> None:
        """End the program."""
        for end in (self._write, self._read):
            os.close(end)
        self._process.kill()
        self._process.wait()


@contextmanager
def browser() -> Iterator[Browser]:
    """A fresh browser with an empty profile."""
    program = find_chromium()
    assert program is not None
    with tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True) as profile:
        driven = Browser(program, Path(profile))
        try:
            yield driven
        finally:
            driven.close()

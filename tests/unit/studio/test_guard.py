"""Who is let through: requests that a hostile page, another server of this machine or a guesser could send."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from vsr.studio.guard import MOST_BODY_BYTES, Guard

TOKEN = "t" * 43
HOME = "127.0.0.1:8484"
COOKIE = f"vsr-studio-8484={TOKEN}"
USUAL = {"host": HOME, "cookie": COOKIE}
SENT = {**USUAL, "origin": f"http://{HOME}", "content-length": "2"}


async def _app(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"let through"})


def _ask(
    headers: Mapping[str, str] | list[tuple[str, str]],
    *,
    method: str = "GET",
    path: str = "/api/jobs",
    query: str = "",
    **options: Any,
) -> tuple[int, dict[str, str]]:
    guard = Guard(_app, **{"token": TOKEN, "host": "127.0.0.1", "port": 8484, **options})
    pairs = list(headers.items()) if isinstance(headers, Mapping) else headers
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in pairs],
    }
    heard: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        heard.append(message)

    asyncio.run(guard(scope, receive, send))
    found = {name.decode(): value.decode() for name, value in heard[0]["headers"]}
    return int(heard[0]["status"]), found


def test_whether_it_runs_is_no_secret() -> None:
    assert _ask({"host": HOME}, path="/health")[0] == 200
    assert _ask({"host": HOME}, path="/health", method="POST")[0] == 403
    assert _ask({"host": "evil.example:8484"}, path="/health")[0] == 403
    assert _ask({"host": HOME}, path="/health/../api/jobs")[0] == 403


def test_metrics_take_the_key_as_prometheus_sends_it_or_none_where_that_is_said() -> None:
    def answer(headers: dict[str, str], **options: Any) -> int:
        return _ask({"host": HOME, **headers}, path="/metrics", **options)[0]

    assert answer({}) == answer({"authorization": "Bearer guess"}) == answer({"authorization": TOKEN}) == 403
    assert answer({"authorization": f"Bearer {TOKEN}"}) == answer({"cookie": COOKIE}) == 200
    assert answer({}, opens_metrics=True) == 200
    assert answer({}, opens_metrics=True, method="POST") == 403
    assert answer({"origin": "http://evil.example"}, opens_metrics=True) == 403
    assert answer({"host": "evil.example:8484"}, opens_metrics=True) == 403
    assert _ask({"host": HOME, "authorization": f"Bearer {TOKEN}"})[0] == 403  # of the rest it opens nothing
    assert _ask({"host": HOME}, opens_metrics=True)[0] == 403


def test_the_page_itself_is_let_through() -> None:
    assert _ask(USUAL)[0] == 200
    assert _ask({**USUAL, "sec-fetch-site": "same-origin"})[0] == 200
    assert _ask(SENT, method="POST")[0] == 200
    assert _ask({**USUAL, "host": "localhost:8484"})[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:8484",  # DNS rebinding: a name of theirs that leads here
        "evil.example",
        "127.0.0.1.evil.example:8484",
        "127.0.0.1:9999",
        "127.0.0.1",
        "localhost.:8484",
        "user@127.0.0.1:8484",
        "127.0.0.1:8484@evil.example",
        "127.0.0.1:8484/x",
        "127.0.0.1:x",
        "[::1",
        "",
    ],
)
def test_other_names_of_this_server_are_refused(host: str) -> None:
    assert _ask({**USUAL, "host": host})[0] == 403
    assert _ask({"host": host}, path="/", query=f"token={TOKEN}")[0] == 403


def test_a_request_without_one_host_is_refused() -> None:
    assert _ask({"cookie": COOKIE})[0] == 403
    assert _ask([("host", HOME), ("host", "evil.example"), ("cookie", COOKIE)])[0] == 403


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://127.0.0.1:9999", "https://127.0.0.1:8484", "http://localhost:8484"],
)
def test_other_pages_are_refused(origin: str) -> None:
    """CSRF: a page elsewhere, or a sandboxed one, sends what the browser would send for it."""
    assert _ask({**SENT, "origin": origin}, method="POST")[0] == 403
    assert _ask({**USUAL, "origin": origin})[0] == 403


def test_changes_need_an_origin() -> None:
    without = {name: value for name, value in SENT.items() if name != "origin"}
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert _ask(without, method=method)[0] == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_another_site_or_port_makes_the_browser_load_is_refused(site: str) -> None:
    assert _ask({**USUAL, "sec-fetch-site": site})[0] == 403


@pytest.mark.parametrize(
    "cookie",
    [
        "",
        f"vsr-studio-8484={'u' * 43}",
        "vsr-studio-8484=",
        f"vsr-studio-9999={TOKEN}",
        f"token={TOKEN}",
        "=;;=\\",
        TOKEN,
    ],
)
def test_without_the_key_nothing_is_answered(cookie: str) -> None:
    for path in ("/", "/static/main.js", "/api/jobs", "/jobs/x/output"):
        assert _ask({"host": HOME, "cookie": cookie}, path=path)[0] == 403


def test_the_key_of_the_address_becomes_a_cookie_that_scripts_and_other_sites_cannot_use() -> None:
    status, headers = _ask({"host": HOME}, path="/", query=f"token={TOKEN}")
    assert (status, headers["location"]) == (303, "/")
    words = {word.strip().lower() for word in headers["set-cookie"].split(";")}
    assert {"httponly", "samesite=strict", "path=/"} <= words
    for wrong in ("", TOKEN[:-1], TOKEN + "x", "é"):
        status, headers = _ask({"host": HOME}, path="/", query=f"token={wrong}")
        assert status == 403
        assert "set-cookie" not in headers
    assert _ask({"host": HOME}, path="/api/jobs", query=f"token={TOKEN}")[0] == 403


def test_large_requests_are_refused_before_they_are_read() -> None:
    assert _ask({**SENT, "content-length": str(MOST_BODY_BYTES + 1)}, method="POST")[0] == 413
    assert _ask({**SENT, "content-length": "-1"}, method="POST")[0] == 413


def test_answers_say_that_nothing_else_may_run_or_read_them() -> None:
    for headers in (_ask(USUAL)[1], _ask({"host": HOME})[1]):
        policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == "'self'"
        assert policy["frame-ancestors"] == "'none'"
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"


def test_bound_to_all_addresses_only_names_that_nobody_else_can_own_are_taken() -> None:
    options = {"host": "0.0.0.0", "names": ("box.lan",)}
    for host in ("127.0.0.1:9000", "192.168.1.7:8484", "localhost", "box.lan:8484", "[fe80::1]:8484"):
        assert _ask({**USUAL, "host": host}, **options)[0] == 200
    for host in ("evil.example:8484", "box.lan.evil.example"):
        assert _ask({**USUAL, "host": host}, **options)[0] == 403


def test_behind_a_proxy_the_name_that_was_given_is_taken_with_and_without_tls() -> None:
    options = {"names": ("Box.example",)}
    for host, scheme in (("box.example", "https"), ("box.example:9443", "https"), ("box.example:8484", "http")):
        sent = {**SENT, "host": host, "origin": f"{scheme}://{host}"}
        assert _ask(sent, method="POST", **options)[0] == 200
    for host, origin in (
        ("box.example", "https://evil.example"),
        ("box.example", "https://box.example:9443"),
        ("evil.example", "https://evil.example"),
        (HOME, f"https://{HOME}"),
    ):
        assert _ask({**SENT, "host": host, "origin": origin}, method="POST", **options)[0] == 403

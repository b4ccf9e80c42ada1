"""Who may ask the studio for anything.

A page from elsewhere in the same browser can send requests to this machine, and with a name of its own that it leads
here (DNS rebinding) even read the answers. So every request must name this server in ``Host``, carry the token, as a
cookie that other sites cannot send, and, where it changes anything, come from this server's own page (``Origin``).
Browsers also say where a request comes from (``Sec-Fetch-Site``); other ports of this machine are refused by that.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Sequence
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["HEALTH", "METRICS", "MOST_BODY_BYTES", "Guard"]

MOST_BODY_BYTES = 64 << 10
"""Of a request that is not an upload."""

HEALTH = "/health"
"""Answers without the key that the server runs, and nothing more."""

METRICS = "/metrics"
"""Takes the key in the header ``Authorization: Bearer``, too, as Prometheus sends it."""

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_SAFE = ("GET", "HEAD")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "media-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """Lets through what the page itself asks, and adds the headers that keep its answers to it."""

    def __init__(
        self, app: ASGIApp, *, token: str, host: str, port: int, names: Sequence[str] = (), opens_metrics: bool = False
    ) -> None:
        """``names``: hosts besides the usual ones, by which a proxy (with TLS or without) or a container is reached.

        ``opens_metrics``: whether `METRICS` needs no key.
        """
        self._opens_metrics = opens_metrics
        self._app, self._token, self._port = app, token, port
        self._is_local, self._host = host in _LOOPBACK, host.lower()
        self._names = frozenset(name.lower() for name in names)
        self._cookie = f"vsr-studio-{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # nothing here speaks WebSocket
        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, _adding_headers(send))
            return
        await self._app(scope, receive, _adding_headers(send))

    def _refusal(self, scope: Scope) -> Response | None:
        headers, method = Headers(scope=scope), scope["method"]
        host = headers.getlist("host")
        if len(host) != 1 or not self._is_ours(host[0]):
            return _refuse("this address is not the studio's")
        if scope["path"] == HEALTH and method in _SAFE:
            return PlainTextResponse("ok\n")
        is_landing = method == "GET" and scope["path"] == "/"
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if not is_landing and site not in (None, "same-origin", "none"):
            return _refuse("asked for by another page")
        if (origin is not None or method not in _SAFE) and origin not in self._origins(host[0]):
            return _refuse("asked for by another page")
        if is_landing and (given := parse_qs(scope["query_string"].decode("latin-1")).get("token")):
            return self._welcome(given[0])
        if scope["path"] == METRICS and method in _SAFE:
            scheme, _, key = headers.get("authorization", "").partition(" ")
            if self._opens_metrics or (scheme.lower() == "bearer" and self._is_token(key)):
                return None
        if not self._holds_token(headers.get("cookie", "")):
            return _refuse("open the address that vsr studio printed; it holds the key to this page")
        length = headers.get("content-length", "0")
        if method not in (*_SAFE, "PUT") and not (length.isdecimal() and int(length) <= MOST_BODY_BYTES):
            return PlainTextResponse("too much", 413)
        return None

    def _is_ours(self, host: str) -> bool:
        """Whether a ``Host`` can have been typed for this server: a name that others own must not lead here."""
        try:
            parts = urlsplit(f"//{host}")
            name, port = (parts.hostname or "").lower(), parts.port
        except ValueError:
            return False
        if not name or parts.netloc != host or parts.username is not None:
            return False
        if name in self._names:  # behind a proxy, at whatever port that has
            return True
        if self._is_local:
            return port == self._port and (name in _LOOPBACK or name == self._host)
        return name == self._host or name in _LOOPBACK or _is_address(name)

    def _origins(self, host: str) -> tuple[str, ...]:
        """Those of our own page, opened at ``host``: with TLS too where that may be a proxy's."""
        is_named = (urlsplit(f"//{host}").hostname or "").lower() in self._names
        return (f"http://{host}", f"https://{host}") if is_named else (f"http://{host}",)

    def _welcome(self, given: str) -> Response:
        if not self._is_token(given):
            return _refuse("this key is of another run of vsr studio; use the address that the newest one printed")
        answer = RedirectResponse("/", 303)
        answer.set_cookie(self._cookie, self._token, httponly=True, samesite="strict", path="/")
        return answer

    def _holds_token(self, cookie: str) -> bool:
        try:
            jar = SimpleCookie(cookie)
        except CookieError:
            return False
        held = jar.get(self._cookie)
        return held is not None and self._is_token(held.value)

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self._token.encode())


def _is_address(name: str) -> bool:
    """Whether it is an IP address, which no resolver can lead elsewhere."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _refuse(why: str) -> Response:
    return PlainTextResponse(f"vsr studio: {why}\n", 403)


def _adding_headers(send: Send) -> Send:
    async def sender(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sender

"""The server: one for a folder, on this machine alone unless something else is asked for."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import secrets
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import uvicorn
from filelock import FileLock, Timeout

from vsr.errors import MachineError, UsageError
from vsr.studio.app import Studio, make_app
from vsr.studio.places import Root
from vsr.studio.uploads import remove_broken

__all__ = ["USUAL_PORT", "is_loopback", "serve"]

USUAL_PORT = 8484
_BACKLOG = 128
_LOCK = "lock"
_SECONDS_TO_END = 5  # that open connections are given
_TRIED_PORTS = 20  # after the usual one


def serve(
    folder: Path,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    names: tuple[str, ...] = (),
    upload_bytes: int = 0,
    ray: str | None = None,
    opens_metrics: bool = False,
    on_address: Callable[[str], None] = lambda address: None,
) -> None:
    """Serve the studio of ``folder`` until it is interrupted.

    ``port``: None takes the usual one, or one near it that is free; 0 any. ``names``: hosts that the page may be
    opened by, besides this machine's. ``opens_metrics``: whether /metrics needs no key. ``on_address`` gets the address
    with its key once it can be opened.

    Raises `InputError` for what is not a folder, `MachineError` where another studio has it or the port is taken.
    """
    root = Root(folder)
    with _alone(root), _listening(host, port) as listener:
        number = listener.getsockname()[1]
        token = secrets.token_urlsafe(32)
        studio = Studio(root, upload_bytes=upload_bytes, ray=ray)
        app = make_app(studio, token=token, host=host, port=number, names=names, opens_metrics=opens_metrics)
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_SECONDS_TO_END,
            proxy_headers=False,
        )
        shown = host if host not in ("0.0.0.0", "::", "") else "127.0.0.1"
        on_address(f"http://{f'[{shown}]' if ':' in shown else shown}:{number}/?token={token}")
        with contextlib.suppress(KeyboardInterrupt):  # uvicorn hands on what it was ended by
            uvicorn.Server(config).run(sockets=[listener])


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server bound to ``host``."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@contextlib.contextmanager
def _alone(root: Root) -> Iterator[None]:
    """The right to the folder's queue, which ends with the process."""
    lock = FileLock(root.state / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise MachineError(
            f"{root.folder}: another vsr studio works in this folder; use its page, or end it"
        ) from error
    except OSError as error:
        raise MachineError(f"{root.state}: cannot be locked ({error.strerror or error})") from error
    try:
        remove_broken(root)
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def _listening(host: str, port: int | None) -> Iterator[socket.socket]:
    if port is not None and not 0 <= port <= 65535:
        raise UsageError(f"port {port} is none; ports are 0 to 65535")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    ports = range(USUAL_PORT, USUAL_PORT + _TRIED_PORTS) if port is None else (port,)
    last: OSError | None = None
    for number in ports:
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, number))
            listener.listen(_BACKLOG)  # a browser that comes before the server answers waits, and is not refused
        except OSError as error:
            listener.close()
            last = error
            continue
        with listener:
            os.set_inheritable(listener.fileno(), False)
            yield listener
        return
    raise MachineError(
        f"{host}:{ports[0]}: cannot be listened on ({last.strerror if last else ''}); give another --port"
    )

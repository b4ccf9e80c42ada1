"""``vsr studio``: a page on this machine to work in."""

from __future__ import annotations

import math
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from vsr.cli.options import Cluster

__all__ = ["studio"]


def studio(
    folder: Annotated[
        Path, typer.Argument(metavar="[FOLDER]", help="Where your videos are; the page sees nothing else.")
    ] = Path(),
    port: Annotated[
        int | None, typer.Option(metavar="N", help="Port; 0 takes any.  [default: 8484, or a free one near it]")
    ] = None,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address to listen on. Any but 127.0.0.1 can be reached by others.")
    ] = "127.0.0.1",
    names: Annotated[
        list[str] | None,
        typer.Option("--name", metavar="HOST", help="A host name that the page is opened by; may be repeated."),
    ] = None,
    upload_gb: Annotated[
        float, typer.Option("--upload-gb", min=0, metavar="N", help="Largest upload, in GB; 0 takes none.")
    ] = 16,
    ray: Cluster = None,
    metrics: Annotated[
        bool, typer.Option("--metrics", help="Answer /metrics without the key, for Prometheus: counts and times alone.")
    ] = False,
    open_: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in a browser, where there is a screen.")
    ] = True,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback on errors.")] = False,
) -> None:
    """Open a page to look at videos, try settings on their frames, and queue and watch runs."""
    del debug
    from vsr.errors import MachineError, UsageError

    if not math.isfinite(upload_gb):
        raise UsageError(f"--upload-gb {upload_gb}: give a number of GB; 0 takes no uploads")
    missing = [name for name in ("starlette", "uvicorn") if find_spec(name) is None]
    if missing:
        raise MachineError(f"the studio needs {' and '.join(missing)}; install them with: pip install 'vsr[studio]'")
    if sys.stderr.isatty():
        print("vsr: loading the studio", file=sys.stderr)
    from vsr.cli.console import fail
    from vsr.studio.serve import is_loopback, serve

    if not is_loopback(host):
        fail(
            f"on {host} others can reach this page, and read what goes over the wire; whoever has its address with the "
            "key can work in the folder. A tunnel (ssh -L 8484:127.0.0.1:8484 HOST) is safer"
        )

    def announce(address: str) -> None:
        print(f"vsr studio works in {folder.resolve()}\n\n    {address}\n\nCtrl-C ends it; its jobs go on next time.")
        sys.stdout.flush()
        if open_:
            _show(address)

    serve(
        folder,
        host=host,
        port=port,
        names=tuple(names or ()),
        upload_bytes=int(upload_gb * 1e9),
        ray=ray,
        opens_metrics=metrics,
        on_address=announce,
    )


def _show(address: str) -> None:
    """In a browser with a window; never one in this terminal."""
    import os
    import webbrowser

    if sys.stdout.isatty() and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        webbrowser.open(address)

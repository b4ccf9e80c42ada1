"""Settings as the options of several commands give them."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from vsr.cli import completion

__all__ = [
    "Cluster",
    "Device",
    "Height",
    "InputTransfer",
    "Preset",
    "Scale",
    "Screen",
    "Set",
    "Size",
    "SquarePixels",
    "assignments",
    "merged",
    "parse_factor",
    "parse_height",
    "parse_screen",
    "parse_workers",
]

Cluster = Annotated[
    str | None,
    typer.Option(
        "--ray", metavar="auto|HOST:PORT", help="Use a running Ray cluster.", autocompletion=completion.CLUSTERS
    ),
]
Scale = Annotated[
    str | None, typer.Option(help="Magnification: 2, 3, 4, 1.5 …  [default: 2]", autocompletion=completion.SCALES)
]
Size = Annotated[str | None, typer.Option(metavar="WxH", help="Exact output size, as it is shown.")]
Height = Annotated[
    str | None,
    typer.Option(
        metavar="N",
        help="Output height, as it is shown: 1080, 1080p; the width follows.",
        autocompletion=completion.HEIGHTS,
    ),
]
InputTransfer = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Transfer that the source has, whatever it says: bt709, log100, logarithmic …"),
]
Screen = Annotated[
    str | None,
    typer.Option(
        metavar="1080p|4k",
        help="As large as fits a screen: 720p, 1080p, 1440p, 4k, 8k.",
        autocompletion=completion.screens,
    ),
]
SquarePixels = Annotated[
    bool, typer.Option("--square-pixels", help="Give the output square pixels where the input has others (DVD, VHS).")
]
Preset = Annotated[
    str, typer.Option(help="Name of a preset (vsr presets) or a YAML file.", autocompletion=completion.presets)
]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:1 …", autocompletion=completion.DEVICES)]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A setting, or METHOD.KEY=VALUE; may be repeated."),
]


def assignments(texts: list[str]) -> dict[str, Any]:
    """What ``--set`` says, by key."""
    if not texts:
        return {}
    from vsr.pipeline.settings import parse_assignment

    return dict(parse_assignment(text) for text in texts)


def merged(assigned: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """What ``--set`` and options of their own say; raises `UsageError` where they contradict each other."""
    from vsr.errors import UsageError

    for key in assigned.keys() & options.keys():
        if assigned[key] != options[key] and str(assigned[key]) != str(options[key]):
            option = f"--{key.replace('_', '-')}"
            raise UsageError(f"{option} and --set {key}={assigned[key]} contradict each other; give one of them")
    return assigned | options


def parse_factor(name: str, text: str | None) -> float | None:
    """A factor such as ``2`` or ``1.5x``; raises `UsageError` for others."""
    if text is None:
        return None
    from vsr.errors import UsageError

    try:
        return float(text.removesuffix("x"))
    except ValueError:
        raise UsageError(f"--{name} {text!r} is not a number") from None


def parse_height(text: str | None) -> int | None:
    """Rows, as ``1080`` or ``1080p``; raises `UsageError` for others."""
    if text is None:
        return None
    from vsr.errors import UsageError

    try:
        return int(text.lower().removesuffix("p"))
    except ValueError:
        raise UsageError(f"--height {text!r} is not a number of rows; give it like 1080 or 1080p") from None


def parse_workers(text: str | None) -> int | None:
    """A number of workers, None for ``auto``; raises `UsageError` for others."""
    if text in (None, "auto"):
        return None
    from vsr.errors import UsageError

    if text is None or not text.isdecimal() or int(text) < 1:
        raise UsageError(f"--workers {text}: give a number, at least one, or auto")
    return int(text)


def parse_screen(text: str | None) -> str | None:
    """The name of a screen; raises `UsageError` for one that is not known."""
    if text is None:
        return None
    from vsr.catalogue import SCREENS
    from vsr.errors import UsageError, nearest

    name = {"2160p": "4k", "4320p": "8k", "uhd": "4k", "fullhd": "1080p"}.get(text.lower(), text.lower())
    if name not in SCREENS:
        raise UsageError(f"--to {text!r} is no screen; known: {', '.join(SCREENS)}{nearest(name, SCREENS)}")
    return name

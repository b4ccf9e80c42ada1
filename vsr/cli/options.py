"""Settings as the options of several commands give them."""

from __future__ import annotations

from typing import Any

__all__ = ["assignments", "merged", "parse_factor"]


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

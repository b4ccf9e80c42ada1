"""Evidence mode: what may not take part in it."""

from __future__ import annotations

from typing import Any

from vsr.errors import UsageError
from vsr.methods import METHODS, Evidence
from vsr.pipeline.settings import Settings

__all__ = ["check_evidence"]

_REFUSED = ("learned", "generative")


def check_evidence(evidence: Evidence, settings: Settings, options: Any, *, name: str | None = None) -> None:
    """Refuse what evidence mode does not allow, where ``settings`` ask for it; ``name`` is the method's if not theirs.

    Raises `UsageError`.
    """
    if not settings.evidence:
        return
    if evidence in _REFUSED:
        allowed = ", ".join(name for name, spec in METHODS.items() if spec.evidence not in _REFUSED)
        raise UsageError(
            f"--evidence allows no {evidence} method, and {name or settings.method} is one; "
            f"methods that add nothing to what was recorded: {allowed}"
        )
    if getattr(options, "half", False):
        raise UsageError("--evidence allows no half precision; leave out half=true")

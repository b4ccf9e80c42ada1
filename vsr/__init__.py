"""Video super-resolution with exact frames, timing, colour and streams.

    import vsr

    vsr.upscale("clip.mp4", "clip-2x.mp4", settings={"scale": 2})
    print(vsr.probe("clip.mp4").video.color)

Nothing heavy is loaded until a function is used.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str
    from vsr.api import (
        Bag,
        Check,
        Comparison,
        Evaluation,
        Exported,
        Job,
        MediaInfo,
        Opinions,
        Outcome,
        Progress,
        Signed,
        Still,
        TrainingOutcome,
        TrainingProgress,
        Trial,
        bag,
        compare,
        downscale,
        evaluate,
        export_frames,
        fit_dictionary,
        fit_faces,
        make_blind,
        make_report,
        plan,
        probe,
        rank_opinions,
        sign,
        still,
        train,
        try_methods,
        upscale,
        verify,
    )
    from vsr.errors import (
        DamageError,
        InputError,
        Interrupted,
        MachineError,
        ModelError,
        UsageError,
        VerificationError,
        VsrError,
        WorkFolderBusy,
    )

# Decoder, encoder and torch share the cores. torch's OpenMP threads spin while they wait for each other, which
# costs the others up to twenty times; it reads this once, when it is first imported. A value set before stays.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__all__ = [
    "Bag",
    "Check",
    "Comparison",
    "DamageError",
    "Evaluation",
    "Exported",
    "InputError",
    "Interrupted",
    "Job",
    "MachineError",
    "MediaInfo",
    "ModelError",
    "Opinions",
    "Outcome",
    "Progress",
    "Signed",
    "Still",
    "TrainingOutcome",
    "TrainingProgress",
    "Trial",
    "UsageError",
    "VerificationError",
    "VsrError",
    "WorkFolderBusy",
    "__version__",
    "bag",
    "compare",
    "downscale",
    "evaluate",
    "export_frames",
    "fit_dictionary",
    "fit_faces",
    "make_blind",
    "make_report",
    "plan",
    "probe",
    "rank_opinions",
    "sign",
    "still",
    "train",
    "try_methods",
    "upscale",
    "verify",
]

_IN_ERRORS = frozenset(name for name in __all__ if name.endswith(("Error", "Interrupted", "Busy")))


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version  # takes longer than all else that `vsr --help` does

        return version("vsr")
    if name not in __all__:
        raise AttributeError(f"module 'vsr' has no attribute {name!r}")
    return getattr(import_module("vsr.errors" if name in _IN_ERRORS else "vsr.api"), name)


def __dir__() -> list[str]:
    return sorted(__all__)

"""The public functions of vsr: what the command line calls, for use from Python.

Each is loaded when it is asked for, so that none pays for what the others need.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vsr.api.archiving import bag, sign
    from vsr.api.checking import verify
    from vsr.api.comparing import compare, make_blind, rank_opinions
    from vsr.api.downscaling import downscale, downscaling_settings
    from vsr.api.finding import expand_inputs
    from vsr.api.inputs import pair_outputs
    from vsr.api.learning import fit_dictionary, fit_faces, train
    from vsr.api.measuring import evaluate
    from vsr.api.probing import estimate_source, probe
    from vsr.api.reporting import make_report
    from vsr.api.stills import export_frames, still
    from vsr.api.trying import RunEstimate, estimate_run, try_methods
    from vsr.api.upscaling import check_plan, done_before, is_batch, plan, upscale
    from vsr.archive import Bag, Signed
    from vsr.evaluation import Evaluation
    from vsr.media.probe import MediaInfo
    from vsr.pipeline.job import Job
    from vsr.pipeline.progress import Progress
    from vsr.pipeline.request import Outcome
    from vsr.pipeline.verify import Check
    from vsr.report.blind import Opinions
    from vsr.report.comparison import Comparison
    from vsr.report.trial import Trial
    from vsr.stills.frames import Exported
    from vsr.stills.run import Still
    from vsr.training import TrainingOutcome, TrainingProgress

__all__ = [
    "Bag",
    "Check",
    "Comparison",
    "Evaluation",
    "Exported",
    "Job",
    "MediaInfo",
    "Opinions",
    "Outcome",
    "Progress",
    "RunEstimate",
    "Signed",
    "Still",
    "TrainingOutcome",
    "TrainingProgress",
    "Trial",
    "bag",
    "check_plan",
    "compare",
    "done_before",
    "downscale",
    "downscaling_settings",
    "estimate_run",
    "estimate_source",
    "evaluate",
    "expand_inputs",
    "export_frames",
    "fit_dictionary",
    "fit_faces",
    "is_batch",
    "make_blind",
    "make_report",
    "pair_outputs",
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

_HOMES = {
    "Bag": "vsr.archive",
    "Check": "vsr.pipeline.verify",
    "Comparison": "vsr.report.comparison",
    "Evaluation": "vsr.evaluation",
    "Exported": "vsr.stills.frames",
    "Job": "vsr.pipeline.job",
    "MediaInfo": "vsr.media.probe",
    "Opinions": "vsr.report.blind",
    "Outcome": "vsr.pipeline.request",
    "Progress": "vsr.pipeline.progress",
    "RunEstimate": "vsr.api.trying",
    "Signed": "vsr.archive",
    "Still": "vsr.stills.run",
    "TrainingOutcome": "vsr.training",
    "TrainingProgress": "vsr.training",
    "Trial": "vsr.report.trial",
    "bag": "vsr.api.archiving",
    "check_plan": "vsr.api.upscaling",
    "compare": "vsr.api.comparing",
    "done_before": "vsr.api.upscaling",
    "downscale": "vsr.api.downscaling",
    "downscaling_settings": "vsr.api.downscaling",
    "estimate_run": "vsr.api.trying",
    "estimate_source": "vsr.api.probing",
    "evaluate": "vsr.api.measuring",
    "expand_inputs": "vsr.api.finding",
    "export_frames": "vsr.api.stills",
    "fit_dictionary": "vsr.api.learning",
    "fit_faces": "vsr.api.learning",
    "is_batch": "vsr.api.upscaling",
    "make_blind": "vsr.api.comparing",
    "make_report": "vsr.api.reporting",
    "pair_outputs": "vsr.api.inputs",
    "plan": "vsr.api.upscaling",
    "probe": "vsr.api.probing",
    "rank_opinions": "vsr.api.comparing",
    "sign": "vsr.api.archiving",
    "still": "vsr.api.stills",
    "train": "vsr.api.learning",
    "try_methods": "vsr.api.trying",
    "upscale": "vsr.api.upscaling",
    "verify": "vsr.api.checking",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'vsr.api' has no attribute {name!r}")
    with _no_collections():
        module = import_module(_HOMES[name])
    return getattr(module, name)


@contextmanager
def _no_collections() -> Iterator[None]:
    """Importing makes no garbage; looking for it takes a tenth of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def __dir__() -> list[str]:
    return sorted(__all__)

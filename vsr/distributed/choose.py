"""Which executor a run gets."""

from __future__ import annotations

from vsr.distributed.in_process import InProcess
from vsr.errors import UsageError
from vsr.pipeline.executor import Executor
from vsr.pipeline.settings import Settings

__all__ = ["choose_executor"]


def choose_executor(settings: Settings, workers: int | None, ray: str | None) -> Executor:
    """This process for one worker on one device, else Ray.

    ``workers`` None: one for each GPU of this machine, or as many as the cluster at ``ray`` has room for.
    Raises `UsageError` for less than one.
    """
    if workers is not None and workers < 1:
        raise UsageError(f"--workers {workers}: at least one is needed")
    if ray is None and (workers if workers is not None else _devices(settings)) == 1:
        return InProcess()
    from vsr.distributed.ray import RayExecutor

    return RayExecutor(workers if ray is not None else workers or _devices(settings), ray)


def _devices(settings: Settings) -> int:
    """Devices of this machine that the settings let workers use."""
    import torch

    return max(1, torch.cuda.device_count()) if settings.device in ("auto", "cuda") else 1

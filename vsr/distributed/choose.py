"""Which executor a run gets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from vsr.distributed.in_process import InProcess
from vsr.errors import UsageError, VsrError
from vsr.pipeline.executor import Executor
from vsr.pipeline.objects import is_url
from vsr.pipeline.settings import Settings

if TYPE_CHECKING:
    from vsr.pipeline.job import Job
    from vsr.pipeline.request import Request

__all__ = ["choose_executor", "count_workers"]

_LIBRARIES_BYTES = 800 << 20
_SHARE_PIXELS = 10e6  # of the output, in half a minute by the methods that are quick and no interpolation
_INTERPOLATION_WEIGHT = 0.02  # of such a pixel's time
_MOST_LOOKED_AT = 16  # files that are planned to find out, where they are short
_MEMORY_SHARE = 0.5  # of the machine's, for all workers together


def choose_executor(
    settings: Settings, workers: int | None, ray: str | None, requests: Sequence[Request] = ()
) -> Executor:
    """This process for one worker on one device, else Ray.

    ``workers`` None: as many as the cluster at ``ray`` has room for; without one, one for each GPU of this machine; on
    processors one for each core, as far as half of the memory and the length of what is requested go.
    Raises `UsageError` for less than one.
    """
    if workers is not None and workers < 1:
        raise UsageError(f"--workers {workers}: at least one is needed")
    if ray is None:
        workers = workers or count_workers(settings, _plan(requests))
        if workers == 1:
            return InProcess()
    from vsr.distributed.ray import RayExecutor

    return RayExecutor(workers, ray)


def count_workers(settings: Settings, jobs: Iterable[Job]) -> int:
    """Default number of workers on this machine; see `choose_executor`."""
    return _num_gpus(settings) or _useful_workers(settings, jobs)


def _plan(requests: Iterable[Request]) -> Iterator[Job]:
    for request in islice(requests, _MOST_LOOKED_AT):
        try:
            if not is_url(request.source):
                yield request.plan()
        except VsrError:
            continue  # its own run says what is wrong with it


def _num_gpus(settings: Settings) -> int:
    """GPUs of this machine that the settings let workers use."""
    import torch

    return torch.cuda.device_count() if settings.device in ("auto", "cuda") else int(settings.device != "cpu")


def _useful_workers(settings: Settings, jobs: Iterable[Job]) -> int:
    """Processes that the cores and the memory serve, and that all have a long segment to make; 1 where it is not known.

    What is shorter is done before Ray has started.
    """
    from vsr.inference.hardware import memory_bytes, usable_cores

    cores = int(usable_cores() / max(settings.num_cpus, settings.torch_threads))
    shares, most_bytes, memory = 0, 0, 0.0
    for job in jobs if cores > 1 else ():
        shares += _num_shares(job)
        most_bytes = max(most_bytes, _bytes_of_worker(job))
        memory = memory_bytes(job.prepared.torch_device) * _MEMORY_SHARE
        if shares >= cores:
            break
    return max(1, min(cores, shares, int(memory / most_bytes))) if shares else 1


def _num_shares(job: Job) -> int:
    """Workers that ``job`` keeps busy for longer than they take to start: each with a whole segment at least."""
    weight = _INTERPOLATION_WEIGHT if job.evidence == "interpolation" else 1
    num_frames = job.num_frames_from_header
    pixels = num_frames * job.out_width * job.out_height * weight
    return min(num_frames // job.settings.segment_frames, int(pixels / _SHARE_PIXELS))


def _bytes_of_worker(job: Job) -> int:
    return _LIBRARIES_BYTES + job.prepared.capabilities.bytes_per_pixel * job.out_width * job.out_height

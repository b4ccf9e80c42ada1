"""Which executor a run gets."""

from __future__ import annotations

import os
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from vsr.distributed.in_process import InProcess
from vsr.errors import UsageError, VsrError
from vsr.pipeline.executor import Executor
from vsr.pipeline.objects import is_url
from vsr.pipeline.settings import Settings

if TYPE_CHECKING:
    from vsr.pipeline.job import Job
    from vsr.pipeline.request import Request

__all__ = ["choose_executor"]

_LIBRARIES_BYTES = 800 << 20
_SHARE_PIXELS = 10e6  # of the output, in half a minute by the methods that are quick and no interpolation
_INTERPOLATION_WEIGHT = 0.02  # of such a pixel's time
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
        workers = workers or _num_gpus(settings) or _useful_workers(settings, requests)
        if workers == 1:
            return InProcess()
    from vsr.distributed.ray import RayExecutor

    return RayExecutor(workers, ray)


def _num_gpus(settings: Settings) -> int:
    """GPUs of this machine that the settings let workers use."""
    import torch

    return torch.cuda.device_count() if settings.device in ("auto", "cuda") else int(settings.device != "cpu")


def _useful_workers(settings: Settings, requests: Sequence[Request]) -> int:
    """Processes that the cores and the memory serve, and that all have a long segment to make; 1 where it is not known.

    What is shorter is done before Ray has started.
    """
    cores = int(len(os.sched_getaffinity(0)) / max(settings.num_cpus, settings.torch_threads))
    jobs: list[Job] = []
    for request in requests[:cores] if cores > 1 else ():
        try:
            jobs += [] if is_url(request.source) else [request.plan()]
        except VsrError:
            continue  # its own run says what is wrong with it
    if not jobs:
        return 1
    from vsr.inference.hardware import memory_bytes

    memory = memory_bytes(jobs[0].prepared.torch_device) * _MEMORY_SHARE
    fitting = int(memory / max(_bytes_of_worker(job) for job in jobs))
    return max(1, min(cores, fitting, sum(map(_num_shares, jobs))))


def _num_shares(job: Job) -> int:
    """Workers that ``job`` keeps busy for longer than they take to start: each with a whole segment at least."""
    weight = _INTERPOLATION_WEIGHT if job.evidence == "interpolation" else 1
    num_frames = _num_frames(job)
    pixels = num_frames * job.out_width * job.out_height * weight
    return min(num_frames // job.settings.segment_frames, int(pixels / _SHARE_PIXELS))


def _bytes_of_worker(job: Job) -> int:
    return _LIBRARIES_BYTES + job.prepared.capabilities.bytes_per_pixel * job.out_width * job.out_height


def _num_frames(job: Job) -> int:
    """Frames that are requested, by the header; 0 where that does not say."""
    video, span = job.video, job.span
    rate = video.average_rate or video.base_rate or Fraction(25)

    def ordinal(place: int | Fraction | None, otherwise: int) -> int:
        if place is None:
            return otherwise
        return min(otherwise, place if isinstance(place, int) else int(place * rate))

    whole = video.num_frames_from_header
    return max(0, ordinal(span.stop, whole) - (ordinal(span.start, whole) if span.start is not None else 0))

"""Workers that take each step of a training together: Ray places them, torch's process group (gloo) joins them.

Ray Train would do the placing, too, but it needs packages (pyarrow, pandas and others) that nothing else here does.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

from vsr.distributed.ray import cluster
from vsr.distributed.room import check_room
from vsr.errors import MachineError, UsageError, VsrError

__all__ = ["run_together"]

_JOIN_SECONDS = 120.0

Part = Callable[[int], Iterator[Any]]
"""From a worker's number to what it does; worker 0 reports progress. Pickled, so no local function."""


class _Member:
    """One worker."""

    def meeting_place(self) -> str:
        """Where the others find this one: its own address and a free port."""
        import ray

        host = str(ray.util.get_node_ip_address())  # type: ignore[no-untyped-call]
        with socket.socket() as probe:
            probe.bind((host, 0))
            return f"tcp://{host}:{probe.getsockname()[1]}"

    def run(self, part: Part, rank: int, world: int, place: str, folder: Path) -> Iterator[Any]:
        """What ``part`` yields as worker ``rank``, inside a process group; in ``folder``, if it is there."""
        from datetime import timedelta

        from torch import distributed

        os.chdir(folder if os.access(folder, os.X_OK) else "/")  # relative paths are the caller's, or lead nowhere
        if place.startswith("tcp://127."):
            os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
        timeout = timedelta(seconds=_JOIN_SECONDS)
        distributed.init_process_group("gloo", init_method=place, rank=rank, world_size=world, timeout=timeout)
        try:
            distributed.barrier()  # a worker that has nothing to do would be gone before all are connected
            yield from part(rank)
        finally:
            distributed.destroy_process_group()


def run_together(part: Part, workers: int, address: str | None, num_gpus: float = 0.0) -> Generator[Any]:
    """What worker 0 of ``workers`` yields; all run at once and meet in torch's collective operations.

    ``address`` is that of a Ray cluster; None starts one on this machine. An error of any worker ends all: what it
    raised is raised here, `MachineError` where a worker was lost, `UsageError` where there is no room for all.
    """
    if workers < 1:
        raise UsageError(f"--workers {workers}: at least one is needed")
    import ray
    import ray.exceptions

    with cluster(address, workers):
        check_room(workers, 1, num_gpus)
        kind: Any = ray.remote(_Member).options(num_cpus=1, num_gpus=num_gpus, max_restarts=0, max_task_retries=0)
        members: list[Any] = [kind.remote() for _ in range(workers)]
        try:
            place = ray.get(members[0].meeting_place.remote())
            streams = [
                member.run.options(num_returns="streaming").remote(part, rank, workers, place, Path.cwd())
                for rank, member in enumerate(members)
            ]
            for answer in streams[0]:
                yield ray.get(answer)
            for stream in streams[1:]:
                for answer in stream:
                    ray.get(answer)
        except ray.exceptions.RayTaskError as error:
            raise _own_error(error, streams) from error
        except ray.exceptions.RayActorError as error:
            raise MachineError("a training worker was lost; the same command goes on from the checkpoint") from error
        finally:
            for member in members:
                ray.kill(member)


def _others(streams: list[Any]) -> list[Exception]:
    """What the other workers failed of, soon after one did."""
    import ray

    found: list[Exception] = []
    for stream in streams[1:]:
        try:
            for answer in stream:
                ray.get(answer, timeout=_JOIN_SECONDS)
        except Exception as error:
            found.append(error)
    return found


def _own_error(error: Exception, streams: list[Any]) -> Exception:
    """What was wrong, rather than that a connection broke: of worker 0, else of another."""
    first = getattr(error, "cause", error)
    if isinstance(first, VsrError):
        return first
    for other in _others(streams):
        cause = getattr(other, "cause", other)
        if isinstance(cause, VsrError):
            return cause
    text = " ".join(str(first).split())
    return MachineError(f"a training worker failed: {text[:300]}")

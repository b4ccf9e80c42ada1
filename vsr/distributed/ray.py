"""Workers as Ray actors, on this machine or a cluster.

Placement, node loss, autoscaling and logs are Ray's; which actor does what is decided in `dispatch`.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from vsr.distributed.actor import Actor
from vsr.distributed.checks import ClusterChecks
from vsr.distributed.dispatch import Dispatcher, Event, Host, Limits, Work, WorkerInfo
from vsr.distributed.files import Files
from vsr.distributed.interrupts import gentle_interrupts
from vsr.distributed.metrics import Measured, counted
from vsr.distributed.room import check_room, gpus_each, shortage
from vsr.distributed.work import VideoHost

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read on import
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
os.environ.setdefault("RAY_worker_niceness", "5")  # Ray's 15 gets 3 % of a core beside one other busy program

import ray
import ray.exceptions

from vsr.errors import MachineError, UsageError
from vsr.pipeline.executor import OnOutcome
from vsr.pipeline.progress import OnProgress
from vsr.pipeline.request import Request

__all__ = ["RayExecutor", "RayPool", "cluster"]

_log = logging.getLogger(__name__)
_CONNECT_SECONDS = 5.0
_START_TRIES, _RESTART_TRIES = 3, 20
_IDLE_SECONDS = 0.05
_GATHER_SECONDS = 30.0
_PATIENCE_SECONDS = 20.0
_STORE_BYTES = 80 << 20


@dataclass(frozen=True)
class _Shared:
    """A job in Ray's object store."""

    ref: Any

    def get(self) -> Any:
        return ray.get(self.ref)


class RayPool:
    """A fixed number of actors, each lost one replaced; see `vsr.distributed.dispatch.Pool`."""

    def __init__(
        self,
        count: int,
        make_host: Callable[[], Host],
        *,
        num_cpus: float = 1.0,
        num_gpus: float = 0.0,
        check: Callable[[WorkerInfo], None] = lambda info: None,
        gather_seconds: float = 0.0,
    ) -> None:
        """``check`` refuses workers by raising `MachineError`.

        No worker counts as ready before all of them were checked, or none has come for ``gather_seconds``. Until
        then one that is refused ends the run, which has done nothing yet; one that comes later is left out.
        """
        self._make_host, self._check = make_host, check
        self._actor_class = ray.remote(Actor).options(
            num_cpus=num_cpus, num_gpus=num_gpus, max_restarts=0, max_task_retries=0, scheduling_strategy="SPREAD"
        )
        self._actors: dict[str, Any] = {}
        self._coming: dict[Any, str] = {}  # answers to `describe` that are awaited
        self._running: dict[Any, str] = {}  # streams of items
        self._number = 0
        self._failed_starts, self._has_worked = 0, False
        self._gather_seconds, self._gathered_at = gather_seconds, time.monotonic()
        self._is_gathering, self._gathered = True, list[Event]()
        self._needs, self._tell_at = (num_cpus, num_gpus), time.monotonic() + _PATIENCE_SECONDS
        for _ in range(count):
            self._add()

    def close(self) -> None:
        """End all actors."""
        for actor in self._actors.values():
            ray.kill(actor)
        self._actors, self._coming, self._running = {}, {}, {}

    def start(self, worker: str, work: Work) -> None:
        """See `vsr.distributed.dispatch.Pool`."""
        stream = self._actors[worker].run.options(num_returns="streaming").remote(work)
        self._running[stream] = worker

    def end(self, worker: str) -> None:
        """See `vsr.distributed.dispatch.Pool`."""
        self._running = {stream: name for stream, name in self._running.items() if name != worker}
        ray.kill(self._actors.pop(worker))
        self._add()

    def wait(self, timeout: float) -> list[Event]:
        """See `vsr.distributed.dispatch.Pool`."""
        events = self._wait(timeout)
        return self._gather(events) if self._is_gathering else events

    def _gather(self, events: list[Event]) -> list[Event]:
        """Keep first workers back until there are no more to come."""
        now = time.monotonic()
        if events or not self._gathered:
            self._gathered_at = now
        self._gathered += events
        if self._coming and (not self._gathered or now - self._gathered_at < self._gather_seconds):
            if self._gather_seconds and not self._gathered and now > self._tell_at:
                missing = shortage(*self._needs)
                self._tell_at = float("inf") if missing else now + _PATIENCE_SECONDS
                if missing:
                    _log.warning("waiting for %s", missing)
            return []
        self._is_gathering = False
        return self._gathered

    def _wait(self, timeout: float) -> list[Event]:
        waited = [*self._running, *self._coming]
        if not self._actors:
            raise MachineError("no worker is left")
        if not waited:  # all are idle
            time.sleep(min(timeout, _IDLE_SECONDS))
            return []
        ready, _ = ray.wait(waited, num_returns=1, timeout=timeout, fetch_local=False)
        if ready and len(waited) > 1:
            ready, _ = ray.wait(waited, num_returns=len(waited), timeout=0, fetch_local=False)
        return [event for one in ready for event in self._heard(one)]

    def _add(self) -> None:
        self._number += 1
        name = f"worker-{self._number}"
        self._actors[name] = self._actor_class.remote(self._make_host)
        self._coming[self._actors[name].describe.remote()] = name

    def _heard(self, one: Any) -> Iterator[Event]:
        if one in self._coming:
            yield from self._receive(one)
            return
        worker = self._running[one]
        try:
            yield Event(worker, "item", ray.get(next(one)))
        except StopIteration:
            del self._running[one]
            yield Event(worker, "done")
        except ray.exceptions.RayTaskError as error:
            del self._running[one]
            yield Event(worker, "failed", _cause(error))
        except ray.exceptions.RayError as error:
            del self._running[one]
            yield self._drop_worker(worker, error)

    def _receive(self, answer: Any) -> Iterator[Event]:
        worker = self._coming.pop(answer)
        try:
            info = replace(ray.get(answer), id=worker)
            self._check(info)
        except MachineError as error:
            if self._is_gathering:
                raise
            _log.warning("a machine that came later is not used: %s", error)
            ray.kill(self._actors.pop(worker))
            return
        except ray.exceptions.RayError as error:
            self._failed_starts += 1
            if self._failed_starts >= (_RESTART_TRIES if self._has_worked else _START_TRIES):
                raise MachineError(f"workers do not start: {_first_line(_cause(error))}") from error
            self._drop_worker(worker, error)
            return
        self._failed_starts, self._has_worked = 0, True
        yield Event(worker, "ready", info)

    def _drop_worker(self, worker: str, error: Exception) -> Event:
        actor = self._actors.pop(worker)
        ray.kill(actor)
        self._add()
        return Event(worker, "lost", MachineError(f"its worker was lost: {_first_line(error)}"))


def _cause(error: Exception) -> Exception:
    """What a worker raised, as it raised it."""
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, Exception) else error


def _first_line(error: Exception) -> str:
    """Ray's messages are pages long; this is what they say."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    why = [line for line in lines if line.startswith("The actor is dead because")]
    line = (why or lines or [type(error).__name__])[0].partition(" Worker exit detail:")[0]
    if line.endswith(":"):  # of a list
        line = " ".join(lines)
    return " ".join(line.split()).rstrip(".")[:300]


def _quiet_errors() -> None:
    """What Ray's daemons complain of goes to our log: it prints it between our lines on standard output otherwise."""

    def log(data: dict[str, Any], ignore_prefix: bool) -> None:
        _log.info("%s: %s", data.get("pid"), " ".join(data.get("lines", ())))

    ray._private.worker.print_to_stdstream = log  # no public switch covers these


@contextmanager
def cluster(address: str | None, num_cpus: int) -> Iterator[None]:
    """Ray, for as long as the context lasts: the cluster at ``address``, or one of our own with ``num_cpus`` cores.

    One that this process is connected to already is used as it is. Raises `MachineError` where it cannot be reached.
    """
    if ray.is_initialized():
        yield
        return
    with _own_signals():
        _join(address, num_cpus)
    try:
        yield
    finally:
        ray.shutdown()


def _join(address: str | None, num_cpus: int) -> None:
    _quiet_errors()
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": False}
    if address is None:
        quiet |= {"num_cpus": num_cpus, "include_dashboard": False, "object_store_memory": _STORE_BYTES}
        try:
            with _silence():
                ray.init(address="local", _node_ip_address="127.0.0.1", **quiet)  # whatever else runs on this machine
        except Exception as error:  # Ray raises just that where its processes do not come up in time
            raise MachineError(
                f"Ray does not start on this machine: {_first_line(error)}; --workers 1 does without it"
            ) from error
    else:
        _connect(address, quiet)


@contextmanager
def _own_signals() -> Iterator[None]:
    """Ray puts in handlers of its own, which end the process without tidying; ours come back."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _connect(address: str, quiet: dict[str, Any]) -> None:
    try:
        with _silence():
            _knock(address)
            ray.init(address=address, **quiet)
    except (ConnectionError, ray.exceptions.AuthenticationError) as error:
        raise MachineError(_refusal(address, error)) from error
    except ray.exceptions.RpcError as error:
        raise MachineError(f"no Ray cluster answers at {address}: {_first_line(error)}") from error
    except (RuntimeError, ValueError, OSError) as error:
        raise MachineError(f"cannot join the Ray cluster at {address}: {_first_line(error)}") from error


def _refusal(address: str, error: Exception) -> str:
    """Why a cluster cannot be joined. One that answers, and still fails, most likely wants a token."""
    if "Could not find any running Ray instance" in str(error):
        return "no Ray cluster runs on this machine; start one with `ray start --head`"
    where = "on this machine" if address == "auto" else f"at {address}"
    return (
        f"the Ray cluster {where} does not let us in; if it wants a token, set RAY_AUTH_MODE=token, and "
        "RAY_AUTH_TOKEN to the token itself"
    )


def _knock(address: str) -> None:
    """Refuse early what would take Ray 20 s to minutes to give up."""
    if address != "auto":
        host, sign, port = address.rpartition(":")
        if "://" in address or not sign or not port.isdigit():
            raise UsageError(f"--ray {address}: want auto or HOST:PORT, for example 10.0.0.1:6379")
        try:
            socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS).close()
        except OSError as error:
            raise MachineError(f"no Ray cluster answers at {address}: {error.strerror or error}") from error
    found = ray._private.services.canonicalize_bootstrap_address_or_die(address)
    ray._raylet.GcsClient(address=found)  # type: ignore[attr-defined]  # of a compiled module


@contextmanager
def _silence() -> Iterator[None]:
    """Ray prints to standard error whatever its log level; its messages on failure are in its exceptions, too."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere, redirect_stderr(nowhere):  # noqa: PTH123
            os.dup2(nowhere.fileno(), 2)
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


class RayExecutor:
    """Restores a batch with a pool of actors; see `vsr.pipeline.executor.Executor`."""

    def __init__(
        self,
        workers: int | None,
        address: str | None,
        host: Callable[[str, Sequence[Path]], Host] = VideoHost,
    ) -> None:
        """``workers`` None: as many as the cluster has room for. ``address`` None: a cluster of our own.

        ``host`` makes what a worker is, from the device and the paths it should see.
        """
        self.workers, self._address, self._host = workers, address, host

    def run(self, requests: Sequence[Request], on_progress: OnProgress, on_outcome: OnOutcome) -> None:
        """See `vsr.pipeline.executor.Executor.run`."""
        settings = requests[0].settings
        with cluster(self._address, os.cpu_count() or 1):
            num_gpus = gpus_each(settings)
            hint = ", or for less each by --set {key}=…"
            room = check_room(self.workers or 1, settings.num_cpus, num_gpus, hint)
            checks = ClusterChecks(requests, self._address is not None)
            pool = RayPool(
                self.workers or room,
                partial(self._host, settings.device, checks.must_see),
                num_cpus=settings.num_cpus,
                num_gpus=num_gpus,
                check=checks.check,
                gather_seconds=_GATHER_SECONDS if self._address is not None else 0.0,
            )
            files = Files(requests, lambda job: _Shared(ray.put(job)), on_progress, counted(on_outcome))
            limits = Limits(settings.attempts, settings.stall_seconds)
            try:
                with gentle_interrupts(_tell_stopping) as is_stopping:
                    Dispatcher(pool, Measured(files), limits).run(is_stopping)
            finally:
                pool.close()
                files.close()
                checks.close()


def _tell_stopping() -> None:
    print("vsr: finishing the segments that are being made; Ctrl-C again stops now", file=sys.stderr)  # noqa: T201

"""The queue: jobs one at a time, each a process of the command line, which a kill of either loses nothing of.

All changes are made in the event loop's thread and are on the disk before they are answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import shlex
import signal
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Literal

from vsr.api.upscaling import done_before, plan
from vsr.errors import InputError, MachineError, UsageError, VsrError
from vsr.pipeline.lease import Lease
from vsr.pipeline.run import work_folder
from vsr.stills.write import record_path
from vsr.studio.choices import CHOICES, Choice, Order, UpscaleChoice, parse_choice
from vsr.studio.jobs import Goal, Job, JobStore, State, now
from vsr.studio.metrics import Tally
from vsr.studio.places import Root

__all__ = ["Action", "Queue", "command_of"]

_log = logging.getLogger(__name__)

Action = Literal["pause", "resume", "cancel", "remove", "up", "down", "first", "last", "raise", "lower"]

_MOST_JOBS = 1000
_LINE_BYTES = 1 << 20  # of what a run says of itself
_STOP_SECONDS = 20.0  # after which a run that was asked to end is killed
_KEPT_LINES = 20
_PATIENCE_SECONDS = 5.0  # after the disk has refused
_PRIORITIES = range(-1, 2)


class Queue:
    """Holds the jobs and runs them. `run` is to be running; `close` ends what it runs."""

    def __init__(self, root: Root, *, ray: str | None = None) -> None:
        self._root, self._ray = root, ray
        self.tally = Tally()
        self.store = JobStore(root.state)
        self._orders: dict[str, Order] = {}
        self._jobs: dict[str, Job] = {job.id: job for job in self.store.load() if self._is_sound(job)}
        self._wake = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._running: str | None = None
        self._unsaved: set[str] = set()  # jobs that the disk does not have as they are
        self._closing = asyncio.Event()
        self._ending: asyncio.Future[None] | None = None
        self.version = 0
        """Rises with every change."""

    def jobs(self) -> list[Job]:
        """What runs or is to run, in that order, then what is finished, the latest first."""
        waiting = sorted(
            (job for job in self._jobs.values() if job.is_unfinished),
            key=lambda job: (job.state not in ("running", "pausing"), -job.priority, job.order),
        )
        rest = sorted(
            (job for job in self._jobs.values() if not job.is_unfinished),
            key=lambda job: job.finished or "",
            reverse=True,
        )
        return [*waiting, *rest]

    def get(self, key: str) -> Job:
        """Raises `InputError` for a job that is not there."""
        job = self._jobs.get(key)
        if job is None:
            raise InputError("there is no such job any more")
        return job

    def taken(self) -> frozenset[Path]:
        """Outputs of jobs that may still make them."""
        return frozenset(self.order_of(job).output for job in self._jobs.values() if job.state != "done")

    def order_of(self, job: Job) -> Order:
        """Its command. Raises `UsageError`."""
        if job.id not in self._orders:
            self._orders[job.id] = self._order(job)
        return self._orders[job.id]

    def _order(self, job: Job) -> Order:
        """The same, made of its choice again: its names are looked at as they are now."""
        kind = CHOICES.get(job.kind)
        if kind is None or not isinstance(job.choice.get("output"), str):
            raise UsageError(f"job {job.id} is of no kind that is known")
        return parse_choice(kind, job.choice).order(self._root)

    def add(self, kind: str, choice: Choice) -> Job:
        """Put a job with a settled choice at the end. Raises `UsageError`, `MachineError`."""
        if len(self._jobs) >= _MOST_JOBS:
            raise UsageError(f"the queue holds {_MOST_JOBS} jobs; remove some that are done")
        job = Job(
            id=self.store.fresh_id(),
            kind=kind,
            choice=choice.model_dump(mode="json"),
            order=1 + max((one.order for one in self._jobs.values()), default=0),
            added=now(),
        )
        self._set(job)
        return job

    async def act(self, key: str, action: Action) -> None:
        """Do what a button says. Raises `UsageError` where that makes no sense now, `InputError`, `MachineError`."""
        job = self.get(key)
        if action in ("up", "down", "first", "last"):
            self._move(job, action)
        elif action in ("raise", "lower"):
            step = 1 if action == "raise" else -1
            self._set(replace(job, priority=min(max(job.priority + step, _PRIORITIES[0]), _PRIORITIES[-1])))
        elif action == "resume":
            self._expect(job, action, "paused", "failed", "cancelled")
            self._set(replace(job, state="waiting", error=None, finished=None))
        elif action == "pause":
            self._expect(job, action, "waiting", "running")
            self._stop(job, "paused", signal.SIGINT)
        elif action == "cancel":
            self._expect(job, action, "waiting", "running", "pausing", "paused")
            self._stop(job, "cancelled", signal.SIGTERM)
        else:
            self._expect(job, action, "waiting", "paused", "done", "failed", "cancelled")
            await self._remove(job)

    async def run(self) -> None:
        """Run jobs as long as there are any, and wait for more; until cancelled or closed."""
        while not self._closing.is_set():
            try:
                self._save_rest()
                job = next((job for job in self.jobs() if job.state == "waiting"), None)
                if job is not None:
                    await self._try(job)
                    continue
            except MachineError as error:
                _log.error("%s", error)
                with contextlib.suppress(TimeoutError):  # a full disk may be cleared
                    await asyncio.wait_for(self._closing.wait(), _PATIENCE_SECONDS)
                continue
            self._wake.clear()
            await self._wake.wait()

    async def close(self) -> None:
        """Stop what runs; it goes on when the studio is started again. `run` then notes down how it ended, and ends."""
        self._closing.set()
        self._wake.set()
        if self._process is not None:
            await self._end(self._process, signal.SIGTERM)

    def _is_sound(self, job: Job) -> bool:
        try:
            self.order_of(job)
        except UsageError as error:
            _log.warning("job %s of this folder is left as it is: %s", job.id, error)
            return False
        return True

    def _expect(self, job: Job, action: str, *states: State) -> None:
        if job.state not in states:
            raise UsageError(f"cannot {action} a job that is {job.state}")

    def _set(self, job: Job) -> None:
        """Change a job once the disk has taken the change. Raises `MachineError`."""
        self.store.save([job])
        self._unsaved.discard(job.id)
        self._show(job)

    def _note(self, job: Job) -> None:
        """Write down what has happened already: it holds, and is saved later, where the disk refuses it now.

        Raises `MachineError`.
        """
        self._unsaved.add(job.id)
        self._show(job)
        self._save_rest()

    def _save_rest(self) -> None:
        for key in sorted(self._unsaved):
            self.store.save([self._jobs[key]])
            self._unsaved.discard(key)

    def _show(self, job: Job) -> None:
        self._jobs[job.id] = job
        self.version += 1
        self._wake.set()

    def _move(self, job: Job, action: Action) -> None:
        line = [one for one in self.jobs() if one.state in ("waiting", "paused") and one.priority == job.priority]
        if job not in line:
            raise UsageError(f"a job that is {job.state} has no place in the queue")
        place = line.index(job)
        goal = {"up": place - 1, "down": place + 1, "first": 0, "last": len(line) - 1}[action]
        goal = min(max(goal, 0), len(line) - 1)
        line.insert(goal, line.pop(place))
        orders = sorted(one.order for one in line)
        for one, order in zip(line, orders, strict=True):
            if one.order != order:
                self._set(replace(one, order=order))

    def _stop(self, job: Job, goal: Goal, number: signal.Signals) -> None:
        if job.id != self._running:
            self._set(replace(job, goal=goal).stopped())
            return
        if self._process is None:
            raise UsageError("this job is just starting; try again in a moment")
        if goal == "cancelled":
            self._ending = asyncio.ensure_future(self._end(self._process, number))
        else:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)
        self._note(replace(job, state="pausing", goal=goal))

    async def _remove(self, job: Job) -> None:
        self.store.forget(job)
        self._unsaved.discard(job.id)
        del self._jobs[job.id]
        self._orders.pop(job.id, None)
        self.version += 1
        if job.kind == "upscale" and job.state != "done" and job.started is not None:
            await asyncio.to_thread(self._clear_work, job)

    def _clear_work(self, job: Job) -> None:
        """Remove the finished segments of a job that is given up."""
        try:
            choice = parse_choice(UpscaleChoice, job.choice)
            order = choice.order(self._root)
            planned = plan(order.input, order.output, preset=choice.preset, settings=choice.settings(self._root))
            work = work_folder(planned, None)
            if not work.is_there():
                return
            lease = Lease(work, str(order.output))
            lease.acquire()
            try:
                work.remove()
            finally:
                lease.release()
        except VsrError as error:  # the input has gone, or another run has it: a later run may clear it
            _log.warning("%s", error)

    async def _try(self, job: Job) -> None:
        try:
            await self._run(job)
        except MachineError:
            raise
        except Exception as error:  # of one job, which must not hold up the others
            _log.exception("job %s", job.id)
            why = f"unexpected {type(error).__name__}: {error}; this is a bug"
            if job.id in self._jobs:
                self._note(replace(self._jobs[job.id], state="failed", goal=None, finished=now(), error=why))

    async def _run(self, job: Job) -> None:
        words, refusal = None, None
        try:
            words = await asyncio.to_thread(self._left, job)
        except VsrError as error:  # what it names leads elsewhere by now
            refusal = str(error)
        if self._closing.is_set() or self._jobs.get(job.id) != job:
            return
        if refusal is not None:
            self._note(replace(job, state="failed", finished=now(), error=refusal))
            return
        if words is None:
            self._note(replace(job, state="done", finished=now()))
            return
        self._set(replace(job, state="running", started=job.started or now(), error=None, progress=None))
        self._running, began = job.id, time.monotonic()
        self.tally.begin()
        complaints: deque[str] = deque(maxlen=_KEPT_LINES)
        code = 1
        try:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "vsr.studio.child", str(os.getpid()), *words),
                cwd=self._root.folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                limit=_LINE_BYTES,
                start_new_session=True,  # Ctrl-C in the terminal is the studio's to hear
            )
            if self._closing.is_set():  # meanwhile
                self._ending = asyncio.ensure_future(self._end(self._process, signal.SIGTERM))
            assert self._process.stdout is not None
            assert self._process.stderr is not None
            await asyncio.gather(self._listen(job.id, self._process.stdout), _gather(self._process.stderr, complaints))
            code = await self._process.wait()
        except OSError as error:
            complaints.append(f"vsr: no process can be started ({error.strerror or error})")
        finally:
            if self._process is not None and self._process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    self._process.kill()
            self._process, self._running = None, None
        self._conclude(job.id, code, complaints, time.monotonic() - began)

    def _conclude(self, key: str, code: int, complaints: Sequence[str], seconds: float) -> None:
        job = self._jobs[key]
        job = replace(job, seconds=round(job.seconds + seconds, 3))
        self.tally.seconds += seconds
        if code == 0:
            job = replace(job, state="done", goal=None, finished=now())
        elif job.goal is not None or self._closing.is_set():
            job = job.stopped()
        else:
            said = next((line for line in reversed(complaints) if line.startswith("vsr: ")), None)
            why = said.removeprefix("vsr: ") if said else f"the run ended with code {code} and gave no reason"
            job = replace(job, state="failed", finished=now(), error=why)
        self.tally.ended[job.kind, job.state] += 1
        if job.state == "done":
            with contextlib.suppress(OSError):  # a folder's is that of no file
                self.tally.output_bytes += self.order_of(job).output.stat().st_size
        self._note(job)

    def _left(self, job: Job) -> list[str] | None:
        """What is to be run, with what makes it report; None where an earlier run did it all.

        A studio that was killed may not have written down what its run had finished.
        """
        order = self._order(job)
        if job.kind == "upscale":
            if job.started is not None and self._has_made(job, order):
                has_page = order.page is None or order.page.exists()
                return None if has_page else ["report", str(order.output)]
            ray = [] if self._ray is None else ["--ray", self._ray]
            return [*order.words, *ray, "--json-lines", "--preview", str(self.store.newest(job))]
        if job.kind == "still" and job.started is not None and _is_still_of(order.output, order.input, job.started):
            has_page = order.page is None or order.page.exists()
            return None if has_page else ["report", str(order.output)]
        return [*order.words, "--json-lines"]

    def _has_made(self, job: Job, order: Order) -> bool:
        try:
            choice = parse_choice(UpscaleChoice, job.choice)
            outcome = done_before(
                order.input,
                order.output,
                preset=choice.preset,
                start=choice.start,
                end=choice.end,
                settings=choice.settings(self._root),
            )
        except VsrError:
            return False  # the run itself says what is wrong
        return outcome is not None

    async def _listen(self, key: str, stream: asyncio.StreamReader) -> None:
        async for line in stream:
            try:
                event = json.loads(line)
            except ValueError:
                continue  # not for us
            if isinstance(event, dict) and event.get("event") in ("progress", "step"):
                # in memory alone: the work folder knows how far a run is, the file only what is to be run
                self._jobs[key] = replace(self._jobs[key], progress=event)
                self.tally.hear(event)
                self.version += 1

    async def _end(self, process: asyncio.subprocess.Process, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        try:
            await asyncio.wait_for(process.wait(), _STOP_SECONDS)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _gather(stream: asyncio.StreamReader, lines: deque[str]) -> None:
    async for line in stream:
        lines.append(line.decode(errors="replace").strip())


def command_of(words: Sequence[str]) -> str:
    """What to type to do the same without the studio."""
    return shlex.join(["vsr", *words])


def _is_still_of(output: Path, source: Path, since: str) -> bool:
    """Whether ``output`` is a still of ``source``, made after a time."""
    try:
        record = json.loads(record_path(output).read_text(encoding="utf-8"))
        written = datetime.fromisoformat(record["written"])
        began = datetime.fromisoformat(since).replace(microsecond=0)  # records hold whole seconds
        return bool(record["input"]["path"] == str(source) and written >= began)
    except (OSError, ValueError, KeyError, TypeError):
        return False

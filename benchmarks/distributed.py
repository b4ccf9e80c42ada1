"""How well work is shared out to workers. Prints Markdown.

    python benchmarks/distributed.py [scaling] [scheduling] [memory] [loss]

All figures are ratios or come from one run on one machine; sources are made on the spot.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import psutil
import ray

from vsr.distributed.dispatch import Dispatcher, Limits, Task, WorkerInfo

ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])


class Sleeper:
    """A host that needs nothing."""

    def describe(self) -> WorkerInfo:
        """See `vsr.distributed.dispatch.Host`."""
        assert "torch" not in sys.modules
        return WorkerInfo("", "here", "sleeper")


@dataclass(frozen=True)
class Sleep:
    """A segment without arithmetic."""

    seconds: float

    def run(self, host: Sleeper) -> Iterator[Any]:
        """Yields twice, as a segment does at least."""
        yield 0
        time.sleep(self.seconds)
        yield self.seconds


@dataclass
class Sleeps:
    """A workload of equal sleeps."""

    count: int
    seconds: float
    given: int = 0
    items: int = 0
    failures: int = 0
    retries: int = 0
    began: float = 0.0
    workers: set[str] = field(default_factory=set)
    wait_for: int = 0
    """Workers that must have come before the first task is given out."""

    def next_task(self, worker: WorkerInfo, num_workers: int) -> Task | None:
        """See `vsr.distributed.dispatch.Workload`."""
        self.workers.add(worker.id)
        if len(self.workers) < self.wait_for or self.given == self.count:
            return None
        self.began = self.began or time.perf_counter()
        self.given += 1
        return Task(Sleep(self.seconds))

    def item(self, task: Task, item: Any) -> None:
        """See `vsr.distributed.dispatch.Workload`."""
        self.items += 1

    def retry(self, task: Task) -> None:
        """See `vsr.distributed.dispatch.Workload`."""
        self.retries += 1

    def failed(self, task: Task) -> None:
        """See `vsr.distributed.dispatch.Workload`."""
        self.failures += 1

    def tick(self) -> None:
        """See `vsr.distributed.dispatch.Workload`."""

    def is_finished(self) -> bool:
        """See `vsr.distributed.dispatch.Workload`."""
        return self.given == self.count

    def unfit(self, kinds: set[str]) -> None:
        """See `vsr.distributed.dispatch.Workload`."""


def _sleep(workers: int, count: int, seconds: float, disturb: Callable[[Sleeps], None] | None = None) -> Sleeps:
    """Run a workload of sleeps to its end; ``began`` becomes the time it took from the first task on."""
    from vsr.distributed.ray import RayPool

    load = Sleeps(count, seconds, wait_for=workers)
    pool = RayPool(workers, Sleeper, num_cpus=0.001)
    if disturb is not None:
        threading.Thread(target=disturb, args=(load,), daemon=True).start()
    try:
        Dispatcher(pool, load, Limits()).run()
    finally:
        pool.close()
    load.began = time.perf_counter() - load.began
    assert not load.failures
    return load


def scheduling(folder: Path) -> None:
    """64 sleeping workers and 2,000 segments against the ideal; and what a segment costs the loop."""
    from vsr.distributed.ray import cluster

    with cluster(None, 2):
        began = time.perf_counter()
        workers, count, seconds = 64, 2000, 1.0
        load = _sleep(workers, count, seconds)
        start = time.perf_counter() - began - load.began
        ideal = -(-count // workers) * seconds
        print("| scheduling | |\n|---|---|")
        what = f"{workers} workers, {count:,} segments of {seconds:g} s: ideal ÷ real makespan"
        print(f"| {what} | {ideal / load.began:.3f} |")
        print(f"| start of the {workers} workers (not in the ratio) | {start:.1f} s |")
        empty = _sleep(4, 2000, 0.0)
        print(f"| a segment that does nothing, 4 workers | {empty.began / 2000 * 1e3:.1f} ms |")


def loss(folder: Path) -> None:
    """One of four workers killed half-way."""
    from vsr.distributed.ray import cluster

    def kill(load: Sleeps) -> None:
        while load.given < 200:
            time.sleep(0.01)
        victim = next(p for p in psutil.Process().children(recursive=True) if p.name().startswith("ray::Actor"))
        victim.kill()

    with cluster(None, 2):
        load = _sleep(4, 400, 0.1, kill)
        print("| one of four workers killed half-way, 400 segments | |\n|---|---|")
        print(f"| segments made again | {load.retries} |")
        print(f"| ideal makespan of four ÷ real | {10 / load.began:.3f} |")


def scaling(folder: Path) -> None:
    """One worker against two on a method that computes, each on one core; and the start of a pool."""
    from pipeline import make_source

    import vsr
    from vsr.distributed.ray import RayExecutor

    source = folder / "source.mp4"
    make_source(source, 384, 320, 240)
    settings = {"scale": 2, "speed": "ultrafast", "encoder_threads": 1, "segment_frames": 48, "quality": "draft"}
    seconds, bytes_of = {}, {}
    for workers in (1, 2):
        heard: list[float] = []
        target = folder / f"out-{workers}.mp4"
        began = time.perf_counter()
        vsr.upscale(
            source,
            target,
            settings=settings,
            executor=RayExecutor(workers, None),
            on_progress=lambda progress, heard=heard: heard.append(time.perf_counter()),
        )
        seconds[workers] = time.perf_counter() - heard[0]
        bytes_of[workers] = target.read_bytes()
        print(
            f"start until the first segment is under way, {workers} workers: {heard[0] - began:.1f} s", file=sys.stderr
        )
    assert bytes_of[1] == bytes_of[2]
    print("| scaling, draft multiframe 320x240 → 640x480 | |\n|---|---|")
    print(f"| one worker ÷ two workers, wall time | {seconds[1] / seconds[2]:.2f} |")


def memory(folder: Path) -> None:
    """The driver's memory for 100 and for 10,000 segments of a real file, each in a process of its own."""
    import subprocess

    print("| memory of the driver | |\n|---|---|")
    peaks = {}
    for count in (100, 10_000):
        done = subprocess.run(
            [sys.executable, __file__, "one-memory", str(count)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(done.stderr)
        peaks[count] = float(done.stdout.split()[-1])
        print(f"| peak with {count:,} segments | {peaks[count]:.0f} MB |", flush=True)
    print(f"| ratio | {peaks[10_000] / peaks[100]:.3f} |")


def _one_memory(folder: Path, count: int) -> None:
    import resource

    from pipeline import make_source

    import vsr
    from vsr.distributed.ray import RayExecutor

    source = folder / "source.mp4"
    make_source(source, count * 16, 64, 48)
    settings = {"scale": 1, "method": "bicubic", "speed": "ultrafast", "encoder_threads": 1, "segment_frames": 16}
    [outcome] = vsr.upscale(source, folder / "out.mp4", settings=settings, executor=RayExecutor(2, None))
    assert outcome.manifest is not None
    print(len(outcome.manifest["segments"]), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    """Run what is named, or all."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    parts = {"scaling": scaling, "scheduling": scheduling, "memory": memory, "loss": loss}
    with tempfile.TemporaryDirectory() as name:
        if sys.argv[1:2] == ["one-memory"]:
            _one_memory(Path(name), int(sys.argv[2]))
            return
        for part in sys.argv[1:] or parts:
            parts[part](Path(name))
            print(flush=True)


if __name__ == "__main__":
    main()

"""What the studio has done since it was started, as Prometheus reads it. Counts and times alone: no name of a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args

from vsr import __version__
from vsr.errors import MachineError
from vsr.studio.jobs import Job, State

if TYPE_CHECKING:
    from prometheus_client import Metric

__all__ = ["Tally", "expose"]


@dataclass
class Tally:
    """Counts, which only rise."""

    frames: int = 0
    """Output frames that jobs have made; those that were found finished are left out."""
    segments: int = 0
    """Segments, likewise."""
    output_bytes: int = 0
    """Of outputs that are finished."""
    upload_bytes: int = 0
    seconds: float = 0.0
    """That jobs have run."""
    ended: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Runs that have ended, by kind of job and by the state that the job was left in."""
    previews: Counter[str] = field(default_factory=Counter)
    """By what became of them: ``made``, ``superseded``, ``failed``."""
    preview_seconds: float = 0.0
    """That those took which were made."""
    _heard: Counter[str] = field(default_factory=Counter)

    def begin(self) -> None:
        """A run begins: it counts from nothing."""
        self._heard.clear()

    def hear(self, event: Mapping[str, Any]) -> None:
        """What a run has said of itself. What it has lost and makes again is counted once."""
        done = event.get("frames_done", 0) - event.get("frames_reused", 0)
        for what, count in (("frames", done), ("segments", event.get("segments_done", 0))):
            fresh = max(0, count - self._heard[what])
            self._heard[what] += fresh
            setattr(self, what, getattr(self, what) + fresh)


def expose(tally: Tally, jobs: Sequence[Job]) -> tuple[bytes, str]:
    """The text that a scrape gets, and its media type. Raises `MachineError` where prometheus_client is missing."""
    try:
        import prometheus_client
    except ImportError as error:
        raise MachineError("metrics need prometheus-client; install it with: pip install 'vsr[studio]'") from error

    class Collector(prometheus_client.registry.Collector):
        def collect(self) -> Iterator[Metric]:
            yield from _families(tally, jobs)

    registry = prometheus_client.CollectorRegistry()
    registry.register(Collector())
    prometheus_client.ProcessCollector(registry=registry)
    return prometheus_client.generate_latest(registry), prometheus_client.CONTENT_TYPE_LATEST


def _families(tally: Tally, jobs: Sequence[Job]) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily

    yield InfoMetricFamily("vsr", "What runs.", {"version": __version__})
    for name, words, value in (
        ("frames", "Output frames that jobs have made; those found finished are left out.", tally.frames),
        ("segments", "Segments that jobs have made; those found finished are left out.", tally.segments),
        ("output_bytes", "Bytes of finished outputs.", tally.output_bytes),
        ("upload_bytes", "Bytes of uploads.", tally.upload_bytes),
        ("job_seconds", "Seconds that jobs have run.", tally.seconds),
        ("preview_seconds", "Seconds that previews have taken.", tally.preview_seconds),
    ):
        yield CounterMetricFamily(f"vsr_{name}", words, value)
    ended = CounterMetricFamily("vsr_runs", "Runs that have ended, and how.", labels=("kind", "state"))
    for (kind, state), count in sorted(tally.ended.items()):
        ended.add_metric((kind, state), count)
    yield ended
    previews = CounterMetricFamily("vsr_previews", "Previews, by what became of them.", labels=("outcome",))
    for outcome in ("made", "superseded", "failed"):
        previews.add_metric((outcome,), tally.previews[outcome])
    yield previews
    states = Counter(job.state for job in jobs)
    waiting = GaugeMetricFamily("vsr_jobs", "Jobs in the queue, by state.", labels=("state",))
    for state in get_args(State):
        waiting.add_metric((state,), states[state])
    yield waiting
    pace = GaugeMetricFamily("vsr_frame_seconds", "Seconds an output frame of the job that runs.")
    for job in jobs:
        if job.state == "running" and job.progress is not None and job.progress.get("fps"):
            pace.add_metric((), 1 / job.progress["fps"])
    yield pace

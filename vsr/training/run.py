"""A run from beginning to end: prepare, or find what an earlier part left; step; measure; keep."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from vsr.errors import ModelError, UsageError
from vsr.training.batches import Share, batches
from vsr.training.checkpoint import Saved, load_checkpoint, save_checkpoint
from vsr.training.collectives import average
from vsr.training.config import TrainingConfig
from vsr.training.folder import claim, locked, read_record
from vsr.training.keeping import Keeper
from vsr.training.learner import Learner, StepResult
from vsr.training.log import Log
from vsr.training.records import Event, Figures, TrainingOutcome, TrainingProgress
from vsr.training.samples import Batch, Patches
from vsr.training.setup import Setup, prepare
from vsr.training.stopwatch import Stopwatch
from vsr.training.unpaired.keeping import learn_degradation
from vsr.training.validation import Validation

__all__ = ["Request", "train_share"]

_TELL_SECONDS = 10.0  # between lines about what the teacher made


@dataclass(frozen=True)
class Request:
    """What is to be trained, and where to."""

    config: TrainingConfig
    out: Path
    workers: int = 1

    def __post_init__(self) -> None:
        if not self.config.data:
            raise UsageError("nothing to learn from; name folders of images or videos with --data")
        if self.workers < 1 or self.config.batch % self.workers:
            raise UsageError(f"a batch of {self.config.batch} cannot be shared evenly by {self.workers} workers")


def train_share(request: Request, rank: int = 0) -> Generator[Event]:
    """Train as worker ``rank`` of a group; the first tells how it goes, and the outcome at the end.

    With more than one worker a process group of torch is there already. A run that was ended goes on from its
    checkpoint. Raises `VsrError` of the kind that fits: for data, settings, a loss that is NaN, a full disk.
    """
    with ExitStack() as stack:
        if rank == 0:
            read_record(request.out)  # a folder of something else is refused before a lock is put there
            stack.enter_context(locked(request.out))
        before = read_record(request.out) if rank == 0 or (request.out / "run.json").exists() else None
        setup = prepare(request.config, before)
        if rank == 0:
            claim(request.out, request.config, setup.facts(request.workers), before)
        stack.enter_context(_threads(setup.threads))
        run = _Run(request, (yield from _with_degradation(request, setup, rank)), rank)
        yield from run.go()


def _with_degradation(request: Request, setup: Setup, rank: int) -> Generator[Event, None, Setup]:
    """The same with the degradation learnt, where one is to be; tells how that goes."""
    if setup.degraded is None:
        return setup
    reported, learning = (
        0.0,
        learn_degradation(
            setup.plan.chain,
            setup.sources.clips,
            setup.degraded.clips,
            request.out,
            seed=request.config.seed,
            rank=rank,
            world=request.workers,
        ),
    )
    while True:
        try:
            step, loss = next(learning)
        except StopIteration as end:
            return replace(setup, plan=replace(setup.plan, chain=end.value))
        if time.perf_counter() - reported > _TELL_SECONDS:
            reported = time.perf_counter()
            note = f"learning the degradation: step {step:,}, loss {loss:.4f}"
            yield TrainingProgress(0, request.config.steps, 0.0, 0.0, 0.0, 0.0, 0.0, note=note)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """So many threads of torch, and one way of computing."""
    earlier, benchmark = torch.get_num_threads(), torch.backends.cudnn.benchmark
    torch.set_num_threads(count)
    torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.set_num_threads(earlier)
        torch.backends.cudnn.benchmark = benchmark


class _Run:
    """One worker's part."""

    def __init__(self, request: Request, setup: Setup, rank: int) -> None:
        self._config, self._out, self._setup, self._rank = request.config, request.out, setup, rank
        self._workers = request.workers
        saved = load_checkpoint(request.out)
        self._learner = Learner(setup.config, setup.device, setup.start, setup.half, request.workers)
        self._begun = 0
        if saved is not None:
            self._learner.restore(saved.tensors)
            self._begun = saved.step
        self._done = self._kept = self._begun
        self._watch = Stopwatch({} if saved is None else saved.seconds)
        self._losses: list[float] = [] if saved is None else list(saved.losses)
        self._since, self._since_step = time.perf_counter(), self._begun
        if rank == 0:
            self._log = Log(request.out, self._begun)
            self._validation = self._make_validation()
            self._bicubic = None if self._validation is None else self._validation.bicubic()
            self._keeper = Keeper(request.out, setup, request.workers, self._bicubic)

    def _make_validation(self) -> Validation | None:
        folders = [Path(one) for one in self._config.validate_on]
        plan = self._setup.plan
        if not folders:
            return None
        return Validation(folders, plan.chain, plan.scale, plan.colour, self._setup.device)

    def go(self) -> Iterator[Event]:
        """All steps that are left."""
        config, plan = self._config, self._setup.plan
        if self._rank == 0:
            yield self._progress(note=self._opening())
        share = Share(plan.batch, self._rank, self._workers)
        if self._begun < config.steps:
            yield from self._ask_teacher()
            patches = Patches(self._setup.sources.clips, plan, self._taught())
            with batches(patches, share, self._begun, config.steps, config.data_workers) as coming:
                yield from self._steps(coming)
        if self._rank == 0:
            yield self._finish()

    def _ask_teacher(self) -> Iterator[TrainingProgress]:
        teacher, sources = self._setup.teacher, self._setup.sources
        if teacher is None:
            return
        reported = time.perf_counter()
        for done, count in teacher.prepare(sources.clips, self._setup.plan.chain, self._out, self._rank, self._workers):
            if self._rank == 0 and (done == count or time.perf_counter() - reported > _TELL_SECONDS):
                reported = time.perf_counter()
                yield self._progress(note=f"the teacher made {done:,} of {count:,} images")

    def _taught(self) -> Sequence[Tensor]:
        return () if self._setup.teacher is None else self._setup.teacher.images(self._out)

    def _steps(self, coming: Iterator[Batch]) -> Iterator[TrainingProgress]:
        config = self._config
        for step in range(self._begun, config.steps):
            result = self._step(step, coming)
            self._done = step + 1
            self._losses.append(average(result.loss, self._workers))
            if self._rank:
                continue
            is_last = self._done == config.steps
            if is_last or self._done % config.log_every == 0:
                yield self._log_progress(result)
            if self._validation is not None and not is_last and self._done % config.validate_every == 0:
                yield self._progress(figures=self._measure())
            if is_last or self._done % config.checkpoint_every == 0:
                self._keep_state()

    def _step(self, step: int, coming: Iterator[Batch]) -> StepResult:
        with self._watch.during("data"):
            batch = next(coming)
        with self._watch.during("network"):
            computed = self._learner.forward(batch)
            if self._setup.device.type == "cuda":
                torch.cuda.synchronize(self._setup.device)
        with self._watch.during("update"):
            try:
                return self._learner.update(step, computed)
            except ModelError as error:
                kept = f"the checkpoint of step {self._kept} is kept" if self._kept else "there is no checkpoint yet"
                raise ModelError(f"{error}; {kept}") from error

    def _log_progress(self, result: StepResult) -> TrainingProgress:
        """Log and progress of the steps since the last time."""
        progress = self._progress(rate=result.rate)
        self._log.add(self._done, {"loss": progress.loss, "rate": result.rate, **dict(result.parts)})
        self._losses = []
        return progress

    def _progress(self, *, rate: float = 0.0, figures: Figures | None = None, note: str = "") -> TrainingProgress:
        seconds = time.perf_counter() - self._since
        speed = (self._done - self._since_step) / seconds if self._done > self._since_step else 0.0
        loss = sum(self._losses) / len(self._losses) if self._losses else 0.0
        left = self._config.steps - self._done
        eta = left / speed if speed else 0.0
        share = self._watch.network_share
        return TrainingProgress(self._done, self._config.steps, loss, rate, speed, eta, share, figures, note)

    def _opening(self) -> str:
        sources, learner = self._setup.sources, self._learner
        notes = [f"{len(sources.clips)} images and shots"]
        if sources.too_small:
            named = ", ".join(sources.too_small[:3]) + (", …" if len(sources.too_small) > 3 else "")
            notes.append(f"{len(sources.too_small)} left out, too small for a patch: {named}")
        if learner.reset_layers and not self._begun:
            notes.append(f"reset: {', '.join(learner.reset_layers)}")
        if self._bicubic is not None:
            notes.append(f"bicubic {self._bicubic.psnr_y:.2f} dB")
        if self._begun:
            notes.append(f"goes on after step {self._begun}")
        return "; ".join([*notes, self._setup.precision])

    def _measure(self) -> Figures | None:
        """Figures of the weights as they are, which are written, too."""
        figures = None
        with self._watch.during("validation"):
            if self._validation is not None:
                figures = self._validation.measure(self._learner.result())
                self._log.add(self._done, {"psnr_y": figures.psnr_y, "ssim_y": figures.ssim_y})
        with self._watch.during("keeping"):
            network = self._keeper.keep(self._learner, self._done, figures, self._watch.seconds)
            self._keeper.draw(self._log, self._validation, network)
        return figures

    def _keep_state(self) -> None:
        with self._watch.during("keeping"):
            saved = Saved(self._done, self._watch.seconds, tuple(self._losses), self._learner.state())
            save_checkpoint(self._out, saved)
        self._kept = self._done

    def _finish(self) -> TrainingOutcome:
        figures = self._measure()
        return TrainingOutcome(
            out=self._out,
            weights=self._keeper.weights,
            card=self._keeper.card,
            steps=self._done,
            figures=figures,
            bicubic=self._bicubic,
            seconds=self._watch.seconds,
            network_share=self._watch.network_share,
            was_done=self._begun == self._config.steps,
        )

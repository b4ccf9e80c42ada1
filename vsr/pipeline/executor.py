"""Who carries out a batch: the contract between a request and whatever does the work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from vsr.pipeline.progress import OnProgress
from vsr.pipeline.request import Outcome, Request

__all__ = ["Executor", "OnOutcome"]

OnOutcome = Callable[[Outcome], None]


class Executor(Protocol):
    """Restores files, on this machine or others. Every executor gives the same bytes."""

    def run(self, requests: Sequence[Request], on_progress: OnProgress, on_outcome: OnOutcome) -> None:
        """Carry out every request, in any order; ``on_outcome`` hears of each once, as soon as it is settled.

        A file that fails does not stop the others. Both callbacks are called from the calling thread. Raises
        `MachineError` where no work can be done at all, `Interrupted` where the user stopped it.
        """
        ...

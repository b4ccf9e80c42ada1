"""CUDA graphs: a small network's many short kernels started as one, where starting them takes longer than they do."""

from __future__ import annotations

import threading

import torch
from torch import Tensor, nn

__all__ = ["GraphedModule"]

_WARM_UP_RUNS = 3  # before a capture: libraries set themselves up in the first
_MOST_PIXELS = 1 << 19  # of a batch; larger ones keep a GPU busy for longer than their kernels take to start
_MOST_GRAPHS = 4  # each holds memory of its own


class GraphedModule:
    """Calls a module on a CUDA device, recorded once for each shape of its input and replayed from then on.

    The same kernels run in the same order either way, so values are the same. Shapes that are large, or that come
    after the first few, run as usual.
    """

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._graphs: dict[tuple[int, ...], tuple[torch.cuda.CUDAGraph, Tensor, Tensor]] = {}
        self._running = threading.Lock()  # a graph has one place for what it is given

    def __call__(self, images: Tensor) -> Tensor:
        """What the module makes of ``images`` ``(B, C, H, W)``."""
        with self._running, torch.cuda.device(images.device):
            return self._call(images)

    def _call(self, images: Tensor) -> Tensor:
        shape = tuple(images.shape)
        if shape not in self._graphs:
            is_small = shape[0] * shape[-2] * shape[-1] <= _MOST_PIXELS
            if not is_small or len(self._graphs) >= _MOST_GRAPHS:
                return self._run(images)
            self._graphs[shape] = self._record(images)
        graph, given, result = self._graphs[shape]
        given.copy_(images)
        graph.replay()
        return result.clone()

    def _run(self, images: Tensor) -> Tensor:
        result: Tensor = self._module(images)
        return result

    def _record(self, images: Tensor) -> tuple[torch.cuda.CUDAGraph, Tensor, Tensor]:
        given = images.clone(memory_format=torch.preserve_format)
        current, side = torch.cuda.current_stream(), torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(current)
        with torch.cuda.stream(side):
            for _ in range(_WARM_UP_RUNS):
                self._run(given)
        current.wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # other threads go on using the device
            result = self._run(given)
        return graph, given, result

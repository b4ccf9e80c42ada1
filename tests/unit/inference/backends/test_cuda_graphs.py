"""Which calls are recorded and replayed, with the recording itself, which needs a GPU, stood in for."""

from __future__ import annotations

from contextlib import nullcontext
from fractions import Fraction
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from vsr.frames import ColorSpec, PixelLayout, VideoFrame
from vsr.inference import upload_ahead
from vsr.inference.backends import cuda_graphs
from vsr.inference.backends.cuda_graphs import GraphedModule


class _Graph:
    """Replays what was recorded: the module over the very tensor that was given then."""

    def __init__(self, module: GraphedModule, given: Tensor) -> None:
        self._module, self._given = module, given
        self.result = module._run(given)
        self.replays = 0

    def replay(self) -> None:
        self.replays += 1
        self.result.copy_(self._module._run(self._given))


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[_Graph]:
    graphs: list[_Graph] = []

    def record(self: GraphedModule, images: Tensor) -> tuple[Any, Tensor, Tensor]:
        given = images.clone()
        graphs.append(_Graph(self, given))
        return graphs[-1], given, graphs[-1].result

    monkeypatch.setattr(GraphedModule, "_record", record)
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
    return graphs


class _Twice(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return 2 * images


def test_each_shape_is_recorded_once_and_results_are_kept_apart(recorded: list[_Graph]) -> None:
    graphed = GraphedModule(_Twice())
    first, second = torch.rand(1, 3, 4, 5), torch.rand(1, 3, 4, 5)
    results = [graphed(first), graphed(second)]
    assert torch.equal(results[0], 2 * first), "a later call leaves it alone"
    assert torch.equal(results[1], 2 * second)
    graphed(torch.rand(1, 3, 6, 5))
    assert [graph.replays for graph in recorded] == [2, 1]


def test_large_images_and_many_shapes_run_as_usual(recorded: list[_Graph], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_graphs, "_MOST_PIXELS", 100)
    graphed = GraphedModule(_Twice())
    large = torch.rand(2, 3, 10, 6)
    assert torch.equal(graphed(large), 2 * large)
    assert recorded == []
    for side in range(1, 9):
        image = torch.rand(1, 3, side, side)
        assert torch.equal(graphed(image), 2 * image)
    assert len(recorded) == cuda_graphs._MOST_GRAPHS


def test_without_a_gpu_batches_pass_as_they_are() -> None:
    layout = PixelLayout("gray", "gray", 8)
    frames = [
        VideoFrame((torch.zeros(2, 2, dtype=torch.uint8),), layout, ColorSpec(), n, n, Fraction(1, 25))
        for n in range(3)
    ]
    batches = list(upload_ahead([frames[:2], frames[2:]], torch.device("cpu")))
    assert batches == [frames[:2], frames[2:]]

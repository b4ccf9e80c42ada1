"""Running a network: any size, in batches, averaged over flips, and what happens where memory gives out."""

from __future__ import annotations

from dataclasses import replace
from typing import NoReturn

import pytest
import torch
from small_networks import small_network
from torch import Tensor, nn

from vsr.errors import MachineError
from vsr.inference import Load, Precision, hardware, measure_load
from vsr.inference.engine import MOST_FRAMES, Engine, EngineOptions, batch_frames, ensemble
from vsr.networks import Network, load_network

CPU = torch.device("cpu")
FLOAT32 = Precision("float32")


def _image(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(6))


def _engine(network: Network, **changes: object) -> Engine:
    options = EngineOptions(FLOAT32, measure_load(network))
    return Engine(network, replace(options, **changes), CPU)  # type: ignore[arg-type]


def _network(kind: str = "RGB") -> Network:
    return load_network(small_network(kind, strength=1.0), 2)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["Y", "RGB"])
def test_it_gives_what_the_network_gives(kind: str) -> None:
    network = _network(kind)
    images = _image(2, 3 if kind == "RGB" else 1, 21, 34)
    with torch.no_grad():
        expected = network.module(images)
    torch.testing.assert_close(_engine(network).whole(images), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_takes_and_gives_float32(precision: str) -> None:
    network = _network()
    images = _image(1, 3, 12, 12)
    result = _engine(network, precision=Precision(precision)).whole(images)  # type: ignore[arg-type]
    assert result.dtype == torch.float32
    with torch.no_grad():
        assert 0 < float((result - network.module(images)).abs().max()) < 0.05


class _InBlocks(nn.Module):
    """Refuses what is not a multiple of 8 or under 16."""

    def forward(self, images: Tensor) -> Tensor:
        assert all(side % 8 == 0 and side >= 16 for side in images.shape[-2:])
        return images.repeat_interleave(2, -1).repeat_interleave(2, -2)


@pytest.mark.parametrize("size", [(16, 24), (17, 25), (3, 1), (1, 40), (50, 9)])
@pytest.mark.parametrize("context", [4, None])
@pytest.mark.parametrize("tile_px", [None, 16])
def test_multiples_and_least_sizes_are_kept(size: tuple[int, int], context: int | None, tile_px: int | None) -> None:
    network = Network("blocks", _InBlocks(), 2, "RGB", context, multiple=8, min_size=16)
    image = _image(1, 3, *size)
    engine = Engine(network, EngineOptions(FLOAT32, Load(6, 3), tile_px), CPU)
    expected = image.repeat_interleave(2, -1).repeat_interleave(2, -2)
    torch.testing.assert_close(engine.whole(image), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("number", range(8))
def test_the_self_ensemble_commutes_with_flips_and_turns(number: int) -> None:
    """Whichever way an image is held, the averaged result is the same."""
    engine = _engine(_network(), self_ensemble=True)
    image = _image(1, 3, 19, 26)

    def turned(values: Tensor) -> Tensor:
        values = torch.rot90(values, number % 4, (-2, -1))
        return values.flip(-1) if number >= 4 else values

    torch.testing.assert_close(engine.whole(turned(image)), turned(engine.whole(image)), rtol=0, atol=1e-5)


def test_the_self_ensemble_is_the_mean_of_eight() -> None:
    seen: list[tuple[int, ...]] = []

    def run(window: Tensor) -> Tensor:
        seen.append(tuple(window.shape[-2:]))
        return window + len(seen)

    image = _image(1, 3, 4, 6)
    torch.testing.assert_close(ensemble(run)(image), image + 4.5)
    assert sorted(set(seen)) == [(4, 6), (6, 4)]
    assert len(seen) == 8


def test_the_self_ensemble_in_tiles_equals_that_of_the_whole_image() -> None:
    network, image = _network(), _image(1, 3, 50, 61)
    whole = _engine(network, self_ensemble=True).whole(image)
    tiled = _engine(network, self_ensemble=True, tile_px=16).whole(image)
    torch.testing.assert_close(tiled, whole, rtol=0, atol=1e-4)


def test_batches_are_constants_of_the_device() -> None:
    cuda = torch.device("cuda:0")
    assert batch_frames(64, 48, CPU) == batch_frames(3840, 2160, CPU) == 1
    sizes = [batch_frames(width, width, cuda) for width in (16, 400, 500, 700, 1000, 4000)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == MOST_FRAMES
    assert sizes[-1] == 1
    assert all(MOST_FRAMES % size == 0 for size in sizes), "chains of frames hold whole batches"


def test_a_tile_beyond_the_machine_is_refused_before_it_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "memory_bytes", lambda device: 1 << 20)
    with pytest.raises(MachineError, match=r"small-RGB.* a tile of \d+x\d+ needs about .* GiB"):
        _engine(_network()).whole(_image(1, 3, 300, 300))


class _Greedy(nn.Module):
    """Asks for 2⁵² bytes, which no machine maps."""

    def forward(self, images: Tensor) -> NoReturn:
        torch.empty(1 << 50, dtype=torch.float32)
        raise AssertionError("the machine gave 4 PiB")


def test_memory_that_gives_out_is_reported_in_a_line() -> None:
    engine = Engine(Network("greedy", _Greedy(), 2, "RGB", 1), EngineOptions(FLOAT32, Load(6, 3)), CPU)
    with pytest.raises(MachineError, match="greedy: a tile of 8x8: not enough memory; give smaller tiles") as raised:
        engine.whole(_image(1, 3, 8, 8))
    assert "\n" not in str(raised.value)


def test_other_failures_stay_what_they_are() -> None:
    class Broken(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            raise RuntimeError("a bug")

    engine = Engine(Network("broken", Broken(), 2, "RGB", 1), EngineOptions(FLOAT32, Load(6, 3)), CPU)
    with pytest.raises(RuntimeError, match="a bug"):
        engine.whole(_image(1, 3, 8, 8))

"""Tiles with enough around them give the whole image's result; blended ones cover everything, smoothly."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_networks import small_network
from torch import Tensor, nn

from vsr.inference import Engine, EngineOptions, Precision, measure_load
from vsr.inference.tiling import Span, blended_spans, exact_spans, run_tiles
from vsr.networks import NETWORKS, Network, load_network

CPU = torch.device("cpu")
FLOAT32 = Precision("float32")


@given(
    size=st.integers(1, 400),
    tile=st.integers(1, 500),
    context=st.integers(0, 60),
    multiple=st.sampled_from([1, 2, 8]),
    min_size=st.integers(1, 40),
)
def test_exact_spans_cover_everything_with_its_context(
    size: int, tile: int, context: int, multiple: int, min_size: int
) -> None:
    size *= multiple
    spans = exact_spans(size, tile, context, multiple=multiple, min_size=min_size)
    assert [span.first for span in spans] == [0, *(span.last for span in spans[:-1])]
    assert spans[-1].last == size
    for span in spans:
        assert span.start % multiple == span.stop % multiple == 0
        assert span.start <= max(0, span.first - context)
        assert span.stop >= min(size, span.last + context)
        assert 0 <= span.start < span.stop <= size
        assert span.stop - span.start >= min(min_size, size)
        assert span.last - span.first < tile + multiple


@given(
    size=st.integers(1, 600), tile=st.integers(1, 20), multiple=st.sampled_from([1, 2, 8]), overlap=st.integers(1, 40)
)
def test_blended_spans_are_of_one_size_and_meet(size: int, tile: int, multiple: int, overlap: int) -> None:
    size, tile = size * multiple, tile * multiple
    overlap = min(overlap, tile // 4)
    spans = blended_spans(size, tile, overlap, multiple=multiple)
    assert {span.stop - span.start for span in spans} == {min(size, tile)}
    assert (spans[0].first, spans[-1].last) == (0, size)
    for span in spans:
        assert span.start % multiple == 0
        assert 0 <= span.start <= span.first < span.last <= span.stop <= size
    for before, after in itertools.pairwise(spans):
        assert before.last - after.first == after.fade_px == (overlap if tile > multiple else 0)
        assert before.first + before.fade_px <= after.first, "no pixel is faded twice"


def _doubled(window: Tensor) -> Tensor:
    return window.repeat_interleave(2, -1).repeat_interleave(2, -2)


@settings(deadline=None, max_examples=40)
@given(height=st.integers(1, 90), width=st.integers(1, 90), is_exact=st.booleans())
def test_bands_together_are_the_whole_result(height: int, width: int, is_exact: bool) -> None:
    image = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(height))
    rows, columns = (exact_spans(size, 20, 3) if is_exact else blended_spans(size, 32, 8) for size in (height, width))
    bands = list(run_tiles(image, _doubled, 2, rows, columns))
    torch.testing.assert_close(torch.cat(bands, -2), _doubled(image), rtol=0, atol=1e-6)


def test_blending_goes_from_one_tile_to_the_next_without_a_step() -> None:
    """Tiles of a network that sees something else in each: 0 in the first, 1 in the second."""
    spans = blended_spans(100, 60, 20)
    assert len(spans) == 2
    results = iter([torch.zeros(1, 1, 4, 60), torch.ones(1, 1, 4, 60)])
    [band] = run_tiles(torch.zeros(1, 1, 4, 100), lambda window: next(results), 1, [Span(0, 4, 0, 4)], spans)
    line = band[0, 0, 0]
    assert float(line[:40].max()) == 0.0
    assert float(line[60:].min()) == 1.0
    assert float(line.diff().abs().max()) < 0.06


def _network(name: str) -> Network:
    if name in ("Y", "RGB"):
        return load_network(small_network(name, strength=1.0), 2)  # type: ignore[arg-type]
    row, scale = NETWORKS[name], NETWORKS[name].scales[0]
    torch.manual_seed(5)
    module = row.build(scale).eval().requires_grad_(False)
    return Network(name, module, scale, row.colour, module.context_px, module.multiple, module.min_size)


@pytest.mark.parametrize("name", ["Y", "RGB", "srcnn-9-5-5", "fsrcnn", "espcn", "lapsrn", "carn-m"])
def test_tiled_equals_untiled(name: str) -> None:
    """Every finite receptive field, in float32, at sizes that cut tiles in all ways."""
    network = _network(name)
    context = network.context_px
    assert context is not None
    load = measure_load(network)
    tiled = Engine(network, EngineOptions(FLOAT32, load, tile_px=16), CPU)
    channels = 3 if network.colour == "RGB" else 1
    generator = torch.Generator().manual_seed(2)
    for height, width in ((16 + 2 * context + 5, 49), (33, 16 + context)):
        image = torch.rand(1, channels, height, width, generator=generator)
        with torch.no_grad():
            untiled = network.module(image)
        assert float((tiled.whole(image) - untiled).abs().max()) < 1e-4 * max(1.0, float(untiled.abs().max()))


@pytest.mark.parametrize("kind", ["Y", "RGB"])
@settings(deadline=None, max_examples=15)
@given(height=st.integers(1, 70), width=st.integers(1, 70), tile=st.integers(16, 40))
def test_tiled_equals_untiled_at_any_size(kind: str, height: int, width: int, tile: int) -> None:
    network = _network(kind)
    load = measure_load(network)
    image = torch.rand(1, 3 if kind == "RGB" else 1, height, width, generator=torch.Generator().manual_seed(tile))
    with torch.no_grad():
        untiled = network.module(image)
    tiled = Engine(network, EngineOptions(FLOAT32, load, tile_px=tile), CPU).whole(image)
    assert float((tiled - untiled).abs().max()) < 1e-4


def test_too_small_a_context_would_show() -> None:
    """The test above can fail."""
    network = _network("RGB")
    short = Network("short", network.module, 2, "RGB", context_px=1)
    image = torch.rand(1, 3, 60, 60, generator=torch.Generator().manual_seed(4))
    tiled = Engine(short, EngineOptions(FLOAT32, measure_load(network), tile_px=16), CPU).whole(image)
    with torch.no_grad():
        assert float((tiled - network.module(image)).abs().max()) > 1e-3


class _Mean(nn.Module):
    """Repeats the image and adds its mean: what an output pixel depends on has no end."""

    def forward(self, images: Tensor) -> Tensor:
        return _doubled(images + images.mean((-1, -2), keepdim=True))


def test_a_network_of_the_whole_image_gets_tiles_of_one_size() -> None:
    network = Network("mean", _Mean(), 2, "RGB", None, multiple=8)
    engine = Engine(network, EngineOptions(FLOAT32, measure_load(network), tile_px=64), CPU)
    image = torch.rand(1, 3, 150, 203, generator=torch.Generator().manual_seed(4))
    result = engine.whole(image)
    assert result.shape == (1, 3, 300, 406)
    steps = (result - _doubled(image))[0, 0].diff(dim=1).abs()
    assert float(steps.max()) < 0.02, "means differ from tile to tile, but nowhere by a step"
    small = torch.rand(1, 3, 64, 48, generator=torch.Generator().manual_seed(4))
    assert torch.equal(engine.whole(small), _Mean()(small))

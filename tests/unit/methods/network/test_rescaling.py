"""Networks that make small what they enlarge: down as the network does it, and up again."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
import torch
from small_networks import small_network
from torch import Tensor

from vsr.errors import InputError, UsageError
from vsr.frames import ColorSpec, PixelLayout, VideoFrame
from vsr.methods import (
    METHODS,
    Geometry,
    PerFrameOptions,
    Prepared,
    Rescaler,
    RescalingOptions,
    find_method,
    restore_shot,
)
from vsr.methods.network.colour import network_input
from vsr.methods.network.rescaling import Rescaling
from vsr.metrics import psnr
from vsr.networks import RescalingUpscaler, load_network
from vsr.observation import resample

RGB = PixelLayout("gbrp", "rgb", 8)
YUV420 = PixelLayout("yuva420p", "yuv", 8, 1, 1, has_alpha=True)
PATH = small_network("rescaling", strength=0.004)


def _frame(layout: PixelLayout, width: int, height: int) -> VideoFrame:
    generator = torch.Generator().manual_seed(1)
    planes = []
    for plane in range(layout.num_planes):
        size = layout.plane_size(plane, width, height)
        coarse = torch.rand(size[0] // 4 + 2, size[1] // 4 + 2, generator=generator)
        planes.append((resample(coarse, size).clamp(0, 1) * 200 + 20).round().to(torch.uint8))
    color = ColorSpec(1, 13, 0, True) if layout.family == "rgb" else ColorSpec(1, 1, 1)
    return VideoFrame(tuple(planes), layout, color, 7, 14, Fraction(1, 25))


def _prepare(geometry: Geometry, **options: Any) -> Prepared[Any]:
    return find_method(str(PATH)).prepare(geometry, RescalingOptions(precision="float32", **options), "cpu")


def _rescaler(geometry: Geometry, **options: Any) -> Rescaler:
    restorer = _prepare(geometry, **options).open(geometry)
    assert isinstance(restorer, Rescaling)
    return restorer


def _by_module(image: Tensor) -> Tensor:
    module = load_network(PATH, 2).module
    assert isinstance(module, RescalingUpscaler)
    with torch.no_grad():
        return module.downscale(image)


@pytest.mark.parametrize("tile_px", [None, 16])
def test_small_frames_are_the_networks_own(tile_px: int | None) -> None:
    geometry, frame = Geometry(90, 20, 180, 40), _frame(RGB, 180, 40)
    [small] = _rescaler(geometry, tile_px=tile_px).downscale([frame])
    expected = _by_module(torch.stack(frame.planes)[None] / 255)[0] * 255
    torch.testing.assert_close(torch.stack(small.planes), expected, rtol=0, atol=0.01)
    assert (small.ordinal, small.pts, small.layout) == (frame.ordinal, frame.pts, frame.layout)


def test_two_passes_are_undone_from_the_last() -> None:
    geometry, frame = Geometry(24, 10, 96, 40), _frame(RGB, 96, 40)
    [small] = _rescaler(geometry).downscale([frame])
    expected = _by_module(_by_module(torch.stack(frame.planes)[None] / 255))[0] * 255
    torch.testing.assert_close(torch.stack(small.planes), expected, rtol=0, atol=0.01)


@pytest.mark.parametrize("size", [(48, 32, 96, 64), (33, 27, 50, 41), (40, 32, 70, 60)], ids=str)
def test_frames_of_any_size_and_layout_keep_what_they_show(size: tuple[int, int, int, int]) -> None:
    """Sizes that are no whole scale apart, subsampled chroma, alpha."""
    geometry = Geometry(*size)
    frame = _frame(YUV420, geometry.out_width, geometry.out_height)
    [small] = _rescaler(geometry).downscale([frame])
    for plane, (made, source) in enumerate(zip(small.planes, frame.planes, strict=True)):
        assert tuple(made.shape) == YUV420.plane_size(plane, geometry.width, geometry.height)
        assert made.dtype == torch.float32
        assert psnr(made.double(), resample(source.double(), tuple(made.shape), kernel="bicubic"), peak=255) > 28


def test_what_was_enlarged_is_made_as_small_as_it_was() -> None:
    """An invertible network undoes itself, whatever noise it was given."""
    geometry, frame = Geometry(48, 32, 96, 64), _frame(RGB, 96, 64)
    prepared = _prepare(geometry)
    [small] = _rescaler(geometry).downscale([frame])
    [large] = restore_shot(prepared, geometry, [small])
    [again] = _rescaler(geometry).downscale([large])
    torch.testing.assert_close(torch.stack(again.planes), torch.stack(small.planes), rtol=0, atol=0.05)


def test_frames_of_another_size_are_refused() -> None:
    with pytest.raises(InputError, match="90x40"):
        list(_rescaler(Geometry(48, 32, 96, 64)).downscale([_frame(RGB, 90, 40)]))


def test_who_makes_small_frames_says_so() -> None:
    geometry = Geometry(48, 32, 96, 64)
    prepared = _prepare(geometry)
    assert prepared.capabilities.downscales
    assert prepared.capabilities.evidence == "generative", "it is given noise"
    assert any("made small itself" in text for _, text in prepared.plan_rows())
    others = [
        METHODS[name].prepare(geometry, METHODS[name].options_type(), "cpu") for name in ("lanczos", "multiframe")
    ]
    others.append(find_method(str(small_network("RGB"))).prepare(geometry, PerFrameOptions(), "cpu"))
    assert not any(other.capabilities.downscales for other in others)


def _down(width: int, height: int, out_width: int, out_height: int, **options: Any) -> Prepared[Any]:
    return _prepare(Geometry(width, height, out_width, out_height), **options)


def test_a_smaller_output_is_the_way_down() -> None:
    frame, geometry = _frame(RGB, 96, 64), Geometry(96, 64, 48, 32)
    prepared = _prepare(geometry)
    context = replace(frame, is_halo=True)
    [made] = prepared.open(geometry).restore([context, frame, context])
    [expected] = _rescaler(Geometry(48, 32, 96, 64)).downscale([frame])
    assert all(torch.equal(one, two) for one, two in zip(made.planes, expected.planes, strict=True))
    assert prepared.capabilities.evidence == "learned", "no noise takes part on the way down"
    up = _prepare(Geometry(48, 32, 96, 64))
    assert prepared.describe()["pair"] == up.describe()["pair"]
    assert prepared.key() != up.key()


def test_the_way_down_keeps_what_is_hidden_in_chroma() -> None:
    """Planes of 4:2:0 become 4:4:4, and hold what the network made; alpha and grey stay what they are."""
    frame, geometry = _frame(YUV420, 96, 64), Geometry(96, 64, 48, 32)
    [made] = _prepare(geometry).open(geometry).restore([frame])
    assert made.layout == replace(YUV420, name="yuva444p", chroma_shift_x=0, chroma_shift_y=0)
    assert [tuple(plane.shape) for plane in made.planes] == [(32, 48)] * 4
    colours = network_input(replace(made, layout=made.layout), "RGB", torch.device("cpu"))
    expected = _by_module(network_input(frame, "RGB", torch.device("cpu"))[None])[0]
    torch.testing.assert_close(colours, expected, rtol=0, atol=1e-3)
    grey = _frame(PixelLayout("gray", "gray", 8), 96, 64)
    [made] = _prepare(geometry).open(geometry).restore([grey])
    assert made.layout == grey.layout


@pytest.mark.parametrize(
    ("sizes", "error", "words"),
    [
        ((97, 64, 48, 32), InputError, "97x64: to make them 2 times smaller"),
        ((96, 63, 48, 32), InputError, "multiples"),
        ((98, 64, 24, 16), InputError, "98x64: to make them 4 times smaller"),
        ((96, 66, 32, 22), UsageError, "96x66 into 32x22; it makes frames 2, 4, 8 times smaller"),
        ((96, 64, 64, 42), UsageError, "2, 4, 8"),
    ],
    ids=str,
)
def test_sizes_that_the_pair_does_not_reach_are_refused(
    sizes: tuple[int, int, int, int], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        _down(*sizes)


def test_the_plan_of_a_pair_without_noise_has_none() -> None:
    geometry = Geometry(48, 32, 96, 64)
    prepared = find_method(str(small_network("pair"))).prepare(geometry, RescalingOptions(), "cpu")
    assert "noise" not in dict(prepared.plan_rows())
    assert prepared.capabilities.evidence == "learned"
    assert "noise" in dict(_prepare(geometry).plan_rows())

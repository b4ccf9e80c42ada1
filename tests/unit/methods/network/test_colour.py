"""What a network sees of a frame, and that what it gives comes back as the frame's own planes."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import Tensor

from vsr.frames import ChromaLocation, ColorSpec, PixelLayout, VideoFrame
from vsr.media.convert import OutputFormat, quantise
from vsr.methods.method import Geometry
from vsr.methods.network.colour import PlaneWriter, network_input
from vsr.observation import resample

CPU = torch.device("cpu")
YUV444 = PixelLayout("yuv444p", "yuv", 8)
YUV420 = PixelLayout("yuv420p", "yuv", 8, 1, 1)
GRAY = PixelLayout("gray", "gray", 8)
RGB = PixelLayout("gbrp", "rgb", 8)
FLOAT = PixelLayout("gbrpf32le", "rgb", 32, is_float=True)
BT601, BT709 = ColorSpec(6, 6, 6), ColorSpec(1, 1, 1)


def _frame(layout: PixelLayout, color: ColorSpec, *planes: Tensor) -> VideoFrame:
    return VideoFrame(planes, layout, color, 0, 0, Fraction(1, 25))


def _flat(layout: PixelLayout, color: ColorSpec, *codes: float) -> VideoFrame:
    planes = [torch.full(layout.plane_size(plane, 8, 6), code).to(layout.dtype) for plane, code in enumerate(codes)]
    return _frame(layout, color, *planes)


def _random(layout: PixelLayout, color: ColorSpec, height: int = 12, width: int = 20) -> VideoFrame:
    generator = torch.Generator().manual_seed(7)
    planes = []
    for plane in range(layout.num_planes):
        values = torch.rand(layout.plane_size(plane, width, height), generator=generator) * layout.peak
        planes.append(values if layout.is_float else values.round().to(torch.int32).to(layout.dtype))
    return _frame(layout, color, *planes)


def _written(frame: VideoFrame, colour: str, image: Tensor, factor: int = 1) -> tuple[Tensor, ...]:
    geometry = Geometry(frame.width, frame.height, frame.width * factor, frame.height * factor)
    writer = PlaneWriter(frame, colour, geometry, tuple(image.shape[1:]), CPU)  # type: ignore[arg-type]
    for row in range(0, int(image.shape[1]), 5):
        writer.push(image[:, row : row + 5])
    return writer.planes()


@pytest.mark.parametrize(
    ("bits", "full_range", "code", "seen"),
    [
        (8, False, 16, 16),
        (8, False, 235, 235),
        (8, False, 100, 100),
        (10, False, 64, 16),
        (10, False, 940, 235),
        (16, False, 60160, 235),
        (8, True, 0, 16),
        (8, True, 255, 235),
        (10, True, 1023, 235),
    ],
)
def test_luma_networks_see_eight_bit_video_codes_whatever_the_frame_has(
    bits: int, full_range: bool, code: int, seen: float
) -> None:
    layout = replace(YUV444, name=f"yuv444p{bits}", bit_depth=bits)
    middle = 1 << (bits - 1)
    frame = _flat(layout, replace(BT709, full_range=full_range), code, middle, middle)
    given = network_input(frame, "Y", CPU)
    assert given.shape == (1, 6, 8)
    torch.testing.assert_close(given, torch.full_like(given, seen / 255), rtol=0, atol=1e-6)


def test_luma_of_rgb_is_matlabs() -> None:
    """``rgb2ycbcr``: 16 + (65.481 R + 128.553 G + 24.966 B), of R, G, B in 0…1."""
    given = network_input(_flat(RGB, ColorSpec(1, 13, 0, full_range=True), 200, 30, 90), "Y", CPU)
    expected = (16 + (65.481 * 200 + 128.553 * 30 + 24.966 * 90) / 255) / 255
    assert float((given - expected).abs().max()) < 1e-5


@pytest.mark.parametrize(
    ("color", "codes", "rgb"),
    [
        (BT601, (81, 90, 240), (254, 0, 0)),  # red of BT.601 bars, as players show it
        (BT709, (63, 102, 240), (255, 1, 0)),
        (BT709, (173, 42, 26), (0, 255, 1)),
        (replace(BT601, full_range=True), (76, 85, 255), (254, 0, 0)),
        (BT709, (16, 128, 128), (0, 0, 0)),
        (BT709, (235, 128, 128), (255, 255, 255)),
    ],
)
def test_rgb_by_the_streams_own_matrix_and_range(
    color: ColorSpec, codes: tuple[int, ...], rgb: tuple[int, ...]
) -> None:
    given = network_input(_flat(YUV444, color, *codes), "RGB", CPU) * 255
    assert float((given[:, 0, 0] - torch.tensor(rgb)).abs().max()) < 1.6


def test_grey_is_seen_as_rgb_of_three_equal_parts() -> None:
    given = network_input(_flat(GRAY, BT709, 126), "RGB", CPU)
    assert given.shape == (3, 6, 8)
    torch.testing.assert_close(given, torch.full_like(given, 110 / 219))


@pytest.mark.parametrize(
    "layout",
    [
        YUV444,
        replace(YUV444, name="yuv444p10le", bit_depth=10),
        replace(YUV444, name="yuv444p16le", bit_depth=16),
        GRAY,
        replace(GRAY, name="gray16le", bit_depth=16),
        RGB,
        replace(RGB, name="gbrp12le", bit_depth=12),
        FLOAT,
    ],
    ids=lambda layout: layout.name,
)
@pytest.mark.parametrize("colour", ["Y", "RGB"])
@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("matrix", [1, 6, 9])
def test_a_network_that_changes_nothing_changes_nothing(
    layout: PixelLayout, colour: str, full_range: bool, matrix: int
) -> None:
    color = ColorSpec(1, 1, 0, True) if layout.family == "rgb" else ColorSpec(1, 1, matrix, full_range)
    frame = _random(layout, color)
    planes = _written(frame, colour, network_input(frame, colour, CPU))  # type: ignore[arg-type]
    for written, plane in zip(planes, frame.planes, strict=True):
        assert written.dtype == torch.float32
        assert float((written - plane.float()).abs().max()) < 2e-5 * layout.peak


def test_linear_light_is_seen_as_srgb_and_comes_back_beyond_white_too() -> None:
    values = torch.tensor([[0.0, 0.001, 0.18, 0.5, 1.0, 1.5, 40.0, -0.01]])
    linear = ColorSpec(1, 8, 0, True)
    frame = _frame(FLOAT, linear, values, values, values)
    given = network_input(frame, "RGB", CPU)
    assert float((given[0, 0, 2] - 0.4613561).abs()) < 1e-4, "mid grey of sRGB"
    assert float(given.max()) < 3, "what is beyond white stays near what networks know"
    for written in _written(frame, "RGB", given):
        torch.testing.assert_close(written, values, rtol=1e-4, atol=1e-6)


def test_floats_that_are_no_numbers_do_not_spread() -> None:
    values = torch.full((4, 4), 0.5)
    values[1, 1], values[2, 2] = float("nan"), float("inf")
    given = network_input(_frame(FLOAT, ColorSpec(1, 13, 0, True), values, values, values), "RGB", CPU)
    assert bool(torch.isfinite(given).all())


@pytest.mark.parametrize("location", ["left", "center", "topleft", "bottom"])
def test_subsampled_chroma_keeps_its_place(location: ChromaLocation) -> None:
    """A smooth colour, enlarged exactly by a network that resamples: chroma lands where it would if resampled alone."""
    color = replace(BT709, chroma_location=location)
    offset = YUV420.siting_offset(location)
    height, width = 32, 48

    def smooth(size: tuple[int, int], step: float, place: tuple[float, float]) -> Tensor:
        y = (torch.arange(size[0]) + 0.5 + place[1]) * step
        x = (torch.arange(size[1]) + 0.5 + place[0]) * step
        return 128 + 40 * torch.sin(y[:, None] / 9) * torch.cos(x / 11)

    chroma = smooth((16, 24), 2.0, offset)
    frame = _frame(YUV420, color, torch.full((height, width), 120.0), chroma, chroma)
    image = network_input(frame, "RGB", CPU)
    enlarged = resample(image, (2 * height, 2 * width), kernel="bicubic")
    planes = _written(frame, "RGB", enlarged, factor=2)
    expected = smooth((32, 48), 1.0, offset)
    assert float((planes[1] - expected)[4:-4, 4:-4].abs().max()) < 0.3
    assert float((planes[0] - 120).abs().max()) < 0.3


def test_chroma_of_luma_networks_is_resampled_where_it_sits_and_alpha_too() -> None:
    layout = PixelLayout("yuva420p", "yuv", 8, 1, 1, has_alpha=True)
    frame = _random(layout, replace(BT709, chroma_location="left"))
    enlarged = resample(network_input(frame, "Y", CPU), (24, 40), kernel="bicubic")
    luma, cb, _, alpha = _written(frame, "Y", enlarged, factor=2)
    size = (12, 20)
    torch.testing.assert_close(cb, resample(frame.planes[1], size, kernel="bicubic", offset_yx=(0.0, -0.25)))
    torch.testing.assert_close(alpha, resample(frame.planes[3], (24, 40), kernel="bicubic"))
    torch.testing.assert_close(luma, resample(frame.planes[0], (24, 40), kernel="bicubic"), rtol=0, atol=1e-3)


def test_colour_of_rgb_survives_a_luma_network() -> None:
    frame = _random(RGB, ColorSpec(1, 13, 0, True))
    enlarged = resample(network_input(frame, "Y", CPU), (24, 40), kernel="bicubic")
    for written, plane in zip(_written(frame, "Y", enlarged, factor=2), frame.planes, strict=True):
        torch.testing.assert_close(written, resample(plane, (24, 40), kernel="bicubic"), rtol=0, atol=2e-3)


def test_the_rest_to_the_size_is_resampled() -> None:
    frame = _random(YUV444, BT709)
    image = resample(network_input(frame, "RGB", CPU), (48, 80), kernel="bicubic")
    geometry = Geometry(20, 12, 50, 31)
    writer = PlaneWriter(frame, "RGB", geometry, (48, 80), CPU)
    for row in range(0, 48, 7):
        writer.push(image[:, row : row + 7])
    whole = resample(image, (31, 50), kernel="bicubic")
    exact = PlaneWriter(frame, "RGB", geometry, (31, 50), CPU)
    exact.push(whole)
    for banded, expected in zip(writer.planes(), exact.planes(), strict=True):
        torch.testing.assert_close(banded, expected, rtol=0, atol=1e-3)


def test_ten_bits_pass_without_a_step_of_eight() -> None:
    layout = replace(YUV444, name="yuv444p10le", bit_depth=10)
    ramp = (torch.arange(876) + 64).repeat(4, 1).to(torch.int32).to(torch.uint16)
    flat = torch.full((4, 876), 512, dtype=torch.int32).to(torch.uint16)
    frame = _frame(layout, BT709, ramp, flat, flat)
    for colour in ("Y", "RGB"):
        planes = _written(frame, colour, network_input(frame, colour, CPU))  # type: ignore[arg-type]
        stored = quantise(replace(frame, planes=planes), OutputFormat(layout, BT709))
        assert np.array_equal(stored[0], ramp.to(torch.int32).numpy().astype(np.uint16))

"""From restored planes to integers: against a float64 computation that shares nothing with `vsr.media.convert`."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from vsr.frames import ColorSpec, VideoFrame
from vsr.media.convert import OutputFormat, quantise
from vsr.media.layouts import LAYOUTS, compare_layouts

Floats = NDArray[np.float64]
_VIDEO = ColorSpec(1, 1, 1, full_range=False, chroma_location="left")
_FULL = ColorSpec(1, 1, 1, full_range=True, chroma_location="left")
_RGB = ColorSpec(1, 13, 0, full_range=True)
_WEIGHTS = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}


def _frame(planes: list[Any], layout: str, color: ColorSpec) -> VideoFrame:
    tensors = tuple(torch.as_tensor(np.asarray(plane)) for plane in planes)
    return VideoFrame(tensors, LAYOUTS[layout], color, 0, 0, Fraction(1, 25))


def _quantise(planes: list[Any], source: str, before: ColorSpec, target: str, after: ColorSpec) -> list[NDArray[Any]]:
    return list(quantise(_frame(planes, source, before), OutputFormat(LAYOUTS[target], after)))


def test_rounding_is_to_the_nearest_and_clips() -> None:
    values = np.array([[-3.0, -0.4, 0.49, 0.51, 16.0, 100.49, 100.51, 254.6, 255.4, 300.0]], np.float32)
    [out] = _quantise([values], "gray", _VIDEO, "gray", _VIDEO)
    assert out.dtype == np.uint8
    assert out.tolist() == [[0, 0, 0, 1, 16, 100, 101, 255, 255, 255]]


@pytest.mark.parametrize("bits", [9, 10, 12, 14, 16])
def test_every_code_value_survives_in_its_own_layout(bits: int) -> None:
    codes = np.arange(1 << bits, dtype=np.uint16).reshape(64, -1)
    [out] = _quantise([codes.astype(np.float32)], f"gray{bits}le", _VIDEO, f"gray{bits}le", _VIDEO)
    np.testing.assert_array_equal(out, codes)


@pytest.mark.parametrize("bits", [9, 10, 12, 14, 16])
def test_video_range_widens_by_shifting(bits: int) -> None:
    """Black 16 → 64, white 235 → 940: the same image in more bits."""
    codes = np.arange(256, dtype=np.uint8).reshape(16, 16)
    [out] = _quantise([codes], "gray", _VIDEO, f"gray{bits}le", _VIDEO)
    np.testing.assert_array_equal(out, codes.astype(np.uint16) << (bits - 8))


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_full_range_widens_to_the_new_peak(bits: int) -> None:
    codes = np.arange(256, dtype=np.uint8).reshape(16, 16)
    [out] = _quantise([codes], "gray", _FULL, f"gray{bits}le", _FULL)
    peak = (1 << bits) - 1
    np.testing.assert_array_equal(out, np.rint(codes.astype(np.float64) * peak / 255))
    assert out.max() == peak


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_widened_chroma_keeps_neutral_neutral(bits: int) -> None:
    planes = [np.full((8, 8), 100, np.uint8), *[np.full((4, 4), 128, np.uint8)] * 2]
    for color in (_VIDEO, _FULL):
        _, cb, cr = _quantise(planes, "yuv420p", color, f"yuv420p{bits}le", color)
        assert (cb == 1 << (bits - 1)).all()
        assert (cr == 1 << (bits - 1)).all()


@pytest.mark.parametrize("bits", [10, 16])
def test_grey_becomes_luma_with_neutral_chroma(bits: int) -> None:
    codes = np.arange(16, 236, dtype=np.uint8).reshape(10, 22)
    luma, cb, cr = _quantise([codes], "gray", _VIDEO, f"yuv420p{bits}le", _VIDEO)
    np.testing.assert_array_equal(luma, codes.astype(np.uint16) << (bits - 8))
    assert cb.shape == (5, 11)
    assert set(np.unique(cb)) == set(np.unique(cr)) == {1 << (bits - 1)}


def _reference_to_rgb(planes: list[Floats], depth: int, full: bool, matrix: int, out_bits: int) -> Floats:
    """ITU-R formulae in float64: YCbCr code values to R'G'B' code values (full range)."""
    kr, kb = _WEIGHTS[matrix]
    scale = 2.0 ** (depth - 8)
    peak = 2.0**depth - 1
    y = planes[0] / peak if full else (planes[0] - 16 * scale) / (219 * scale)
    cb, cr = (((c - 128 * scale) / peak) if full else ((c - 128 * scale) / (224 * scale)) for c in planes[1:])
    conversion = np.linalg.inv(
        np.array(
            [
                [kr, 1 - kr - kb, kb],
                [-kr / (2 * (1 - kb)), -(1 - kr - kb) / (2 * (1 - kb)), 0.5],
                [0.5, -(1 - kr - kb) / (2 * (1 - kr)), -kb / (2 * (1 - kr))],
            ]
        )
    )
    rgb: Floats = np.tensordot(conversion, np.stack([y, cb, cr]), 1)
    return np.clip(rgb, 0, 1) * (2.0**out_bits - 1)


@pytest.mark.parametrize("matrix", [1, 6, 9])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(("source", "depth"), [("yuv444p", 8), ("yuv444p10le", 10), ("yuv444p12le", 12)])
def test_yuv_to_rgb(source: str, depth: int, full: bool, matrix: int) -> None:
    rng = np.random.default_rng(1)
    dtype = np.uint8 if depth == 8 else np.uint16
    planes = [rng.integers(0, 1 << depth, (40, 40)).astype(dtype) for _ in range(3)]
    before = ColorSpec(1, 1, matrix, full_range=full)
    got = _quantise(planes, source, before, "gbrp16le", _RGB)
    expected = _reference_to_rgb([p.astype(np.float64) for p in planes], depth, full, matrix, 16)
    np.testing.assert_allclose(np.stack(got).astype(np.float64), expected, atol=0.6)


@pytest.mark.parametrize("matrix", [1, 6])
@pytest.mark.parametrize("full", [False, True])
def test_rgb_to_yuv_is_the_inverse(matrix: int, full: bool) -> None:
    rng = np.random.default_rng(2)
    rgb = [rng.integers(0, 256, (40, 40)).astype(np.uint8) for _ in range(3)]
    after = ColorSpec(1, 1, matrix, full_range=full)
    yuv = _quantise(rgb, "gbrp", _RGB, "yuv444p12le", after)
    back = _reference_to_rgb([p.astype(np.float64) for p in yuv], 12, full, matrix, 8)
    np.testing.assert_allclose(back, np.stack(rgb).astype(np.float64), atol=0.2)


def test_known_colours() -> None:
    """EBU colour bars at 100 %, 8 bit, BT.709: values from the standard."""
    bars = {"white": (255, 255, 255), "red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "black": (0, 0, 0)}
    expected = {"white": (235, 128, 128), "red": (63, 102, 240), "green": (173, 42, 26), "blue": (32, 240, 118)}
    expected["black"] = (16, 128, 128)
    for name, rgb in bars.items():
        planes = [np.full((2, 2), value, np.uint8) for value in rgb]
        assert tuple(int(p[0, 0]) for p in _quantise(planes, "gbrp", _RGB, "yuv444p", _VIDEO)) == expected[name], name


def _ramp_420(location: str, height: int = 32, width: int = 64) -> list[Floats]:
    """Luma flat; chroma a ramp over the image, sampled where ``location`` puts its samples."""
    offset_x = {"left": 0.0, "topleft": 0.0, "center": 0.5, "top": 0.5}[location]
    offset_y = {"left": 0.5, "topleft": 0.0, "center": 0.5, "top": 0.0}[location]
    rows = (np.arange(height // 2) * 2 + offset_y)[:, None]
    cols = (np.arange(width // 2) * 2 + offset_x)[None, :]
    return [np.full((height, width), 500.0), 200 + 4 * cols + 0 * rows, 200 + 5 * rows + 0 * cols]


@pytest.mark.parametrize("location", ["left", "topleft", "center", "top"])
def test_420_to_444_puts_chroma_where_it_belongs(location: Any) -> None:
    """A ramp stays the same ramp: any error of siting would shift it by a quarter sample or more."""
    color = ColorSpec(1, 1, 1, full_range=False, chroma_location=location)
    planes = [plane.astype(np.float32) for plane in _ramp_420(location)]
    _, cb, cr = _quantise(planes, "yuv420p10le", color, "yuv444p10le", color)
    inside = (slice(8, -8), slice(8, -8))
    cols, rows = np.arange(64)[None, :], np.arange(32)[:, None]
    np.testing.assert_allclose(cb[inside].astype(float), (200 + 4 * cols + 0 * rows)[inside], atol=0.51)
    np.testing.assert_allclose(cr[inside].astype(float), (200 + 5 * rows + 0 * cols)[inside], atol=0.51)


@pytest.mark.parametrize("location", ["left", "topleft", "center", "top"])
def test_420_to_422_keeps_columns_and_fills_rows(location: Any) -> None:
    color = ColorSpec(1, 1, 1, full_range=False, chroma_location=location)
    planes = [plane.astype(np.float32) for plane in _ramp_420(location)]
    _, cb, cr = _quantise(planes, "yuv420p10le", color, "yuv422p10le", color)
    np.testing.assert_array_equal(cb[8:-8], np.broadcast_to(np.rint(planes[1][0]), (16, 32)))
    rows = np.arange(32)[:, None]
    np.testing.assert_allclose(cr[8:-8].astype(float), (200 + 5 * rows + np.zeros((32, 32)))[8:-8], atol=0.51)


def test_rgb_from_420_uses_the_siting() -> None:
    """A chroma ramp becomes a straight ramp in blue as well."""
    planes = [plane.astype(np.float32) for plane in _ramp_420("left")]
    planes[2][:] = 512
    color = ColorSpec(1, 1, 1, full_range=False, chroma_location="left")
    _, _, blue = _quantise(planes, "yuv420p10le", color, "gbrp16le", _RGB)
    cols = np.arange(64.0)
    y, cb = (500 - 64) / 876, (200 + 4 * cols - 512) / 896
    expected = np.clip(y + 2 * (1 - 0.0722) * cb, 0, 1) * 65535
    np.testing.assert_allclose(blue[16, 8:-8].astype(float), expected[8:-8], atol=12)


@pytest.mark.parametrize(("source", "target", "step"), [("gray16le", "gray", 256), ("gray10le", "gray", 4)])
def test_dither_has_no_bias_and_keeps_levels_between_codes(source: str, target: str, step: int) -> None:
    for level in (100 * step, 100 * step + step // 4, 100 * step + step // 2, 100 * step + 3 * step // 4):
        plane = np.full((64, 64), level, np.uint16)
        [out] = _quantise([plane], source, _VIDEO, target, _VIDEO)
        assert abs(out.astype(float).mean() - level / step) < 0.003
        assert set(np.unique(out)) <= {100, 101}


def test_dither_of_a_ramp_has_no_bands() -> None:
    """Block means follow a slow 16-bit ramp to a fraction of an 8-bit step."""
    ramp = np.broadcast_to(np.linspace(30 * 256, 34 * 256, 512), (64, 512)).astype(np.uint16)
    [out] = _quantise([ramp], "gray16le", _VIDEO, "gray", _VIDEO)
    means = out.astype(float).reshape(8, 8, 64, 8).mean((0, 1, 3))
    expected = (ramp[0].astype(float) / 256).reshape(64, 8).mean(1)
    np.testing.assert_allclose(means, expected, atol=0.06)


def test_what_is_not_narrowed_is_not_dithered() -> None:
    plane = np.full((16, 16), 100.4, np.float32)
    [out] = _quantise([plane], "gray10le", _VIDEO, "gray10le", _VIDEO)
    assert (out == 100).all()


def test_alpha_goes_along_and_is_opaque_where_there_was_none() -> None:
    rgba = [np.full((4, 4), value, np.uint8) for value in (10, 20, 30, 77)]
    out = _quantise(rgba, "gbrap", _RGB, "gbrap16le", _RGB)
    assert [int(p[0, 0]) for p in out] == [10 * 257, 20 * 257, 30 * 257, 77 * 257]
    opaque = _quantise(rgba[:3], "gbrp", _RGB, "gbrap", _RGB)
    assert (opaque[3] == 255).all()


def test_video_range_keeps_alpha_in_full_range() -> None:
    planes = [np.full((4, 4), value, np.uint8) for value in (235, 128, 128, 255)]
    out = _quantise(planes, "yuva444p", _VIDEO, "yuva444p10le", _VIDEO)
    assert [int(p[0, 0]) for p in out] == [940, 512, 512, 1023]


def test_floats_pass_unclipped() -> None:
    planes = [np.array([[-0.5, 0.25, 7.5]], np.float32)] * 3
    out = _quantise(planes, "gbrpf32le", _RGB, "gbrpf32le", _RGB)
    for plane in out:
        assert plane.dtype == np.float32
        assert plane.tolist() == [[-0.5, 0.25, 7.5]]


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("yuv420p", "yuv420p", "same"),
        ("yuv420p", "yuv420p10le", "wider"),
        ("yuv420p", "yuv444p", "wider"),
        ("yuv420p", "yuv422p", "wider"),
        ("yuv422p", "yuv420p", "narrower"),
        ("yuv444p", "yuv422p", "narrower"),
        ("yuv440p", "yuv422p", "narrower"),
        ("yuv422p10le", "yuv444p", "narrower"),
        ("yuv420p10le", "yuv420p", "narrower"),
        ("gray", "yuv420p", "wider"),
        ("gray", "gbrp", "wider"),
        ("yuv444p", "gray", "narrower"),
        ("gbrp", "yuv444p", "narrower"),
        ("gbrp", "gbrap", "wider"),
        ("gbrap", "gbrp", "narrower"),
        ("yuv420p", "gbrp", "narrower"),
        ("yuv420p", "gbrp16le", "wider"),
        ("yuv444p12le", "gbrp16le", "wider"),
        ("yuv444p16le", "gbrpf32le", "wider"),
        ("gbrpf32le", "gbrp16le", "narrower"),
        ("gbrp16le", "gbrpf32le", "wider"),
        ("yuva420p", "yuv420p", "narrower"),
    ],
)
def test_what_holds_what(source: str, target: str, expected: str) -> None:
    assert compare_layouts(LAYOUTS[source], LAYOUTS[target]) == expected


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(LAYOUTS)), st.sampled_from(sorted(LAYOUTS)), st.booleans())
def test_what_is_called_wider_comes_back(source: str, target: str, full: bool) -> None:
    """Round trip through any wider layout: no sample moves by more than rounding."""
    before, after = LAYOUTS[source], LAYOUTS[target]
    assert not (compare_layouts(before, after) == "wider" and compare_layouts(after, before) == "wider")
    if compare_layouts(before, after) != "wider" or before.family != after.family or before.is_float != after.is_float:
        return
    rng = np.random.default_rng(3)
    color = ColorSpec(1, 1, 0 if before.family == "rgb" else 1, full or before.family == "rgb", "left")
    planes = []
    for index in range(before.num_planes):
        size = before.plane_size(index, 32, 32)
        value = rng.random(size).astype(np.float32) if before.is_float else None
        low = np.full(size, rng.integers(20, 1 << (before.bit_depth - 1))) if before.is_chroma(index) else None
        noise = rng.integers(0, 1 << min(before.bit_depth, 16), size)
        planes.append(value if value is not None else low if low is not None else noise)
    planes = [p if before.is_float else p.astype(np.uint8 if before.bit_depth <= 8 else np.uint16) for p in planes]
    wide = _quantise(planes, source, color, target, color)
    back = _quantise(wide, target, color, source, color)
    for given_plane, returned in zip(planes, back, strict=False):
        difference = np.abs(given_plane.astype(np.float64) - returned.astype(np.float64))
        assert difference.max() <= (1 if not before.is_float else 1e-6)

"""Every pixel layout that vsr works in, and every FFmpeg format that maps to one, keeps its samples exactly."""

from __future__ import annotations

import av
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from vsr.errors import InputError
from vsr.frames import PixelLayout
from vsr.media.layouts import _REARRANGED, LAYOUTS, layout_for
from vsr.media.planes import fingerprint, frame_from_planes, frame_layout, planes_of

_SIZES = [(64, 48), (35, 21)]
_EXPANDED = {"pal8", "monow", "monob"} | {"rgb8", "bgr8", "rgb4_byte", "bgr4_byte"}
_FEWER_BITS = {"rgb565le", "rgb565be", "bgr565le", "rgb555le", "rgb555be", "bgr555le", "rgb444le", "bgr444le"}
_HALF_FLOAT = {"gbrpf16le", "gbrapf16le", "rgbf16le", "rgbaf16le", "grayf16le"}
_BY_HAND = {"uyyvyy411", "rgbf32le", "rgbf32be"}  # swscale reads these and does not write them


def _random_planes(layout: PixelLayout, width: int, height: int, seed: int = 0) -> list[NDArray[np.generic]]:
    rng = np.random.default_rng(seed)
    planes: list[NDArray[np.generic]] = []
    for index in range(layout.num_planes):
        size = layout.plane_size(index, width, height)
        if layout.is_float:
            planes.append(rng.standard_normal(size).astype(np.float32))
        else:
            dtype = np.uint8 if layout.bit_depth <= 8 else np.uint16
            planes.append(rng.integers(0, 1 << layout.bit_depth, size, dtype=np.int64).astype(dtype))
    return planes


def _format_exists(name: str) -> bool:
    try:
        av.VideoFormat(name)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("size", _SIZES, ids=str)
@pytest.mark.parametrize("name", LAYOUTS)
def test_planes_go_into_a_frame_and_come_out_equal(name: str, size: tuple[int, int]) -> None:
    layout = LAYOUTS[name]
    given = _random_planes(layout, *size)
    frame = frame_from_planes(given, layout, *size)
    assert frame_layout(frame) == layout
    got = planes_of(frame)
    assert len(got) == layout.num_planes
    for before, after in zip(given, got, strict=True):
        np.testing.assert_array_equal(after, before)
        assert after.flags.c_contiguous


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_says_what_ffmpeg_says(name: str) -> None:
    """Depth, subsampling, components: against FFmpeg's own descriptors."""
    layout, found = LAYOUTS[name], av.VideoFormat(name)
    assert len(found.components) == layout.num_planes
    assert {component.bits for component in found.components} == {layout.bit_depth}
    assert found.chroma_width(64) == 64 >> layout.chroma_shift_x
    assert found.chroma_height(64) == 64 >> layout.chroma_shift_y
    assert found.is_rgb == (layout.family == "rgb")
    assert any(component.is_alpha for component in found.components) == layout.has_alpha
    tensor = torch.from_numpy(_random_planes(layout, 4, 4)[0])
    assert tensor.dtype == layout.dtype


@pytest.mark.parametrize(
    ("packed", "planar"), [(packed, planar) for planar, names in _REARRANGED.items() for packed in names]
)
def test_a_rearranged_format_keeps_every_sample(packed: str, planar: str) -> None:
    """Planar → packed by FFmpeg → planes by vsr. Formats that hold less are checked from the packed side."""
    if not _format_exists(packed):
        pytest.skip(f"this FFmpeg has no {packed}")
    layout = layout_for(packed)
    assert layout == LAYOUTS[planar]
    if packed in _EXPANDED | _FEWER_BITS | _HALF_FLOAT | _BY_HAND or packed.startswith("ya"):
        return  # tested below, from the packed side
    given = _random_planes(layout, 64, 48, seed=5)
    frame = frame_from_planes(given, layout, 64, 48).reformat(format=packed)
    assert frame.format.name == packed
    for index, (before, after) in enumerate(zip(given, planes_of(frame), strict=True)):
        np.testing.assert_array_equal(after, before, err_msg=f"plane {index}")


@pytest.mark.parametrize("packed", ["rgbf32le", "rgbf32be"])
def test_packed_floats_are_unpacked_in_order(packed: str) -> None:
    data = np.random.default_rng(6).standard_normal((8, 16, 3)).astype(">f4" if packed.endswith("be") else "<f4")
    frame = av.VideoFrame(16, 8, packed)
    plane = frame.planes[0]
    rows = np.frombuffer(memoryview(plane), data.dtype).reshape(plane.height, -1)
    rows[:, :48] = data.reshape(8, 48)
    for component, got in enumerate(planes_of(frame)):
        np.testing.assert_array_equal(got, data[:, :, component])


@pytest.mark.parametrize("packed", sorted(_HALF_FLOAT))
def test_half_floats_widen_exactly(packed: str) -> None:
    layout = layout_for(packed)
    found = av.VideoFormat(packed)
    frame = av.VideoFrame(16, 4, packed)
    samples = np.random.default_rng(7).standard_normal((len(found.components), 4, 16)).astype("<f2")
    places = {"gray": [(0, 0, 1)], "gbr": [(2, 0, 1), (0, 0, 1), (1, 0, 1), (3, 0, 1)]}
    step = len(found.components)
    places["rgb"] = [(0, component, step) for component in range(step)]
    for sample, (number, offset, stride) in zip(samples, places[packed[:3].replace("gra", "gray")], strict=False):
        plane = frame.planes[number]
        rows = np.frombuffer(memoryview(plane), "<f2").reshape(plane.height, -1)
        rows[:, offset : offset + 16 * stride : stride] = sample
    got = planes_of(frame)
    assert len(got) == layout.num_planes
    for before, after in zip(samples, got, strict=True):
        np.testing.assert_array_equal(after, before.astype(np.float32))


def test_uyyvyy411_is_unpacked_in_order() -> None:
    luma, blue, red = _random_planes(LAYOUTS["yuv411p"], 64, 8, seed=8)
    frame = av.VideoFrame(64, 8, "uyyvyy411")
    plane = frame.planes[0]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, -1)[:, :96].reshape(8, 16, 6)
    rows[:, :, 0], rows[:, :, 3] = blue, red
    for place, sample in ((1, 0), (2, 1), (4, 2), (5, 3)):
        rows[:, :, place] = luma[:, sample::4]
    for before, after in zip((luma, blue, red), planes_of(frame), strict=True):
        np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize("packed", ["rgb24", "bgr24", "0rgb", "rgb0", "bgr0", "0bgr"])
def test_packed_rgb_is_unpacked_in_order(packed: str) -> None:
    """Against numpy indexing, not against FFmpeg's conversion."""
    rng = np.random.default_rng(2)
    order = packed.replace("24", "")
    data = rng.integers(0, 256, (12, 32, len(order)), dtype=np.uint8)
    frame = av.VideoFrame(32, 12, packed)
    plane = frame.planes[0]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
    rows[:, : 32 * len(order)] = data.reshape(12, -1)
    for component, got in zip("rgb", planes_of(frame), strict=True):
        np.testing.assert_array_equal(got, data[:, :, order.index(component)])


@pytest.mark.parametrize(("packed", "order"), [("rgba", "rgba"), ("bgra", "bgra"), ("argb", "argb"), ("abgr", "abgr")])
def test_packed_alpha_is_unpacked_in_order(packed: str, order: str) -> None:
    rng = np.random.default_rng(3)
    data = rng.integers(0, 256, (12, 32, 4), dtype=np.uint8)
    frame = av.VideoFrame(32, 12, packed)
    plane = frame.planes[0]
    np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[:, :128] = data.reshape(12, -1)
    for component, got in zip("rgba", planes_of(frame), strict=True):
        np.testing.assert_array_equal(got, data[:, :, order.index(component)])


@pytest.mark.parametrize("packed", ["ya8", "ya16le"])
def test_grey_with_alpha_keeps_both(packed: str) -> None:
    rng = np.random.default_rng(4)
    dtype = np.uint8 if packed == "ya8" else np.uint16
    data = rng.integers(0, np.iinfo(dtype).max + 1, (10, 16, 2)).astype(dtype)
    frame = av.VideoFrame(16, 10, packed)
    plane = frame.planes[0]
    rows = np.frombuffer(memoryview(plane), dtype).reshape(plane.height, -1)
    rows[:, :32] = data.reshape(10, -1)
    *colours, alpha = planes_of(frame)
    np.testing.assert_array_equal(alpha, data[:, :, 1])
    for colour in colours:
        np.testing.assert_array_equal(colour, data[:, :, 0])


@pytest.mark.parametrize("packed", sorted(_FEWER_BITS))
def test_few_bit_rgb_expands_to_distinct_codes(packed: str) -> None:
    """Every 5- or 6-bit step becomes a step of its own in 8 bits, black stays 0 and white becomes 255."""
    frame = av.VideoFrame(256, 1, packed)
    bits = next(c.bits for c in av.VideoFormat(packed).components if c.plane == 0)
    words = np.arange(256, dtype=np.uint16) % (1 << bits)
    full = np.uint16(0xFFFF if "565" in packed else 0x7FFF if "555" in packed else 0x0FFF)
    words[-1] = full
    words[0] = 0
    data = words.astype(">u2" if packed.endswith("be") else "<u2")
    plane = frame.planes[0]
    np.frombuffer(memoryview(plane), np.uint8)[:512] = data.view(np.uint8)
    planes = planes_of(frame)
    assert [int(p[0, 0]) for p in planes] == [0, 0, 0]
    assert [int(p[0, -1]) for p in planes] == [255, 255, 255]
    low = planes[2 if packed.startswith("rgb") else 0]
    assert len(set(low[0, : 1 << bits].tolist())) == 1 << bits


@pytest.mark.parametrize("packed", ["rgb8", "bgr8", "rgb4_byte", "bgr4_byte", "pal8"])
def test_palettes_give_their_colours(packed: str) -> None:
    frame = av.VideoFrame(16, 2, packed)
    for plane in frame.planes:
        np.frombuffer(memoryview(plane), np.uint8)[:] = 0
    if packed == "pal8":
        palette = np.frombuffer(memoryview(frame.planes[1]), np.uint8).reshape(-1, 4)
        palette[0] = (10, 20, 30, 255)  # B, G, R, A in memory
        assert [int(p[0, 0]) for p in planes_of(frame)] == [30, 20, 10, 255]
    else:
        assert all(int(p.max()) == 0 for p in planes_of(frame))
        np.frombuffer(memoryview(frame.planes[0]), np.uint8)[:] = 0xFF if "8" in packed else 0x0F
        assert all(int(p[0, 0]) == 255 for p in planes_of(frame))


@pytest.mark.parametrize(("packed", "blank"), [("monow", 255), ("monob", 0)])
def test_one_bit_images(packed: str, blank: int) -> None:
    frame = av.VideoFrame(16, 2, packed)
    np.frombuffer(memoryview(frame.planes[0]), np.uint8)[:] = 0
    np.testing.assert_array_equal(planes_of(frame)[0], np.full((2, 16), blank))


@pytest.mark.parametrize("name", ["yuvj420p", "yuvj422p", "yuvj444p", "yuvj440p", "yuvj411p"])
def test_deprecated_full_range_names_keep_their_samples(name: str) -> None:
    """The old full-range names must not be squeezed into video range on the way."""
    layout = layout_for(name)
    given = _random_planes(layout, 64, 48)
    given[0][0, :2] = (0, 255)
    frame = av.VideoFrame(64, 48, name)
    for index, plane in enumerate(frame.planes):
        height, width = layout.plane_size(index, 64, 48)
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        rows[:height, :width] = given[index]
    for before, after in zip(given, planes_of(frame), strict=True):
        np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize("big", ["yuv420p10be", "yuv444p16be", "gbrp12be", "gray16be", "gray10be", "yuva444p12be"])
def test_big_endian_formats_keep_every_sample(big: str) -> None:
    layout = layout_for(big)
    given = _random_planes(layout, 64, 48, seed=9)
    frame = frame_from_planes(given, layout, 64, 48).reformat(format=big)
    assert frame.format.name == big
    for before, after in zip(given, planes_of(frame), strict=True):
        np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize("name", ["bayer_rggb8", "xyz12le", "vaapi", "cuda"])
def test_what_is_no_image_of_samples_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="not supported"):
        layout_for(name)


def test_fingerprints_see_every_sample_and_the_shape() -> None:
    planes = _random_planes(LAYOUTS["yuv420p"], 64, 48)
    known = {fingerprint(planes)}
    for plane in range(3):
        for place in ((0, 0), (-1, -1), (7, 11)):
            changed = [p.copy() for p in planes]
            changed[plane][place] ^= 1
            known.add(fingerprint(changed))
    known.add(fingerprint([planes[0].reshape(-1, 32), *planes[1:]]))
    known.add(fingerprint([planes[0], planes[2], planes[1]]))
    known.add(fingerprint([planes[0].view(np.uint16), *planes[1:]]))
    assert len(known) == 1 + 9 + 3


def test_fingerprints_do_not_see_padding() -> None:
    """Two decoders may pad rows differently."""
    layout = LAYOUTS["yuv420p"]
    planes = _random_planes(layout, 35, 21)
    marks = []
    for filler in (0, 255):
        frame = frame_from_planes(planes, layout, 35, 21)
        for index, plane in enumerate(frame.planes):
            rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
            rows[:, layout.plane_size(index, 35, 21)[1] :] = filler
        marks.append(fingerprint(planes_of(frame)))
    assert marks[0] == marks[1]

"""Every row of `CODECS` × every layout it says it holds: written, read back by plain PyAV, compared."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from vsr.frames import ColorSpec, PixelLayout
from vsr.media.codecs import CODECS, CONTAINERS, CodecSpec, choose_layout
from vsr.media.containers import holds
from vsr.media.encode import EncoderSpec, segment_sink
from vsr.media.layouts import LAYOUTS
from vsr.media.packets import PacketTimes
from vsr.media.planes import frame_layout, planes_of
from vsr.media.probe import StreamInfo

_WIDTH, _HEIGHT, _FRAMES = 64, 64, 4
_ROWS = [(name, layout) for name, spec in CODECS.items() for layout in spec.layouts]
_VIDEO = [(name, layout) for name, layout in _ROWS if CODECS[name].kind == "video"]
_IMAGES = [(name, layout) for name, layout in _ROWS if CODECS[name].kind == "images"]
_PTS = [0, 3, 4, 9]
Planes = tuple[NDArray[np.generic], ...]


def _color(layout: PixelLayout) -> ColorSpec:
    if layout.family == "rgb":
        return ColorSpec(primaries=1, transfer=13, matrix=0, full_range=True)
    subsampled = layout.chroma_shift_x or layout.chroma_shift_y
    return ColorSpec(6, 6, 6, full_range=False, chroma_location="left" if subsampled else "unspecified")


def _spec(codec: CodecSpec, layout: PixelLayout, *, lossless: bool) -> EncoderSpec:
    return EncoderSpec(
        codec=codec,
        layout=layout,
        color=_color(layout),
        width=_WIDTH,
        height=_HEIGHT,
        time_base=Fraction(1, 50),
        frame_rate=Fraction(25),
        sample_aspect_ratio=Fraction(4, 3),
        quality=codec.quality_range[0] + 4 if codec.quality is not None else None,
        speed=codec.default_speed if codec.name == "av1" else "ultrafast" if codec.speeds else "",
        threads=2,
        lossless=lossless,
    )


def _noise(layout: PixelLayout, seed: int) -> Planes:
    """Random legal code values, the extremes among them."""
    rng = np.random.default_rng(seed)
    planes = []
    for index in range(layout.num_planes):
        size = layout.plane_size(index, _WIDTH, _HEIGHT)
        if layout.is_float:
            planes.append((rng.standard_normal(size) * 3).astype(np.float32))
        else:
            dtype = np.uint8 if layout.bit_depth <= 8 else np.uint16
            plane = rng.integers(0, 1 << layout.bit_depth, size).astype(dtype)
            plane[0, 0], plane[-1, -1] = 0, (1 << layout.bit_depth) - 1
            planes.append(plane)
    return tuple(planes)


def _smooth(layout: PixelLayout, seed: int) -> Planes:
    """Gentle gradients of legal video levels, different in each plane and frame."""
    planes = []
    for index in range(layout.num_planes):
        height, width = layout.plane_size(index, _WIDTH, _HEIGHT)
        rows, cols = np.mgrid[0:height, 0:width]
        wave = np.sin(2 * np.pi * (rows * (index + 1) / height / 2 + cols / width / 2) + seed / 3)
        dtype = np.uint8 if layout.bit_depth <= 8 else np.uint16
        planes.append(np.rint((0.5 + 0.3 * wave) * layout.peak).astype(dtype))
    return tuple(planes)


def _write(path: Path, spec: EncoderSpec, images: list[Planes]) -> list[PacketTimes]:
    sink = segment_sink(path, spec)
    for pts, planes in zip(_PTS, images, strict=True):
        sink.write(planes, pts)
    return sink.close()


def _decoded(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def _decoded_images(path: Path, spec: EncoderSpec, packets: list[PacketTimes], folder: Path) -> list[av.VideoFrame]:
    """Cut the segment into its images as the sidecar says, and open each as a file of its own."""
    data, place, frames = path.read_bytes(), 0, []
    for number, packet in enumerate(packets):
        file = folder / f"{number}.{spec.codec.containers[0]}"
        file.write_bytes(data[place : place + packet.size])
        place += packet.size
        frames += _decoded(file)
    assert place == len(data)
    return frames


def _shows_grey_as_420(name: str, layout: PixelLayout) -> bool:
    """FFmpeg's H.264 decoder gives monochrome streams two planes of neutral chroma."""
    return name == "h264" and layout.family == "gray"


def _is_lossless(name: str) -> bool:
    return name in ("h264", "hevc", "ffv1", "raw") or CODECS[name].kind == "images"


@pytest.mark.parametrize(("name", "layout_name"), [row for row in _ROWS if _is_lossless(row[0])])
def test_what_is_lossless_comes_back_bit_for_bit(tmp_path: Path, name: str, layout_name: str) -> None:
    layout = LAYOUTS[layout_name]
    spec = _spec(CODECS[name], layout, lossless=CODECS[name].lossless == "asked")
    images = [_noise(layout, seed) for seed in range(_FRAMES)]
    packets = _write(tmp_path / "segment.bin", spec, images)
    assert sorted(packet.pts for packet in packets) == _PTS
    is_sequence = spec.codec.kind == "images"
    path = tmp_path / "segment.bin"
    frames = _decoded_images(path, spec, packets, tmp_path) if is_sequence else _decoded(path)
    assert len(frames) == _FRAMES
    for given, frame in zip(images, frames, strict=True):
        got, found = planes_of(frame), frame_layout(frame)
        assert (frame.width, frame.height) == (_WIDTH, _HEIGHT)
        if _shows_grey_as_420(name, layout):
            assert all((chroma == 1 << (layout.bit_depth - 1)).all() for chroma in got[1:])
            got, found = got[:1], layout
        if name == "webp" and layout.name == "gbrp":  # FFmpeg's decoder adds alpha
            assert (got[3] == 255).all()
            got, found = got[:3], layout
        assert (found.family, found.bit_depth, found.has_alpha) == (layout.family, layout.bit_depth, layout.has_alpha)
        seen = given[3].astype(bool) if layout.name == "gbrap" else slice(None)
        for before, after in zip(given, got, strict=True):
            if name == "webp":  # it stores no colours where nothing is seen
                before, after = before[seen], after[seen]
            np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize(("name", "layout_name"), _VIDEO)
def test_lossy_settings_keep_layout_and_come_close(tmp_path: Path, name: str, layout_name: str) -> None:
    """Depth, subsampling and every plane arrive: at high quality no sample is far off, in any plane."""
    layout = LAYOUTS[layout_name]
    spec = _spec(CODECS[name], layout, lossless=False)
    images = [_smooth(layout, seed) for seed in range(_FRAMES)]
    packets = _write(tmp_path / "segment.bin", spec, images)
    frames = _decoded(tmp_path / "segment.bin")
    assert len(frames) == len(packets) == _FRAMES
    for given, frame in zip(images, frames, strict=True):
        found = frame_layout(frame)
        deeper = name == "prores" and layout.chroma_shift_x == 0  # FFmpeg decodes 4444 to 12 bits
        assert found.bit_depth == (12 if deeper else layout.bit_depth)
        if _shows_grey_as_420(name, layout):
            found = layout
        assert (found.family, found.chroma_shift_x, found.chroma_shift_y) == (
            layout.family,
            layout.chroma_shift_x,
            layout.chroma_shift_y,
        )
        for index, (before, after) in enumerate(zip(given, planes_of(frame)[: len(given)], strict=True)):
            error = after.astype(float) / found.peak - before.astype(float) / layout.peak
            assert np.abs(error).mean() < 0.012, f"plane {index}"
            assert np.abs(error).max() < 0.08, f"plane {index}"


@pytest.mark.parametrize(
    ("name", "layout_name"), [row for row in _VIDEO if row[0] != "raw"]
)  # it has none, and says so
def test_the_stream_carries_its_tags(tmp_path: Path, name: str, layout_name: str) -> None:
    layout = LAYOUTS[layout_name]
    spec = _spec(CODECS[name], layout, lossless=False)
    path = tmp_path / "segment.bin"
    _write(path, spec, [_smooth(layout, seed) for seed in range(_FRAMES)])
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frame = next(container.decode(stream))
        color = spec.color
        assert int(frame.color_primaries) == color.primaries
        assert int(frame.color_trc) == color.transfer
        if not _shows_grey_as_420(name, layout):  # x264 writes no matrix where there is no chroma
            assert int(frame.colorspace) == color.matrix
        if name != "prores":  # ProRes has no range flag: it is video range by definition
            assert int(frame.color_range) == (2 if color.full_range else 1)


@pytest.mark.parametrize("name", CODECS)
def test_equal_input_gives_equal_bytes(tmp_path: Path, name: str) -> None:
    layout = LAYOUTS[CODECS[name].layouts[0]]
    spec = _spec(CODECS[name], layout, lossless=False)
    images = [_noise(layout, seed) for seed in range(_FRAMES)]
    for attempt in ("a", "b"):
        _write(tmp_path / attempt, spec, images)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("name", CODECS)
def test_aborting_leaves_no_file(tmp_path: Path, name: str) -> None:
    layout = LAYOUTS[CODECS[name].layouts[0]]
    sink = segment_sink(tmp_path / "segment.bin", _spec(CODECS[name], layout, lossless=False))
    sink.write(_noise(layout, 0), 0)
    sink.abort()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", CODECS)
def test_rows_are_consistent(name: str) -> None:
    spec = CODECS[name]
    assert spec.name == name
    assert set(spec.layouts) <= set(LAYOUTS)
    assert len(set(spec.layouts)) == len(spec.layouts)
    assert set(spec.containers) <= set(CONTAINERS)
    assert (spec.quality is None) == (spec.quality_range == (0, 0))
    assert not spec.speeds or spec.default_speed in spec.speeds
    for layout in spec.layouts:
        assert choose_layout(spec, LAYOUTS[layout], None) == LAYOUTS[layout]
        assert "rgb" not in LAYOUTS[layout].family or "rgb" in spec.encoders
    for encoder in spec.encoders.values():
        av.Codec(encoder, "w")


@pytest.mark.parametrize(
    ("name", "container"),
    [(n, c) for n, s in CODECS.items() if s.kind == "video" and n != "gif" for c in s.containers],  # it is made of them
)
def test_containers_hold_the_codecs_written_into_them(name: str, container: str) -> None:
    codec = av.Codec(next(iter(CODECS[name].encoders.values())), "w").canonical_name
    assert holds(container, StreamInfo(0, "video", codec, Fraction(1, 1000), 0))

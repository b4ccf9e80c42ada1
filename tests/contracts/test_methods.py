"""What every restorer promises, checked for every row of METHODS and PASSES, both together, and for networks."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import FrozenInstanceError, fields, is_dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from small_faces import know_no_faces, small_corpus
from small_networks import Kind, know_stand_ins, small_network
from torch import Tensor

from vsr.errors import InputError, UsageError
from vsr.frames import ColorSpec, PixelLayout, VideoFrame
from vsr.methods import (
    METHODS,
    NOT_ADAPTED,
    OPTION_TYPES,
    PASSES,
    Geometry,
    PerFrameOptions,
    Prepared,
    RescalingOptions,
    Restorer,
    SamplingOptions,
    find_method,
    restore_shot,
)
from vsr.methods.network.conditioned import ConditionedOptions
from vsr.methods.network.several_frames import SeveralFramesOptions
from vsr.methods.passes.compose import Step, compose
from vsr.methods.passes.deflicker import DeflickerOptions
from vsr.methods.passes.faces import FacesOptions
from vsr.methods.passes.stabilize import StabilizeOptions
from vsr.observation import resample
from vsr.pipeline.adapting import load_adaptation, store_adaptation
from vsr.pipeline.storage import WorkFolder

GRAY = PixelLayout("gray", "gray", 8)
LAYOUTS = (
    PixelLayout("yuv420p", "yuv", 8, 1, 1),
    PixelLayout("yuv422p10le", "yuv", 10, 1, 0),
    PixelLayout("yuv444p16le", "yuv", 16),
    PixelLayout("yuva420p", "yuv", 8, 1, 1, has_alpha=True),
    GRAY,
    PixelLayout("gray16le", "gray", 16),
    PixelLayout("gbrp", "rgb", 8),
    PixelLayout("gbrap12le", "rgb", 12, has_alpha=True),
    PixelLayout("gbrpf32le", "rgb", 32, is_float=True),
)
SIZES = (  # width, height, out_width, out_height
    (48, 32, 96, 64),
    (33, 27, 66, 54),
    (32, 30, 48, 45),
    (40, 28, 40, 56),
    (36, 30, 36, 30),
    (31, 29, 93, 87),
    (40, 32, 20, 24),
    (16, 16, 32, 32),
    (2, 2, 4, 4),
    (1, 9, 2, 18),
    (7, 1, 14, 2),
    (1, 1, 3, 3),
)


NETWORKS: dict[str, tuple[Kind, Any]] = {
    "network for Y": ("Y", PerFrameOptions()),
    "network for RGB": ("RGB", PerFrameOptions()),
    "network for RGB, consistent": ("RGB", PerFrameOptions(consistent=True, noise_sigma=0.0)),
    "network for Y, in tiles, averaged": ("Y", PerFrameOptions(tile_px=16, self_ensemble=True)),
    "network that samples": ("sampling", SamplingOptions(seed=5)),
    "network that samples, in tiles, mean of 3": ("sampling", SamplingOptions(tile_px=16, samples=3, temperature=0.7)),
    "rescaling network": ("rescaling", RescalingOptions(seed=5)),
    "rescaling network without noise": ("pair", RescalingOptions()),
    "network for windows": ("window", SeveralFramesOptions()),
    "network for windows, in tiles": ("window", SeveralFramesOptions(tile_px=16)),
    "recurrent network": ("recurrent", SeveralFramesOptions(degradation="BD")),
    "recurrent network, in tiles": ("recurrent", SeveralFramesOptions(tile_px=16, degradation="BD")),
    "network for sequences": ("sequence", SeveralFramesOptions()),
    "network for sequences, in tiles": ("sequence", SeveralFramesOptions(tile_px=16)),
    "network conditioned on the source": ("conditioned", ConditionedOptions()),
    "network with given conditions, in tiles": (
        "conditioned",
        ConditionedOptions(tile_px=16, blur_sigma_px=0.6, noise_codes=10.0),
    ),
}
"""Networks that add a little to an enlarged image."""
COMPOSED: dict[str, tuple[tuple[str, ...], str, tuple[str, ...]]] = {
    "a pass before lanczos": (("deflicker",), "lanczos", ()),
    "a pass behind a network that remembers": ((), "recurrent network", ("deflicker",)),
    "grain taken away and added": (("degrain",), "lanczos", ("grain",)),
}
"""Methods run one after another."""
NAMES = (*METHODS, *NETWORKS, *(name for name, row in PASSES.items() if row.recolour is None), *COMPOSED)
"""Passes behind which samples mean something else have tests of their own."""
_ADDING = {*NETWORKS, *(name for name, (_, main, _) in COMPOSED.items() if main in NETWORKS)}
_OPTIONS_OF_PASSES = {
    "deflicker": DeflickerOptions(radius_frames=3),
    "stabilize": StabilizeOptions(radius_frames=3, model="homography"),
    "faces": FacesOptions(corpus=str(small_corpus()), detector=str(small_corpus())),
}
CONSTANT_CODES = 1.5  # what these networks add to a constant at most


@pytest.fixture(autouse=True)
def _stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    know_stand_ins(monkeypatch)
    know_no_faces(monkeypatch)


def _prepare(name: str, geometry: Geometry) -> Prepared[Any]:
    if name in NETWORKS:
        kind, options = NETWORKS[name]
        return find_method(str(small_network(kind, strength=0.004))).prepare(geometry, options, "cpu")
    if name in COMPOSED:
        before, main, after = COMPOSED[name]
        steps = [
            [Step(one, place, _prepare(one, geometry)) for one in names]
            for place, names in (("before", before), ("after", after))
        ]
        return compose(steps[0], main, _prepare(main, geometry), steps[1])
    if name in PASSES:
        return PASSES[name].prepare(geometry, _OPTIONS_OF_PASSES.get(name, PASSES[name].options_type()), "cpu")
    method = METHODS[name]
    return method.prepare(geometry, method.options_type(), "cpu")


def _sizes(name: str, *sizes: int) -> Geometry:
    """Passes keep the size."""
    geometry = Geometry(*sizes)
    return Geometry(*sizes[:2], *sizes[:2]) if _prepare(name, geometry).capabilities.keeps_size else geometry


def _make(name: str, geometry: Geometry) -> Restorer:
    return _prepare(name, geometry).open(geometry)


def _scene(count: int, height: int, width: int) -> list[Tensor]:
    """A textured scene panned by half pixels, 0…1, ``count`` images."""
    generator = torch.Generator().manual_seed(11)
    coarse = torch.rand(height // 4 + 8, width // 4 + 8, generator=generator)
    wide = resample(coarse, (2 * height + 48, 2 * width + 48)).clamp(0, 1)
    places = [(4 + 2 * (k % 3), 3 + k % 40) for k in range(count)]
    return [wide[top : top + 2 * height : 2, left : left + 2 * width : 2] for top, left in places]


def _frames(count: int, geometry: Geometry, layout: PixelLayout) -> list[VideoFrame]:
    scene = _scene(count, geometry.height, geometry.width)
    frames = []
    for ordinal, image in enumerate(scene):
        planes = []
        for plane in range(layout.num_planes):
            height, width = layout.plane_size(plane, geometry.width, geometry.height)
            code = resample(image, (height, width)).clamp(0, 1) * layout.peak
            planes.append(code if layout.is_float else code.round().to(torch.int32).to(layout.dtype))
        pts = 7 * ordinal + 3 * (ordinal % 2)
        frames.append(VideoFrame(tuple(planes), layout, ColorSpec(), 100 + ordinal, pts, Fraction(1, 600)))
    return frames


def _constant(value: float, geometry: Geometry, layout: PixelLayout, count: int) -> list[VideoFrame]:
    planes = tuple(
        torch.full(layout.plane_size(plane, geometry.width, geometry.height), value).to(layout.dtype)
        for plane in range(layout.num_planes)
    )
    return [VideoFrame(planes, layout, ColorSpec(), i, i, Fraction(1, 25)) for i in range(count)]


def _check(outputs: Sequence[VideoFrame], inputs: Sequence[VideoFrame], geometry: Geometry) -> None:
    assert [f.ordinal for f in outputs] == [f.ordinal for f in inputs if not f.is_halo]
    by_ordinal = {f.ordinal: f for f in inputs}
    for out in outputs:
        source = by_ordinal[out.ordinal]
        assert (out.pts, out.time_base, out.layout, out.color) == (
            source.pts,
            source.time_base,
            source.layout,
            source.color,
        )
        for plane, pixels in enumerate(out.planes):
            assert pixels.dtype == torch.float32
            assert tuple(pixels.shape) == out.layout.plane_size(plane, geometry.out_width, geometry.out_height)
            assert bool(torch.isfinite(pixels).all())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_every_layout(name: str, layout: PixelLayout) -> None:
    geometry = _sizes(name, 33, 27, 66, 54)
    frames = _frames(3, geometry, layout)
    outputs = list(_make(name, geometry).restore(frames))
    _check(outputs, frames, geometry)
    for out, source in zip(outputs, frames, strict=True):
        for restored, plane in zip(out.planes, source.planes, strict=True):
            plain = resample(plane, tuple(restored.shape))
            assert (restored - plain).abs().mean() < 0.06 * layout.peak, "right content, in code values"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("layout", LAYOUTS[:2] + LAYOUTS[6:7], ids=lambda layout: layout.name)
def test_planes_may_be_float_code_values(name: str, layout: PixelLayout) -> None:
    """As they are behind a pass: what counts is the value, not its type."""
    geometry = _sizes(name, 34, 28, 68, 56)
    frames = _frames(3, geometry, layout)
    floats = [replace(frame, planes=tuple(plane.float() for plane in frame.planes)) for frame in frames]
    for one, other in zip(
        *(restore_shot(_prepare(name, geometry), geometry, f) for f in (frames, floats)), strict=True
    ):
        assert all(torch.equal(a, b) for a, b in zip(one.planes, other.planes, strict=True))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: "{}x{}-to-{}x{}".format(*size))
def test_every_size(name: str, size: tuple[int, int, int, int]) -> None:
    if name in NETWORKS and NETWORKS[name][0] in ("rescaling", "pair") and size[0] > size[2]:
        with pytest.raises(UsageError, match="times smaller"):
            _prepare(name, Geometry(*size))
        return
    geometry = _sizes(name, *size)
    frames = _frames(2, geometry, LAYOUTS[0])
    _check(list(_make(name, geometry).restore(frames)), frames, geometry)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [0.0, 1.0, 77.0, 255.0])
def test_constant_stays_constant(name: str, value: float) -> None:
    for geometry in (_sizes(name, 40, 30, 80, 60), _sizes(name, 5, 4, 10, 8)):
        frames = _constant(value, geometry, LAYOUTS[0], 3)
        for out in _make(name, geometry).restore(frames):
            for plane in out.planes:
                assert (plane - value).abs().max() < (CONSTANT_CODES if name in _ADDING else 0.01)


@pytest.mark.parametrize("name", NAMES)
def test_pieces_with_halo_equal_the_whole(name: str) -> None:
    """Between which chains a segment starts does not show: bit for bit."""
    geometry = _sizes(name, 28, 26, 56, 52)
    needs = _prepare(name, geometry).capabilities
    chain, halo = needs.chain_frames, needs.halo_frames
    starts = (0, chain, 2 * chain)
    frames = _frames(2 * chain + 5, geometry, GRAY)
    whole = list(_make(name, geometry).restore(frames))
    pieces: list[VideoFrame] = []
    for start, stop in zip(starts, (*starts[1:], len(frames)), strict=True):
        segment = [
            replace(frame, is_halo=not start <= index < stop)
            for index, frame in enumerate(frames)
            if start - halo <= index < stop + halo
        ]
        pieces += _make(name, geometry).restore(segment)
    assert [f.ordinal for f in pieces] == [f.ordinal for f in whole]
    for one, other in zip(pieces, whole, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one.planes, other.planes, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_halo_is_enough(name: str) -> None:
    """What lies beyond the halo has no influence; of a sequence, enlarged as a whole, that of its last frame."""
    geometry = _sizes(name, 40, 32, 80, 64)
    needs = _prepare(name, geometry).capabilities
    halo = needs.halo_frames
    if name in NETWORKS and NETWORKS[name][0] == "sequence":
        halo += needs.chain_frames - 1
    frames = _frames(max(10, halo + 3), geometry, GRAY)
    changed = [
        frame if index <= halo else replace(frame, planes=(255 - frame.planes[0],))
        for index, frame in enumerate(frames)
    ]
    first, second = (next(iter(_make(name, geometry).restore(f))) for f in (frames, changed))
    assert torch.equal(first.planes[0], second.planes[0])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("count", [1, 2])
def test_short_shots(name: str, count: int) -> None:
    geometry = _sizes(name, 40, 32, 80, 64)
    frames = _frames(count, geometry, LAYOUTS[0])
    _check(list(_make(name, geometry).restore(frames)), frames, geometry)


@pytest.mark.parametrize("name", NAMES)
def test_no_frames_and_only_halo(name: str) -> None:
    geometry = _sizes(name, 40, 32, 80, 64)
    assert list(_make(name, geometry).restore([])) == []
    halo = [replace(frame, is_halo=True) for frame in _frames(2, geometry, GRAY)]
    assert list(_make(name, geometry).restore(halo)) == []


@pytest.mark.parametrize("name", NAMES)
def test_input_is_left_alone_and_restorer_can_be_used_again(name: str) -> None:
    geometry = _sizes(name, 40, 32, 80, 64)
    frames = _frames(3, geometry, GRAY)
    before = [frame.planes[0].clone() for frame in frames]
    restorer = _make(name, geometry)
    first, second = list(restorer.restore(frames)), list(restorer.restore(frames))
    assert all(torch.equal(a, f.planes[0]) for a, f in zip(before, frames, strict=True))
    assert all(torch.equal(a.planes[0], b.planes[0]) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_shifted(name: str) -> None:
    """A symmetric image stays symmetric at the same centre, against an identity of half-pixel centres."""
    geometry = _sizes(name, 41, 31, 82, 62)
    y = torch.arange(31)[:, None] - 15.0
    x = torch.arange(41)[None, :] - 20.0
    blob = (20 + 200 * torch.exp(-(y * y + x * x) / 30)).round().to(torch.uint8)
    frame = VideoFrame((blob,), GRAY, ColorSpec(), 0, 0, Fraction(1, 25))
    out = next(iter(_make(name, geometry).restore([frame]))).planes[0] - 20
    height, width = out.shape
    rows, cols = torch.arange(height) + 0.5, torch.arange(width) + 0.5
    assert abs(float((out.sum(1) * rows).sum() / out.sum()) - height / 2) < 0.02
    assert abs(float((out.sum(0) * cols).sum() / out.sum()) - width / 2) < 0.02


@pytest.mark.parametrize("name", NAMES)
def test_a_change_of_size_is_refused(name: str) -> None:
    geometry = _sizes(name, 40, 32, 80, 64)
    frames = _frames(1, geometry, GRAY) + _frames(1, Geometry(42, 32, 84, 64), GRAY)
    with pytest.raises(InputError, match="42x32"):
        list(_make(name, geometry).restore(frames))


@pytest.mark.parametrize("name", [*METHODS, *PASSES])
def test_rows_are_well_formed(name: str) -> None:
    spec = METHODS[name] if name in METHODS else PASSES[name]
    assert spec.name == name
    assert spec.summary
    assert "\n" not in spec.summary
    assert is_dataclass(spec.options_type)
    options = spec.options_type()
    for field in fields(spec.options_type):
        with pytest.raises(FrozenInstanceError):
            setattr(options, field.name, None)
    needs = _prepare(name, Geometry(8, 8, 16, 16)).capabilities
    assert needs.evidence == spec.evidence
    assert needs.keeps_size == (spec.place is not None) == (name in PASSES)


def test_option_names_are_clear_across_methods() -> None:
    """Keys may be written without a section, so one name means one thing, with one default; passes have sections."""
    seen: dict[str, tuple[object, object]] = {}
    for options_type in set(OPTION_TYPES) - {row.options_type for row in PASSES.values()}:
        for field in fields(options_type):
            assert seen.setdefault(field.name, (field.type, field.default)) == (field.type, field.default)


def test_unknown_method_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'bicubic'"):
        find_method("bicubik")


@pytest.mark.parametrize("name", NAMES)
def test_prepared_methods_travel(name: str) -> None:
    """Pickled, they say, need and make the same."""
    geometry = _sizes(name, 40, 32, 80, 64)
    prepared = _prepare(name, geometry)
    other = pickle.loads(pickle.dumps(prepared))
    assert (other, other.capabilities, other.key()) == (prepared, prepared.capabilities, prepared.key())
    frames = _frames(3, geometry, GRAY)
    for one, two in zip(*(restore_shot(way, geometry, frames) for way in (prepared, other)), strict=True):
        assert torch.equal(one.planes[0], two.planes[0])


@pytest.mark.parametrize("name", NAMES)
def test_what_is_learnt_is_all_that_matters_of_the_first_frames(name: str, tmp_path: Path) -> None:
    """Written to a file and read by another restorer, it makes the same; the one that learnt it remembers nothing."""
    geometry = _sizes(name, 64, 48, 128, 96)
    prepared = _prepare(name, geometry)
    frames, others = _frames(12, geometry, GRAY), _constant(77.0, geometry, GRAY, 12)
    restorer = prepared.open(geometry)
    learnt = restorer.adapt(frames[: prepared.capabilities.adapt_frames])
    if not prepared.capabilities.adapt_frames:
        assert learnt == NOT_ADAPTED
    restorer.adapt(others[: prepared.capabilities.adapt_frames])
    work = WorkFolder(tmp_path)
    store_adaptation(work, "0" * 64, learnt)
    read = load_adaptation(work, "0" * 64)
    assert read is not None
    assert load_adaptation(work, "0" * 63 + "1") is None
    assert read.keys() == learnt.keys()
    assert all(torch.equal(read[name], value) and read[name].dtype == value.dtype for name, value in learnt.items())
    first, second = restorer.restore(frames[:3], learnt), prepared.open(geometry).restore(frames[:3], read)
    for one, two in zip(first, second, strict=True):
        assert torch.equal(one.planes[0], two.planes[0])
        assert one.findings == two.findings


def test_damaged_knowledge_is_learnt_again(tmp_path: Path) -> None:
    work = WorkFolder(tmp_path)
    store_adaptation(work, "0" * 64, {"noise": torch.ones(3)})
    [path] = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-5])
    assert load_adaptation(work, "0" * 64) is None

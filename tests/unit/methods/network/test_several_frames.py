"""Networks that are given several frames: windows, memory that is reset, where the result lies, how much is held."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from small_networks import BothWays, both_ways_weights, know_stand_ins, rlsp_weights, small_network
from torch import Tensor
from torch.nn.functional import pixel_shuffle

from vsr.errors import UsageError
from vsr.frames import ColorSpec, PixelLayout, VideoFrame
from vsr.inference import turn, turn_back
from vsr.methods import Geometry, Prepared, find_method, restore_shot
from vsr.methods.consistency import Consistency
from vsr.methods.network.recurrent import CHAIN_FRAMES
from vsr.methods.network.sequence import CHUNK_FRAMES, OVERLAP_FRAMES
from vsr.methods.network.several_frames import SeveralFramesOptions, windows
from vsr.networks import RecurrentUpscaler, load_network

RGB = PixelLayout("gbrpf32le", "rgb", 32, is_float=True)
GRAY = PixelLayout("gray", "gray", 8)
GEOMETRY = Geometry(12, 10, 24, 20)


def _prepared(path: Path, geometry: Geometry = GEOMETRY, **options: Any) -> Prepared[Any]:
    return find_method(str(path)).prepare(geometry, SeveralFramesOptions(**{"precision": "float32", **options}), "cpu")


def _gray(count: int, geometry: Geometry = GEOMETRY) -> list[VideoFrame]:
    generator = torch.Generator().manual_seed(4)
    size = (geometry.height, geometry.width)
    images = [torch.randint(0, 256, size, generator=generator).to(torch.uint8) for _ in range(count)]
    return [
        VideoFrame((image,), GRAY, ColorSpec(full_range=True), number, number, Fraction(1, 25))
        for number, image in enumerate(images)
    ]


@pytest.mark.parametrize(
    ("count", "radius", "expected"),
    [
        (0, 1, []),
        (1, 0, [(0,)]),
        (1, 2, [(0, 0, 0, 0, 0)]),
        (3, 1, [(0, 0, 1), (0, 1, 2), (1, 2, 2)]),
        (2, 2, [(0, 0, 0, 1, 1), (0, 0, 1, 1, 1)]),
    ],
)
def test_windows_repeat_the_ends(count: int, radius: int, expected: list[tuple[int, ...]]) -> None:
    assert list(windows(range(count), radius)) == expected


def _by_hand(path: Path, frames: list[VideoFrame], start: int = 0) -> dict[int, Tensor]:
    """Luma of one go through frames from number ``start`` on, by the module alone; it starts from nothing there."""
    module = load_network(path).module
    images = [frame.planes[0].float().expand(3, -1, -1) / 255 for frame in frames]
    given, results = torch.zeros(4 + 8, *images[0].shape[-2:]), {}
    for number in range(start, len(images)):
        window = [images[max(0, number - 1)], images[number], images[min(len(images) - 1, number + 1)]]
        with torch.no_grad():
            given = module(torch.cat([*window, given])[None])[0]
        results[number] = (pixel_shuffle(given[:4], 2)[0] * 255 - 16) * 255 / 219
    return results


def test_memory_is_reset_a_warm_up_ahead_of_its_chain() -> None:
    """The first chain is one go from the shot's start; the second one of those frames from its warm-up on."""
    path = small_network("recurrent", strength=0.5)
    frames = _gray(CHAIN_FRAMES + 6)
    restored = [frame.planes[0] for frame in _prepared(path, degradation="BD").open(GEOMETRY).restore(frames)]
    one_go, warmed = _by_hand(path, frames), _by_hand(path, frames, CHAIN_FRAMES - RecurrentUpscaler.warm_up_frames)
    cold = _by_hand(path, frames, CHAIN_FRAMES)
    for number, image in enumerate(restored):
        expected = one_go if number < CHAIN_FRAMES else warmed
        torch.testing.assert_close(image, expected[number], rtol=0, atol=1e-3)
    assert not torch.allclose(restored[CHAIN_FRAMES], cold[CHAIN_FRAMES], rtol=0, atol=1e-1)


@pytest.mark.parametrize(("kind", "registered_ahead"), [("window", 0), ("recurrent", 2)])
def test_frames_are_read_no_further_ahead_than_needed(kind: Any, registered_ahead: int) -> None:
    """Memory is bounded: a frame is given out as soon as its neighbours are there, and the next ones are registered."""
    read = 0

    def counted() -> Iterator[VideoFrame]:
        nonlocal read
        for frame in _gray(30):
            read += 1
            yield frame

    for number, _ in enumerate(_prepared(small_network(kind)).open(GEOMETRY).restore(counted())):
        assert read <= number + 2 + registered_ahead


@pytest.fixture
def both_ways(monkeypatch: pytest.MonkeyPatch) -> Path:
    know_stand_ins(monkeypatch)
    return small_network("sequence", strength=0.5)


def _in_one(frames: list[VideoFrame]) -> list[Tensor]:
    """Luma of frames as one sequence, by the module alone."""
    module = BothWays(2)
    module.load_state_dict(both_ways_weights(1, 0.5, 2))
    stacked = torch.cat([frame.planes[0].float().expand(3, -1, -1) / 255 for frame in frames])
    with torch.no_grad():
        results = module(stacked[None])[0].view(len(frames), 3, 20, 24)
    red, green, blue = results.unbind(1)
    return list(255 * (0.299 * red + 0.587 * green + 0.114 * blue))


@pytest.mark.parametrize("count", [1, CHUNK_FRAMES, CHUNK_FRAMES + 1, 2 * CHUNK_FRAMES + OVERLAP_FRAMES + 3])
def test_a_chunk_is_one_sequence_with_what_lies_around_it(both_ways: Path, count: int) -> None:
    frames = _gray(count)
    restored = [frame.planes[0] for frame in _prepared(both_ways).open(GEOMETRY).restore(frames)]
    assert len(restored) == count
    for start in range(0, count, CHUNK_FRAMES):
        first, last = max(0, start - OVERLAP_FRAMES), start + CHUNK_FRAMES + OVERLAP_FRAMES
        expected = _in_one(frames[first:last])[start - first :][:CHUNK_FRAMES]
        for made, image in zip(restored[start : start + CHUNK_FRAMES], expected, strict=True):
            torch.testing.assert_close(made, image, rtol=0, atol=1e-3)


def test_chunks_count_from_a_segments_first_frame(both_ways: Path) -> None:
    """More halo than is needed changes nothing; frames are held no longer than their chunk needs them."""
    frames = _gray(2 * CHUNK_FRAMES + 20)
    restorer = _prepared(both_ways).open(GEOMETRY)
    whole = {frame.ordinal: frame.planes[0] for frame in restorer.restore(frames)}
    segment = [replace(frame, is_halo=not CHUNK_FRAMES <= frame.ordinal < 2 * CHUNK_FRAMES) for frame in frames]
    read = 0

    def counted() -> Iterator[VideoFrame]:
        nonlocal read
        for frame in segment[5:]:
            read += 1
            yield frame

    for number, frame in enumerate(restorer.restore(counted())):
        assert torch.equal(frame.planes[0], whole[CHUNK_FRAMES + number])
        assert read <= CHUNK_FRAMES - 5 + CHUNK_FRAMES + OVERLAP_FRAMES
    assert number == CHUNK_FRAMES - 1


def _centroid(plane: Tensor) -> tuple[float, float]:
    rows, columns = (torch.arange(size) + 0.5 for size in plane.shape)
    total = plane.sum()
    return float((plane.sum(1) * rows).sum() / total), float((plane.sum(0) * columns).sum() / total)


@pytest.mark.parametrize("layout", [GRAY, RGB])
def test_the_result_is_laid_where_the_inputs_samples_lie(tmp_path: Path, layout: PixelLayout) -> None:
    """RLSP learnt that a sample is the first pixel of its block: for a camera's samples its result is laid back."""
    weights = {name: torch.zeros_like(value) for name, value in rlsp_weights(1, 0.0, 4).items()}  # the nearest pixel
    path = tmp_path / "plain-x4.safetensors"
    save_file(weights, path)
    y, x = torch.arange(31)[:, None] - 15.0, torch.arange(41)[None, :] - 20.0
    blob = 200 * torch.exp(-(y * y + x * x) / 30)
    geometry = Geometry(41, 31, 164, 124)
    plane = blob.round().to(torch.uint8) if layout is GRAY else blob / 255
    frame = VideoFrame((plane,) * layout.num_planes, layout, ColorSpec(full_range=True), 0, 0, Fraction(1, 25))
    places = {}
    for degradation in ("auto", "BI", "camera", "BD"):
        [out] = _prepared(path, geometry, degradation=degradation).open(geometry).restore([frame])
        places[degradation] = _centroid(out.planes[0])
    assert places["BD"] == pytest.approx((62, 82), abs=0.02)
    for degradation in ("auto", "BI", "camera"):
        assert places[degradation] == pytest.approx((63.5, 83.5), abs=0.02)


def _turned(frames: list[VideoFrame], number: int) -> list[VideoFrame]:
    return [replace(frame, planes=(turn(frame.planes[0], number).contiguous(),)) for frame in frames]


def _restored(path: Path, frames: list[VideoFrame], **options: Any) -> list[Tensor]:
    height, width = frames[0].planes[0].shape
    geometry = Geometry(width, height, 2 * width, 2 * height)
    restorer = _prepared(path, geometry, **options).open(geometry)
    return [frame.planes[0] for frame in restorer.restore(frames)]


@pytest.mark.parametrize("kind", ["window", "sequence"])
@pytest.mark.usefixtures("both_ways")
def test_the_self_ensemble_is_the_mean_of_eight(kind: Any) -> None:
    """Of whole shots that are turned, restored and turned back."""
    path, frames = small_network(kind, strength=0.5), _gray(4)
    turned = [[turn_back(one, n) for one in _restored(path, _turned(frames, n))] for n in range(8)]
    averaged = _restored(path, frames, self_ensemble=True)
    for made, plain, *parts in zip(averaged, _restored(path, frames), *turned, strict=True):
        torch.testing.assert_close(made, torch.stack(parts).mean(0), rtol=0, atol=1e-3)
        assert not torch.allclose(made, plain, rtol=0, atol=0.5)


@pytest.mark.parametrize("number", range(1, 8))
def test_the_self_ensemble_of_a_network_that_remembers(number: int) -> None:
    """It commutes with turns, memory and all, but for the pixel between both places where samples may lie."""
    path, frames = small_network("recurrent", strength=0.5), _gray(5)
    options = {"degradation": "BD", "self_ensemble": True}
    turned = _restored(path, _turned(frames, number), **options)
    for one, other in zip(_restored(path, frames, **options), turned, strict=True):
        back, inner = turn_back(other, number), slice(4, -4)
        moved = [back.roll((dy, dx), (0, 1))[inner, inner] for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
        assert sum(bool(torch.allclose(one[inner, inner], each, rtol=0, atol=1e-2)) for each in moved) == 1


@pytest.mark.parametrize("kind", ["window", "recurrent", "sequence"])
@pytest.mark.usefixtures("both_ways")
def test_shrinking_needs_no_network(kind: Any) -> None:
    """The image of the middle frame, whatever its neighbours are."""
    geometry = Geometry(12, 10, 6, 5)
    frames = _gray(5, geometry)
    changed = [replace(frame, planes=(255 - frame.planes[0],)) if frame.ordinal != 2 else frame for frame in frames]
    prepared = _prepared(small_network(kind), geometry)
    assert prepared.plan_rows()[0] == ("passes", "none: the image is shrunk")
    one, other = (list(prepared.open(geometry).restore(given))[2].planes[0] for given in (frames, changed))
    assert tuple(one.shape) == (5, 6)
    assert torch.equal(one, other)
    assert abs(float(one.mean()) - float(frames[2].planes[0].float().mean())) < 4


@pytest.mark.parametrize("kind", ["window", "recurrent", "sequence"])
@pytest.mark.usefixtures("both_ways")
def test_a_size_beyond_the_networks_is_one_pass_and_a_rest(kind: Any) -> None:
    geometry = Geometry(12, 10, 60, 50)
    prepared = _prepared(small_network(kind), geometry)
    assert prepared.describe()["model"].passes == (2,)
    [out] = prepared.open(geometry).restore(_gray(1, geometry))
    assert tuple(out.planes[0].shape) == (50, 60)


@pytest.mark.parametrize("kind", ["window", "recurrent", "sequence"])
@pytest.mark.usefixtures("both_ways")
def test_consistent_results_agree_with_the_input(kind: Any) -> None:
    """All frames, to the rounding of their codes; noise is learnt only where it matters."""
    frames = [replace(frame, planes=(64 + frame.planes[0] // 2,)) for frame in _gray(3)]
    agreements = {}
    for consistent in (False, True):
        prepared = _prepared(small_network(kind), consistent=consistent, noise_sigma=0.0)
        assert prepared.capabilities.adapt_frames == 0
        made = restore_shot(prepared, GEOMETRY, frames)
        measured = [
            Consistency(GEOMETRY, "BI").measure(frame, one.planes) for frame, one in zip(frames, made, strict=True)
        ]
        agreements[consistent] = min(one.lr_psnr_db for one in measured)
    assert agreements[False] < 45 < agreements[True]
    assert _prepared(small_network(kind), consistent=True).capabilities.adapt_frames > 0


def test_noise_that_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match="noise_sigma is -1"):
        SeveralFramesOptions(noise_sigma=-1.0)


def test_tiles_that_cannot_be_are_refused() -> None:
    with pytest.raises(UsageError, match="tile_px is 8"):
        SeveralFramesOptions(tile_px=8)

"""Networks as a restorer: what they give is what comes out, for any size and any chain of passes."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from small_networks import mixture_tensors, small_network
from torch import Tensor

from vsr.errors import UsageError
from vsr.frames import ColorSpec, PixelLayout, VideoFrame
from vsr.inference import MOST_FRAMES
from vsr.methods import NOT_ADAPTED, Geometry, PerFrameOptions, restore_shot
from vsr.methods.consistency import Consistency
from vsr.methods.network.frame import PreparedPerFrame, prepare_network
from vsr.networks import load_network
from vsr.observation import resample

CPU = torch.device("cpu")
RGB = PixelLayout("gbrp", "rgb", 8)
GRAY = PixelLayout("gray", "gray", 8)
YUV420 = PixelLayout("yuv420p", "yuv", 8, 1, 1)


def _frame(layout: PixelLayout, ordinal: int = 0, height: int = 24, width: int = 36) -> VideoFrame:
    generator = torch.Generator().manual_seed(ordinal + 1)
    planes = []
    for plane in range(layout.num_planes):
        size = layout.plane_size(plane, width, height)
        coarse = torch.rand(size[0] // 3 + 2, size[1] // 3 + 2, generator=generator)
        planes.append((resample(coarse, size, kernel="bicubic").clamp(0, 1) * 219 + 16).round().to(torch.uint8))
    color = ColorSpec(1, 13, 0, True) if layout.family == "rgb" else ColorSpec(1, 1, 1)
    return VideoFrame(tuple(planes), layout, color, ordinal, ordinal, Fraction(1, 25))


def _prepare(path: Path, geometry: Geometry, **options: object) -> PreparedPerFrame:
    return prepare_network(str(path), geometry, PerFrameOptions(precision="float32", **options), "cpu")  # type: ignore[arg-type]


def _restored(path: Path, geometry: Geometry, frame: VideoFrame, **options: object) -> VideoFrame:
    [result] = restore_shot(_prepare(path, geometry, **options), geometry, [frame])
    return result


def _alone(path: Path, image: Tensor, *scales: int) -> Tensor:
    with torch.no_grad():
        for scale in scales:
            image = load_network(path, scale).module(image)
    return image


def test_rgb_networks_on_rgb() -> None:
    path, frame = small_network("RGB", strength=1.0), _frame(RGB)
    expected = _alone(path, torch.stack(frame.planes)[None] / 255, 2)[0] * 255
    for plane, requested in zip(_restored(path, Geometry(36, 24, 72, 48), frame).planes, expected, strict=True):
        torch.testing.assert_close(plane, requested, rtol=0, atol=0.01)


def test_luma_networks_on_video() -> None:
    """Limited range, 8 bit: the network sees codes over 255."""
    path, frame = small_network("Y", strength=1.0), _frame(YUV420)
    expected = _alone(path, frame.planes[0][None, None] / 255, 3)[0, 0] * 255
    result = _restored(path, Geometry(36, 24, 108, 72), frame)
    torch.testing.assert_close(result.planes[0], expected, rtol=0, atol=0.01)


@pytest.mark.parametrize(
    ("size", "scales"),
    [
        ((108, 72), (2, 2)),  # ×3 of ×2: shrunk from ×4
        ((144, 96), (2, 2)),
        ((54, 36), (2,)),  # ×1.5
        ((72, 40), (2,)),  # other shape
    ],
)
def test_any_size_by_passes_and_an_exact_rest(size: tuple[int, int], scales: tuple[int, ...]) -> None:
    path, frame = small_network("RGB", strength=1.0), _frame(RGB)
    enlarged = _alone(path, torch.stack(frame.planes)[None] / 255, *scales)
    expected = resample(enlarged, size[::-1], kernel="bicubic")[0] * 255
    for plane, requested in zip(_restored(path, Geometry(36, 24, *size), frame).planes, expected, strict=True):
        torch.testing.assert_close(plane, requested, rtol=0, atol=0.02)


def test_different_networks_one_after_the_other() -> None:
    path, frame = small_network("Y", strength=1.0), _frame(GRAY)
    expected = _alone(path, frame.planes[0][None, None] / 255, 2, 3)[0, 0] * 255
    result = _restored(path, Geometry(36, 24, 216, 144), frame)
    torch.testing.assert_close(result.planes[0], expected, rtol=0, atol=0.02)


def test_shrinking_needs_no_network() -> None:
    frame = _frame(GRAY)
    result = _restored(small_network("RGB", strength=1.0), Geometry(36, 24, 18, 12), frame)
    torch.testing.assert_close(result.planes[0], resample(frame.planes[0], (12, 18), kernel="bicubic"))


def test_tiles_do_not_show() -> None:
    path, frame = small_network("RGB", strength=1.0), _frame(YUV420, height=60, width=90)
    geometry = Geometry(90, 60, 180, 120)
    whole, tiled = _restored(path, geometry, frame), _restored(path, geometry, frame, tile_px=16)
    for one, other in zip(whole.planes, tiled.planes, strict=True):
        assert float((one - other).abs().max()) < 1e-4 * 255


def test_the_self_ensemble_changes_little_and_nothing_of_the_size() -> None:
    path, frame = small_network("Y", strength=0.3), _frame(YUV420)
    geometry = Geometry(36, 24, 72, 48)
    plain, averaged = _restored(path, geometry, frame), _restored(path, geometry, frame, self_ensemble=True)
    difference = (plain.planes[0] - averaged.planes[0]).abs()
    assert 0 < float(difference.mean()) < 20
    assert torch.equal(plain.planes[1], averaged.planes[1]), "chroma is resampled"


@pytest.mark.parametrize("layout", [YUV420, RGB, GRAY], ids=lambda layout: layout.name)
def test_consistent_results_agree_with_the_input(layout: PixelLayout) -> None:
    path, frame = small_network("RGB", strength=1.0), _frame(layout)
    geometry = Geometry(36, 24, 72, 48)
    before, after = (_restored(path, geometry, frame, consistent=consistent) for consistent in (False, True))
    consistency = Consistency(geometry, "BI")
    assert consistency.measure(frame, before.planes).lr_psnr_db < 40
    assert consistency.measure(frame, after.planes).lr_psnr_db >= 45


def test_noise_is_learnt_only_where_it_matters() -> None:
    path, geometry = small_network("RGB"), Geometry(36, 24, 72, 48)
    assert _prepare(path, geometry).capabilities.adapt_frames == 0
    assert _prepare(path, geometry, consistent=True, noise_sigma=3.0).capabilities.adapt_frames == 0
    prepared = _prepare(path, geometry, consistent=True)
    assert prepared.capabilities.adapt_frames > 0
    assert prepared.open(geometry).adapt([_frame(YUV420)])["noise"].tolist() == [0.0, 0.0, 0.0]


def test_gaussian_shrinking_puts_chroma_where_its_samples_lie() -> None:
    """BD takes the upper left of each block, so the restored luma sits elsewhere than chroma about block centres."""
    path, frame = small_network("Y", strength=0.0), _frame(YUV420)
    geometry = Geometry(36, 24, 72, 48)
    usual, shifted = (_restored(path, geometry, frame, degradation=name).planes[1] for name in ("BI", "BD"))
    moved = resample(frame.planes[1], (24, 36), kernel="bicubic", offset_yx=(-0.25, -0.5))
    torch.testing.assert_close(shifted, moved)
    assert not torch.allclose(usual, shifted)


def test_gpus_count_batches_from_the_shots_first_frame() -> None:
    """Segments begin at whole batches, so every frame keeps its place in its batch."""
    prepared = _prepare(small_network("RGB"), Geometry(36, 24, 72, 48))
    assert prepared.capabilities.chain_frames == 1
    assert replace(prepared, device="cuda:0").capabilities.chain_frames == MOST_FRAMES


def test_a_short_batch_is_filled_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU: shapes are all alike, and each frame gets its own result, halo frames left out."""
    monkeypatch.setattr("vsr.methods.network.frame.batch_frames", lambda width, height, device: 4)
    path, geometry = small_network("RGB", strength=1.0), Geometry(36, 24, 72, 48)
    frames = [replace(_frame(YUV420, ordinal), is_halo=ordinal == 0) for ordinal in range(7)]
    restorer = _prepare(path, geometry).open(geometry)
    shapes = []
    run = restorer._engine(2, NOT_ADAPTED)._executable
    restorer._engine(2, NOT_ADAPTED)._executable = lambda window: (shapes.append(tuple(window.shape)), run(window))[1]
    results = list(restorer.restore(frames))
    assert [frame.ordinal for frame in results] == [1, 2, 3, 4, 5, 6]
    assert set(shapes) == {(4, 3, 24, 36)}
    for result in results:
        alone = _restored(path, geometry, frames[result.ordinal])
        for one, other in zip(result.planes, alone.planes, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-3)


def test_known_compression_chooses_the_weights(tmp_path: Path) -> None:
    """The shot's frames tell the rest; what is given is found again among the findings."""
    path, frame = tmp_path / "mixture-x2.safetensors", _frame(GRAY, height=40, width=48)
    save_file(mixture_tensors(), path)
    made, found = {}, {}
    for codes in (None, 0.0, 64.0):
        result = _restored(path, Geometry(48, 40, 96, 80), frame, compression_codes=codes)
        made[codes], found[codes] = result.planes[0], result.findings
    for codes in (0.0, 64.0):
        assert found[codes]["source_compression_codes"] == pytest.approx(codes, abs=1e-3)
        assert found[codes]["source_noise_codes"] == found[None]["source_noise_codes"]
    assert not torch.allclose(made[0.0], made[64.0], atol=0.01)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tile_px": 8}, "tile_px is 8"),
        ({"noise_sigma": -1.0}, "noise_sigma is -1.0"),
        ({"tile_px": 99999}, "tile_px"),
        ({"compression_codes": -0.1}, "compression_codes is -0.1"),
        ({"compression_codes": 64.5}, "compression_codes is 64.5"),
        ({"compression_codes": float("nan")}, "compression_codes is nan"),
    ],
)
def test_options_out_of_range(options: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        PerFrameOptions(**options)  # type: ignore[arg-type]

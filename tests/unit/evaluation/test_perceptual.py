"""LPIPS in evaluations: where weights come from, and what luma gets for colour."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from small_networks import know_stand_ins, small_network

import vsr
from vsr.evaluation.perceptual import find_perceptual, in_colour
from vsr.media.image_files import read_image
from vsr.methods.network import model
from vsr.metrics import luma_bt601
from vsr.metrics.lpips import LPIPS_NETWORKS

CPU = torch.device("cpu")
Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")


def _weights(path: Path) -> Path:
    """A network with random weights, as it would be stored."""
    generator, weights, before = torch.Generator().manual_seed(2), {}, 3
    for stage, ((number,), channels) in enumerate(
        zip(LPIPS_NETWORKS["alex"].stages, LPIPS_NETWORKS["alex"].channels, strict=True)
    ):
        kernel = {0: 11, 3: 5}.get(number, 3)
        weights[f"features.{number}.weight"] = torch.randn(channels, before, kernel, kernel, generator=generator) / 30
        weights[f"features.{number}.bias"] = torch.zeros(channels)
        weights[f"lin{stage}.model.1.weight"] = torch.rand(1, channels, 1, 1, generator=generator)
        before = channels
    save_file(weights, path)
    return path


@pytest.fixture
def images(tmp_path: Path) -> Path:
    rng = np.random.default_rng(8)
    (tmp_path / "set").mkdir()
    for name, size in (("colour.png", (64, 48, 3)), ("grey.png", (64, 48))):
        coarse = Image.fromarray(rng.integers(0, 256, size).astype(np.uint8)[::4, ::4])
        coarse.resize((48, 64), Image.Resampling.BICUBIC).save(tmp_path / "set" / name)
    return tmp_path / "set"


def test_weights_among_the_models_are_used(tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("VSR_MODELS", str(tmp_path))
    assert vsr.evaluate("bicubic", 2, images).results[0].mean.lpips is None
    _weights(tmp_path / "lpips-alex.safetensors")
    resume = tmp_path / "kept"
    two, four = (row.mean.lpips for row in vsr.evaluate("bicubic", [2, 4], images, resume=resume).results)
    assert two is not None
    assert four is not None
    assert 0 < two < four
    monkeypatch.delenv("VSR_MODELS")
    [row] = vsr.evaluate("bicubic", 2, images, resume=resume).results
    assert row.mean.lpips is None  # a result with LPIPS is not taken for one without
    [row] = vsr.evaluate("bicubic", 2, images, lpips=tmp_path / "lpips-alex.safetensors").results
    assert row.mean.lpips == two


def test_other_weights_are_refused(tmp_path: Path) -> None:
    save_file({"conv.weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    for path in (tmp_path / "other.safetensors", tmp_path / "missing.pth"):
        with pytest.raises(vsr.ModelError, match=path.name):
            find_perceptual(path, CPU)


def test_diversity_of_samples(tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of networks that draw; what they draw without noise is all alike."""
    know_stand_ins(monkeypatch)
    weights = _weights(tmp_path / "w.safetensors")
    sampler = model.load_network(str(small_network("sampling", strength=1.0)), 2)
    kept, resume = {}, tmp_path / "kept"
    for samples, temperature in ((None, 1.0), (2, 1.0), (5, 1.0), (5, 0.0)):
        drawn, bicubic = vsr.evaluate(
            [sampler, "bicubic"],
            2,
            images,
            lpips=weights,
            samples=samples,
            resume=resume,
            settings={"temperature": temperature},
        ).results
        kept[samples, temperature] = drawn.mean
        assert bicubic.mean.diversity is None
    assert kept[None, 1.0].diversity is None
    two, five, none = (kept[key].diversity for key in ((2, 1.0), (5, 1.0), (5, 0.0)))
    assert two is not None
    assert five is not None
    assert 0.1 < two < five < 100
    assert none == 0
    assert kept[5, 1.0].lpips == kept[None, 1.0].lpips, "other scores are of the first"


@pytest.mark.parametrize(
    ("samples", "method", "has_weights", "expected"),
    [
        (1, "bicubic", True, "samples is 1"),
        (65, "bicubic", True, "samples is 65"),
        (10, "bicubic", False, "LPIPS"),
        (10, "bicubic", True, "none of the methods"),
    ],
)
def test_samples_that_cannot_be_compared(
    tmp_path: Path, images: Path, samples: int, method: str, has_weights: bool, expected: str
) -> None:
    weights = _weights(tmp_path / "w.safetensors") if has_weights else None
    with pytest.raises(vsr.UsageError, match=expected):
        vsr.evaluate(method, 2, images, lpips=weights, samples=samples)


def test_images_too_small_for_it(tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    Image.fromarray(np.zeros((28, 80, 3), np.uint8)).save(tmp_path / "small" / "a.png")
    with pytest.raises(vsr.InputError, match=r"a\.png.*LPIPS"):
        vsr.evaluate("bicubic", 2, tmp_path / "small", lpips=_weights(tmp_path / "w.safetensors"))


def test_luma_gets_the_colour_of_the_small_image(images: Path) -> None:
    hr = torch.from_numpy(read_image(images / "colour.png").astype(np.float64)).permute(2, 0, 1)
    small = hr[:, ::2, ::2].contiguous()
    luma = luma_bt601(hr)[None]
    coloured = in_colour(luma, small)
    assert torch.allclose(luma_bt601(coloured), luma[0])
    differences = coloured[0] - coloured[2]
    expected = in_colour(luma + 9, small)
    assert torch.allclose(expected[0] - expected[2], differences)
    assert in_colour(hr, small) is hr

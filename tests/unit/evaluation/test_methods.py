"""What can be evaluated: names, files, networks in memory."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from small_networks import Kind, small_network
from torch import Tensor, nn

import vsr
from vsr.errors import ModelError, UsageError
from vsr.evaluation.base import ClipMethod, ImageMethod
from vsr.evaluation.images import given_to
from vsr.evaluation.methods import open_method
from vsr.evaluation.protocol import downscale_hr, hr_from
from vsr.media.image_files import read_image
from vsr.metrics import psnr
from vsr.networks import Colour, Network, RescalingUpscaler, load_network
from vsr.networks.fdan import FDAN
from vsr.observation import resample
from vsr.randomness import NoiseField

CPU = torch.device("cpu")


class Bicubic(nn.Module):
    """Enlarges as bicubic interpolation does, and insists on what it is promised."""

    seen: ClassVar[set[tuple[int, ...]]] = set()
    """Shapes of all inputs, of all copies."""

    def __init__(self, scale: int, multiple: int, min_size: int) -> None:
        super().__init__()
        self.scale, self.multiple, self.min_size = scale, multiple, min_size
        self.seen.clear()

    def forward(self, images: Tensor) -> Tensor:
        self.seen.add(tuple(images.shape))
        height, width = images.shape[-2:]
        assert height % self.multiple == 0
        assert width % self.multiple == 0
        assert min(height, width) >= self.min_size
        assert images.dtype == torch.float32
        assert float(images.max()) <= 1.1
        return resample(images, (height * self.scale, width * self.scale), kernel="bicubic")


def _network(colour: Colour, *, scale: int = 2, multiple: int = 1, min_size: int = 1) -> Network:
    module = Bicubic(scale, multiple, min_size).eval()
    return Network("mine", module, scale, colour, 2, multiple, min_size, digest=f"{colour}{multiple}{min_size}")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    rng = np.random.default_rng(1)
    (tmp_path / "set").mkdir()
    for name, size in (("colour", (17, 13, 3)), ("grey", (17, 13))):
        coarse = image.fromarray(rng.integers(0, 256, size).astype(np.uint8))
        coarse.resize((46, 34), image.Resampling.BICUBIC).save(tmp_path / "set" / f"{name}.png")
    return tmp_path / "set"


def test_a_network_in_memory_is_scored_as_its_equal(images: Path) -> None:
    network = _network("Y")
    ours, bicubic = vsr.evaluate([network, "bicubic"], 2, images).results
    assert ours.method == "mine"
    assert [item.scores.psnr_y for item in ours.items] == pytest.approx(
        [item.scores.psnr_y for item in bicubic.items], abs=0.01
    )
    assert (1, 1, 17, 23) in Bicubic.seen


def test_rgb_networks_see_grey_as_three_equal_channels(images: Path) -> None:
    network = _network("RGB")
    by_rgb, by_luma = vsr.evaluate([network, "bicubic"], 2, images).results
    assert by_rgb.items[1].scores.psnr_y == pytest.approx(by_luma.items[1].scores.psnr_y, abs=0.3)  # 8-bit input
    assert (1, 3, 17, 23) in Bicubic.seen


def test_sizes_that_a_network_does_not_take_are_filled_up() -> None:
    method = open_method(_network("Y", multiple=8, min_size=32), 2, CPU, {})
    assert isinstance(method, ImageMethod)
    given = torch.rand(1, 17, 43, dtype=torch.float64) * 255
    result, expected = method.enlarge(given), resample(given, (34, 86), kernel="bicubic")
    assert result.shape == (1, 34, 86)
    assert psnr(result, expected, crop=4) > 90


def test_a_rescaling_network_is_given_what_it_made_small(images: Path) -> None:
    path = small_network("rescaling", strength=0.3)
    method = open_method(str(path), 2, CPU, {"seed": 6})
    assert isinstance(method, ImageMethod)
    network = load_network(path)
    assert isinstance(network.module, RescalingUpscaler)
    hr = hr_from(read_image(images / "colour.png"), 2)
    given = given_to(method, hr)
    with torch.no_grad():
        expected = (255 * network.module.downscale(hr[None].float() / 255)[0]).round().clamp(0, 255)
        noise = NoiseField(6, 3).window(9, 0, 0, 17, 23)
        enlarged = 255 * network(torch.cat([expected / 255, noise])[None])[0]
    assert float((given - expected).abs().max()) <= 1, "one code, where float32 falls on the other side of a half"
    assert float((given - downscale_hr(hr, 2, "RGB")).abs().max()) > 2
    torch.testing.assert_close(method.enlarge(expected.double(), 3), enlarged.double(), rtol=0, atol=0.01)


def test_a_pair_runs_twice_for_four_times(images: Path) -> None:
    """Down and up as by hand, rounded once; what it does not reach by passes is refused."""
    path = small_network("pair")
    method = open_method(str(path), 4, CPU, {})
    assert isinstance(method, ImageMethod)
    module = load_network(path).module
    assert isinstance(module, RescalingUpscaler)
    hr = hr_from(read_image(images / "colour.png"), 4)
    given = given_to(method, hr)
    with torch.no_grad():
        small = 255 * module.downscale(module.downscale(hr[None].float() / 255))[0]
        enlarged = 255 * module(module(given[None].float() / 255))[0]
    assert method.scale == 4
    assert float((given - small.round().clamp(0, 255)).abs().max()) <= 1
    torch.testing.assert_close(method.enlarge(given), enlarged.double(), rtol=0, atol=0.01)
    with pytest.raises(vsr.ModelError, match="×2, not ×3"):
        open_method(str(path), 3, CPU, {})


def test_networks_that_sample_are_measured_with_noise(images: Path) -> None:
    """Another seed gives other figures; the mean of many samples is nearer the ground truth than one."""
    path = str(small_network("rescaling", strength=0.3))
    options = [{"seed": 1}, {"seed": 2}, {"seed": 1}]
    one, other, again = (vsr.evaluate(path, 2, images, settings=chosen).results[0] for chosen in options)
    assert one.mean.psnr_y == again.mean.psnr_y
    assert one.mean.psnr_y != other.mean.psnr_y


def test_scales_that_a_network_lacks(images: Path) -> None:
    with pytest.raises(vsr.UsageError, match="x2, not x3"):
        vsr.evaluate(_network("Y"), [2, 3], images)


@pytest.mark.parametrize(
    ("name", "near"), [("bicubc", "'bicubic'"), ("multi-frame", "'multiframe'"), ("vdrs", "'vdsr'")]
)
def test_the_nearest_name_is_suggested(name: str, near: str) -> None:
    with pytest.raises(vsr.UsageError, match=near):
        open_method(name, 2, CPU, {})


@pytest.mark.parametrize("kind", ["window", "recurrent"])
def test_networks_for_several_frames_need_clips(images: Path, kind: Kind) -> None:
    """By file they restore clips, in float32 by default; images are refused, and so are other scales."""
    weights = small_network(kind)
    method = open_method(str(weights), 2, CPU, {})
    assert isinstance(method, ClipMethod)
    assert method.digest == open_method(str(weights), 2, CPU, {"precision": "float32"}).digest
    assert load_network(weights).name in method.description
    with pytest.raises(UsageError, match="needs clips"):
        vsr.evaluate(str(weights), 2, images)
    with pytest.raises(ModelError, match="not ×3"):
        open_method(str(weights), 3, CPU, {})
    with pytest.raises(UsageError, match="more than one frame"):
        open_method(load_network(weights), 2, CPU, {})


def test_names_without_weights_and_files_that_are_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VSR_MODELS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in ("vdsr", str(tmp_path / "vdsr.mat"), "a.pth"):
        with pytest.raises(vsr.ModelError, match=Path(name).name):
            open_method(name, 2, CPU, {})


def test_options_of_networks(images: Path) -> None:
    options = [{}, {"precision": "bfloat16"}, {"self_ensemble": True}, {"consistent": True, "noise_sigma": 0.0}]
    rows = [vsr.evaluate(_network("Y"), 2, images, settings=chosen).results[0] for chosen in options]
    plain, half, ensemble, consistent = rows
    assert len({row.digest for row in rows}) == 4
    assert "bfloat16" in half.description
    # flipping a symmetric interpolation changes nothing
    assert ensemble.mean.psnr_y == pytest.approx(plain.mean.psnr_y, abs=0.01)
    assert plain.mean.lr_psnr < 45
    assert consistent.mean.lr_psnr > 55
    assert consistent.mean.psnr_y > plain.mean.psnr_y
    with pytest.raises(vsr.UsageError, match="precision"):
        vsr.evaluate(_network("Y"), 2, images, settings={"precision": "float8"})


def test_hdr_is_not_measured(tmp_path: Path) -> None:
    torch.save(FDAN(2, width=8, blocks=1).state_dict(), tmp_path / "fdan-x2.pth")
    with pytest.raises(UsageError, match="there is no HDR to measure it against"):
        open_method(str(tmp_path / "fdan-x2.pth"), 2, torch.device("cpu"), {})

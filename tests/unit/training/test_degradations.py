"""Degradations: each does what it says, is a pure function of image and generator, and refuses what cannot be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor
from videos import scene

from vsr.errors import InputError, UsageError
from vsr.media.compression import CODECS
from vsr.observation import gaussian_kernel
from vsr.training.degradations import DEGRADATIONS, measure_footage, parse_chain
from vsr.training.degradations.blur import GaussianBlur, MotionBlur, blurred
from vsr.training.degradations.compression import Jpeg, Video
from vsr.training.degradations.footage import FootageBlur
from vsr.training.degradations.noise import GaussianNoise, PoissonNoise
from vsr.training.degradations.resize import Resize, Sinc, sinc_kernel

NAMES = [name for name in DEGRADATIONS if name != "learnt"]  # which is learnt first: test_unpaired.py
ITEMS: dict[str, Any] = {name: name for name in NAMES} | {"footage-blur": {"footage-blur": {"sigmas": [0.5]}}}


def _clip(num_frames: int = 3, width: int = 64, height: int = 48) -> Tensor:
    return torch.from_numpy(scene(num_frames, width, height)).permute(0, 3, 1, 2).float()


def _generator(seed: int = 5) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", NAMES)
def test_equal_input_gives_equal_results_and_the_input_is_left_alone(name: str) -> None:
    items = [ITEMS[name]] if name == "bicubic" else [ITEMS[name], "bicubic"]
    chain, clip = parse_chain(items, 2), _clip()
    kept = clip.clone()
    first, again = chain(clip, _generator()), chain(clip, _generator())
    assert first.shape == (3, 3, 24, 32)
    assert first.dtype == torch.float32
    assert torch.equal(first, again)
    assert torch.equal(clip, kept)
    if chain.is_random:
        assert not torch.equal(first, chain(clip, _generator(6)))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "bicubic"])
def test_it_may_be_left_to_chance(name: str) -> None:
    [[key, options]] = ITEMS[name].items() if isinstance(ITEMS[name], dict) else [[name, {}]]
    step = parse_chain([{key: {**options, "probability": 0}}, "bicubic"], 2).parts[0]
    clip = _clip()
    assert torch.equal(step(clip, _generator()), clip)


@pytest.mark.parametrize("name", [name for name, kind in DEGRADATIONS.items() if kind.is_linear])
def test_what_calls_itself_linear_may_be_done_to_luma(name: str) -> None:
    items = [ITEMS[name]] if name == "bicubic" else [ITEMS[name], "bicubic"]
    chain, clip = parse_chain(items, 2), _clip(1)
    weights = torch.tensor([0.2, 0.5, 0.3])[:, None, None]
    luma_of_result = (chain(clip, _generator()) * weights).sum(1)
    result_of_luma = chain((clip * weights).sum(1, keepdim=True), _generator())[:, 0]
    torch.testing.assert_close(luma_of_result, result_of_luma, rtol=0, atol=2e-3)


def test_blur_is_a_mirrored_convolution() -> None:
    kernel = torch.zeros(5, 7)
    kernel[1, 2], kernel[3, 6] = 0.75, 0.25  # no symmetry that could hide a flip
    image = _clip(1)
    expected = ndimage.convolve(image[0, 0].double().numpy(), kernel.double().numpy(), mode="mirror")
    np.testing.assert_allclose(blurred(image, kernel)[0, 0].numpy(), expected, atol=1e-3)
    tiny = image[..., :2, :3]
    assert blurred(tiny, gaussian_kernel((2, 2))).shape == tiny.shape


def _spread(image: Tensor) -> tuple[float, float]:
    """Standard deviations, down and across, of an image taken as a distribution."""
    spreads = []
    for dim in (-1, -2):
        profile = image.double().sum(dim)
        place = torch.arange(len(profile), dtype=torch.float64)
        mean = (profile * place).sum() / profile.sum()
        spreads.append(float(((place - mean).square() * profile).sum() / profile.sum()) ** 0.5)
    return spreads[0], spreads[1]


def test_blur_is_as_wide_as_asked() -> None:
    point = torch.zeros(1, 1, 65, 65)
    point[..., 32, 32] = 1000
    down, across = _spread(GaussianBlur(sigma=(1.5, 1.5))(point, _generator())[0, 0])
    assert (down, across) == pytest.approx((1.5, 1.5), rel=0.01)
    widths = [_spread(GaussianBlur(sigma=(0.6, 3), round_share=0)(point, _generator(n))[0, 0]) for n in range(20)]
    assert max(abs(down - across) for down, across in widths) > 0.5, "not round"
    moved = MotionBlur(length=(9, 9))(point, _generator())[0, 0]
    assert float(moved.sum()) == pytest.approx(1000, rel=1e-4)
    assert sum(width**2 for width in _spread(moved)) == pytest.approx(81 / 12, rel=0.1), "a line of length 9"


def test_ringing_is_what_the_ideal_filter_does() -> None:
    """Waves below the cutoff pass, those above do not; constants stay."""
    kernel = sinc_kernel(0.5, 15).double()
    assert float(kernel.sum()) == pytest.approx(1)
    place = torch.arange(-15, 16, dtype=torch.float64)
    for share, least, most in ((0.25, 0.9, 1.1), (0.8, -0.1, 0.1)):
        passed = float((kernel.sum(0) * torch.cos(torch.pi * share * place)).sum())
        assert least < passed < most
    edge = torch.zeros(1, 1, 9, 64)
    edge[..., 32:] = 200
    made = Sinc(cutoff=(0.5, 0.5))(edge, _generator())
    assert float(made.max()) > 205, "it overshoots"


def test_resizing_takes_away_what_the_smaller_size_cannot_hold() -> None:
    fine = 100 + 50 * (torch.arange(64)[None, None, None] % 2).float().expand(1, 1, 48, 64)
    halved = Resize(factor=(0.5, 0.5))(fine, _generator())
    assert halved.shape == fine.shape
    assert float(halved[..., 8:-8].std()) < 0.2 * float(fine.std())
    flat = torch.full((1, 3, 48, 64), 77.0)
    torch.testing.assert_close(Resize(factor=(0.3, 1.8))(flat, _generator()), flat, rtol=0, atol=1e-3)
    with pytest.raises(UsageError, match=r"resize.factor = \[0.1, 1\]: allowed are two rising numbers from 0.2 to 2"):
        Resize(factor=(0.1, 1))


def test_noise_is_as_strong_as_asked() -> None:
    grey = torch.full((2, 3, 200, 200), 100.0)
    noise = GaussianNoise(sigma=(7, 7), grey_share=0)(grey, _generator()) - grey
    assert float(noise.std()) == pytest.approx(7, rel=0.02)
    assert abs(float((noise[0] * noise[1]).mean())) < 1, "frames differ independently"
    common = GaussianNoise(sigma=(7, 7), grey_share=1)(grey, _generator()) - grey
    torch.testing.assert_close(common[:, 0], common[:, 2])
    counted = PoissonNoise(photons=(1000, 1000))
    for level in (50.0, 200.0):
        result = counted(torch.full((1, 1, 300, 300), level), _generator())
        assert float(result.mean()) == pytest.approx(level, rel=0.01)
        assert float(result.std()) == pytest.approx((level * 255 / 1000) ** 0.5, rel=0.03), "variance grows with light"


def _psnr(first: Tensor, second: Tensor) -> float:
    return float(10 * torch.log10(255**2 / (first - second).square().mean()))


def test_jpeg_is_what_pillow_makes() -> None:
    import io

    pillow = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    clip = _clip(1)
    data = io.BytesIO()
    image = clip[0].permute(1, 2, 0).byte().numpy()
    pillow.fromarray(image).save(data, "jpeg", quality=40, subsampling="4:2:0")
    expected = torch.from_numpy(np.asarray(pillow.open(data)).copy()).permute(2, 0, 1).float()
    assert _psnr(Jpeg(quality=(40, 40))(clip, _generator())[0], expected) > 40
    assert _psnr(clip[0], expected) < 38


@pytest.mark.parametrize("codec", CODECS)
def test_video_compression_is_real(codec: str) -> None:
    clip = _clip(3, 65, 49)  # odd sides
    by_quality = []
    for quality in (4, 26, 48):
        result = Video(codecs=(codec,), quality=(quality, quality))(clip, _generator())
        assert result.shape == clip.shape
        assert torch.equal(result, result.round())
        scores = [_psnr(made, true) for made, true in zip(result, clip, strict=True)]
        others = [_psnr(result[n], clip[(n + 1) % 3]) for n in range(3)]
        assert min(scores) > max(others), "frames come back in their order"
        by_quality.append(sum(scores) / 3)
    assert by_quality[0] > by_quality[1] + 1 > by_quality[2] + 2


def test_the_order_changes() -> None:
    chain = parse_chain([{"shuffled": ["bicubic", {"jpeg": {"quality": [5, 5]}}]}], 2)
    results = {float(chain(_clip(1), _generator(seed)).mean()) for seed in range(8)}
    assert len(results) == 2, "JPEG before and after shrinking"
    assert chain.is_random
    assert not chain.is_linear


def _recorded(sigma: float, num_frames: int = 9) -> Tensor:
    """A photograph that moves by part pixels, recorded with a blur of ``sigma`` pixels, ``(T, H, W, 3)``."""
    data = pytest.importorskip("skimage.data", reason="scikit-image is not installed")
    photo = data.camera().astype(np.float64)
    blurry = ndimage.gaussian_filter(photo, 4 * sigma)
    frames = [blurry[n % 4 : n % 4 + 480 : 4, (3 * n) % 4 : (3 * n) % 4 + 480 : 4] for n in range(num_frames)]
    return torch.from_numpy(np.stack(frames)).round().byte()[..., None].expand(-1, -1, -1, 3)


def test_blur_of_footage_is_found() -> None:
    narrow, wide = (measure_footage([_recorded(sigma)])[0] for sigma in (0.4, 0.55))
    assert 0.37 < narrow < wide < 0.65
    step = FootageBlur(scale=2, vary=0).measured([_recorded(0.5)])
    point = torch.zeros(1, 1, 65, 65)
    point[..., 32, 32] = 1000
    assert _spread(step(point, _generator())[0, 0])[0] == pytest.approx(2 * step.sigmas[0], rel=0.03)
    with pytest.raises(InputError, match="cannot be estimated from 1 shots"):
        measure_footage([torch.full((9, 64, 64, 3), 90, dtype=torch.uint8)])


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (["bicubik"], "did you mean 'bicubic'"),
        (["jpeg"], "exactly one must make images small"),
        (["bicubic", {"shuffled": ["bicubic"]}], "2 do"),
        (["bicubic", {"jpeg": {"qualty": [1, 2]}}], "did you mean 'quality'"),
        (["bicubic", {"jpeg": {"quality": [90, 40]}}], "rising"),
        (["bicubic", {"jpeg": {"quality": "high"}}], "jpeg.quality"),
        (["bicubic", {"jpeg": 3}], "wants options"),
        (["bicubic", {"video": {"codecs": ["vp9"]}}], "known are h264"),
        (["bicubic", {"gaussian-noise": {"probability": 2}}], "between 0 and 1"),
        (["bicubic", {"scale": 2, "jpeg": {}}], "neither a name nor"),
        ([{"bicubic": {"scale": 3}}], "no option 'scale'"),
    ],
)
def test_what_cannot_be_is_refused(items: list[Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_chain(items, 2)

"""Flicker of known size goes; fades, flashes of light, moving things and still images stay."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch
from torch import Tensor

from vsr.errors import UsageError
from vsr.frames import ColorSpec, PixelLayout, VideoFrame
from vsr.methods import PASSES, Geometry, restore_shot
from vsr.methods.passes.deflicker import DeflickerOptions
from vsr.observation import resample

GRAY = PixelLayout("gray", "gray", 8)
HEIGHT, WIDTH, COUNT = 72, 96, 100


def _scene(count: int, *, pan_px: float = 0.0, seed: int = 5) -> Tensor:
    """``(count, H, W)`` in 0.1…0.7: texture that is panned, with a dark block that runs through it."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(12, 80, generator=generator)
    wide = 0.1 + 0.6 * resample(coarse, (HEIGHT, 8 * WIDTH), kernel="bicubic").clamp(0, 1)
    images = []
    for number in range(count):
        left = int(pan_px * number)
        image = wide[:, left : left + WIDTH].clone()
        place = (3 * number) % (WIDTH - 20)
        image[20:45, place : place + 20] = 0.12
        images.append(image)
    return torch.stack(images)


def _frames(images: Tensor) -> list[VideoFrame]:
    noisy = 255 * images + torch.randn(images.shape, generator=torch.Generator().manual_seed(1))
    codes = noisy.round().clamp(0, 255).to(torch.uint8)
    full = ColorSpec(full_range=True)
    return [VideoFrame((plane,), GRAY, full, n, n, Fraction(1, 24)) for n, plane in enumerate(codes)]


def _restored(images: Tensor, **options: float | bool) -> Tensor:
    geometry = Geometry(WIDTH, HEIGHT, WIDTH, HEIGHT)
    prepared = PASSES["deflicker"].prepare(geometry, DeflickerOptions(**options), "cpu")
    return torch.stack([f.planes[0] for f in restore_shot(prepared, geometry, _frames(images))]) / 255


def _flicker(images: Tensor, clean: Tensor) -> float:
    """Standard deviation of relative brightness errors from frame to frame, by von Neumann's successive differences."""
    ratio = (images.flatten(1).mean(1) / clean.flatten(1).mean(1)).log()
    return float(ratio.diff().std() / math.sqrt(2))


def _uniform(seed: int, count: int = COUNT) -> Tensor:
    """-1…1."""
    return 2 * torch.rand(count, generator=torch.Generator().manual_seed(seed)) - 1


@pytest.mark.parametrize("amount", [0.05, 0.1, 0.2])
@pytest.mark.parametrize("pan_px", [0.0, 1.5])
def test_flicker_of_gain_goes(amount: float, pan_px: float) -> None:
    clean = _scene(COUNT, pan_px=pan_px)
    given = clean * (1 + amount * _uniform(2))[:, None, None]
    assert _flicker(given, clean) > 0.4 * amount
    assert _flicker(_restored(given), clean) < 0.005


def test_flicker_of_gain_and_offset_goes_from_dark_and_light() -> None:
    clean = _scene(COUNT)
    given = clean * (1 + 0.1 * _uniform(2))[:, None, None] + 0.02 * _uniform(3)[:, None, None]
    made = _restored(given)
    still = slice(50, None)  # rows that nothing runs through
    for shade in (clean[0, still] < 0.3, clean[0, still] > 0.5):
        levels = torch.stack([(image[still][shade]).mean() for image in made])
        assert float(levels.log().diff().std() / math.sqrt(2)) < 0.005


def test_flicker_that_differs_over_the_image_goes() -> None:
    across = torch.linspace(-1, 1, WIDTH)
    clean = _scene(COUNT)
    given = clean * (1 + 0.1 * _uniform(2)[:, None, None] * across)
    made, whole = _restored(given), _restored(given, local=False)
    side = slice(0, WIDTH // 4)
    assert _flicker(given[..., side], clean[..., side]) > 0.03
    assert _flicker(made[..., side], clean[..., side]) < 0.006
    assert _flicker(whole[..., side], clean[..., side]) > 0.03


@pytest.mark.parametrize("amount", [0.0, 0.05, 0.1])
@pytest.mark.parametrize("kind", ["in", "out"])
def test_fades_are_kept(amount: float, kind: str) -> None:
    """Within 1.5 % of full light on the average, and 4 % anywhere, ends of the fade included."""
    fade = ((torch.arange(COUNT) - 30) / 36).clamp(0.05, 1)
    fade = fade if kind == "in" else fade.flip(0)
    clean = _scene(COUNT) * fade[:, None, None]
    given = clean * (1 + amount * _uniform(4))[:, None, None]
    made, scene = _restored(given).flatten(1).mean(1), _scene(COUNT).flatten(1).mean(1)
    error = made / scene - clean.flatten(1).mean(1) / scene
    assert float(error.abs().mean()) < 0.015
    assert float(error.abs().max()) < 0.04 + amount / 4


def test_what_does_not_flicker_stays() -> None:
    clean = _scene(COUNT, pan_px=1.0)
    made = _restored(clean)
    assert float((made - clean).abs().mean()) < 0.006  # noise and rounding of the input are 0.0037
    ratio = made.flatten(1).mean(1) / clean.flatten(1).mean(1)
    assert float((ratio - 1).abs().max()) < 0.01


def test_a_flash_is_no_trend() -> None:
    clean = _scene(60)
    given = clean.clone()
    given[30] *= 1.25
    made = _restored(given)
    ratio = (made / clean).flatten(1).mean(1)
    assert float((ratio - 1).abs().max()) < 0.02


def test_strength_takes_a_share() -> None:
    clean = _scene(COUNT)
    given = clean * (1 + 0.1 * _uniform(2))[:, None, None]
    assert _flicker(_restored(given, strength=0.5), clean) == pytest.approx(_flicker(given, clean) / 2, rel=0.1)


def test_colour_follows_and_alpha_stays() -> None:
    layout = PixelLayout("yuva444p", "yuv", 8, has_alpha=True)
    gains = 1 + 0.1 * _uniform(6, 60)
    frames = []
    for n, gain in enumerate(gains.tolist()):
        luma = (16 + 219 * gain * _scene(1)[0]).round().to(torch.uint8)
        chroma = torch.full_like(luma, round(128 + 60 * gain))
        frames.append(VideoFrame((luma, chroma, chroma, luma // 2), layout, ColorSpec(), n, n, Fraction(1, 24)))
    geometry = Geometry(WIDTH, HEIGHT, WIDTH, HEIGHT)
    made = list(restore_shot(PASSES["deflicker"].prepare(geometry, DeflickerOptions(), "cpu"), geometry, frames))
    chroma_means = torch.stack([frame.planes[1].mean() for frame in made])
    assert float(chroma_means.std()) < 0.25 * 60 * float(gains.std())
    assert all(torch.equal(f.planes[3], g.planes[3].float()) for f, g in zip(made, frames, strict=True))
    assert {"deflicker_gain", "deflicker_offset_codes", "deflicker_change"} <= set(made[0].findings)


@pytest.mark.parametrize("wrong", [{"radius_frames": 0}, {"radius_frames": 121}, {"strength": 0.0}, {"strength": 1.5}])
def test_options_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        DeflickerOptions(**wrong)

"""Grain is measured as it was made, taken away, and rendered again with the same strength and fineness."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import pytest
import torch
from torch import Tensor

from vsr.errors import UsageError
from vsr.frames import ColorSpec, PixelLayout, VideoFrame
from vsr.methods import METHODS, PASSES, Geometry, restore_shot
from vsr.methods.passes.compose import Step, compose
from vsr.methods.passes.degrain import DegrainOptions
from vsr.methods.passes.grain import GrainOptions
from vsr.methods.passes.grain_model import LEVELS, SIDE, Grain, PlaneGrain, measure_grain
from vsr.observation import resample

GRAY, RGB = PixelLayout("gray", "gray", 8), PixelLayout("gbrp", "rgb", 8)
YUVA = PixelLayout("yuva420p", "yuv", 8, 1, 1, has_alpha=True)
HEIGHT, WIDTH, COUNT = 192, 256, 6
FULL = ColorSpec(full_range=True)


def _spectrum(sigma_px: float) -> Tensor:
    """Of white noise blurred by a Gaussian."""
    rows, cols = torch.fft.fftfreq(SIDE)[:, None], torch.fft.rfftfreq(SIDE)
    power = torch.exp(-((2 * math.pi * sigma_px) ** 2) * (rows.square() + cols.square()))
    return power / torch.cat([power, power[:, 1:-1]], 1).mean()


def _grain(codes: float, sigma_px: float) -> PlaneGrain:
    """Twice as strong at mid grey as at black and white."""
    levels = torch.linspace(0, 1, LEVELS)
    return PlaneGrain(codes / 255 * (1 + 4 * levels * (1 - levels)), _spectrum(sigma_px))


def _scene() -> Tensor:
    """``(HEIGHT, WIDTH)``, 0.1…0.9: a ramp, with texture in its lower third."""
    scene = torch.linspace(0.1, 0.9, WIDTH).repeat(HEIGHT, 1)
    coarse = torch.rand(HEIGHT // 12, WIDTH // 4, generator=torch.Generator().manual_seed(3)) - 0.5
    scene[-HEIGHT // 3 :] += 0.2 * resample(coarse, (HEIGHT // 3, WIDTH), kernel="bicubic")
    return scene.clamp(0.02, 0.98)


def _filmed(plane: PlaneGrain, scene: Tensor, count: int = COUNT) -> list[Tensor]:
    """Frames of ``scene`` with grain, 0…255, rounded."""
    generator = torch.Generator().manual_seed(1)
    whites = [torch.randn(scene.shape, generator=generator) for _ in range(count)]
    size = (scene.shape[0], scene.shape[1])
    return [
        ((scene + plane.strength_at(scene) * plane.render(white, size)) * 255).round().clamp(0, 255) for white in whites
    ]


def _gray(frames: list[Tensor]) -> list[VideoFrame]:
    return [VideoFrame((frame.to(torch.uint8),), GRAY, FULL, n, n, Fraction(1, 24)) for n, frame in enumerate(frames)]


def _made(name: str, frames: list[VideoFrame], options: Any) -> list[VideoFrame]:
    geometry = Geometry(frames[0].width, frames[0].height, frames[0].width, frames[0].height)
    return list(restore_shot(PASSES[name].prepare(geometry, options, "cpu"), geometry, frames))


def _regrained(frames: list[VideoFrame], factor: int, **options: Any) -> list[VideoFrame]:
    """Grain taken away, the frames enlarged, grain added."""
    width, height = frames[0].width, frames[0].height
    geometry = Geometry(width, height, factor * width, factor * height)
    degrain = Step("degrain", "before", PASSES["degrain"].prepare(geometry, DegrainOptions(), "cpu"))
    lanczos = METHODS["lanczos"].prepare(geometry, METHODS["lanczos"].options_type(), "cpu")
    grain = Step("grain", "after", PASSES["grain"].prepare(geometry, GrainOptions(**options), "cpu"))
    return list(restore_shot(compose([degrain], "lanczos", lanczos, [grain]), geometry, frames))


def _bands(power: Tensor) -> Tensor:
    """Mean power in four rings of frequency, up to 0.4 of the sampling rate."""
    frequency = torch.hypot(torch.fft.fftfreq(SIDE)[:, None], torch.fft.rfftfreq(SIDE)[None])
    return torch.stack([power[(frequency > low) & (frequency <= low + 0.1)].mean() for low in (0.0, 0.1, 0.2, 0.3)])


def _psnr(image: Tensor, ground_truth: Tensor) -> float:
    return float(10 * torch.log10(255**2 / (image - ground_truth).square().mean()))


@pytest.mark.parametrize(("codes", "sigma_px"), [(2.0, 0.3), (3.0, 0.5), (5.0, 0.8)])
def test_grain_is_measured_as_it_was_made(codes: float, sigma_px: float) -> None:
    own = _grain(codes, sigma_px)
    found = measure_grain(_gray(_filmed(own, _scene())))
    assert found is not None
    inner = slice(1, LEVELS - 1)  # the scene has no black and no white
    assert (found.planes[0].strength / own.strength)[inner].tolist() == pytest.approx([1] * (LEVELS - 2), abs=0.15)
    assert _bands(found.planes[0].spectrum).tolist() == pytest.approx(_bands(own.spectrum).tolist(), rel=0.15, abs=0.2)


def test_where_nothing_shows_grain_alone_there_is_none() -> None:
    frames = _gray(_filmed(_grain(4.0, 0.5), _scene()))
    assert measure_grain(frames[:2]) is None, "three frames tell"
    assert measure_grain([frames[0]] * 4) is None, "repeated frames"
    moving = torch.rand(HEIGHT, WIDTH + 40, generator=torch.Generator().manual_seed(2))
    texture = resample(moving, (HEIGHT, WIDTH + 40), kernel="bicubic") * 200 + 20
    assert measure_grain(_gray([texture[:, 7 * n : 7 * n + WIDTH].round() for n in range(4)])) is None
    small = [VideoFrame((f.planes[0][:12, :12],), GRAY, FULL, f.ordinal, f.pts, f.time_base) for f in frames]
    assert measure_grain(small) is None


def test_grain_goes_and_the_scene_stays() -> None:
    scene = _scene()
    recorded = _filmed(_grain(4.0, 0.5), scene)
    made = _made("degrain", _gray(recorded), DegrainOptions())
    for frame, before in zip(made, recorded, strict=True):
        assert _psnr(frame.planes[0], 255 * scene) > _psnr(before, 255 * scene) + 6
        assert 4.0 < frame.findings["grain_codes"] < 9.0


def test_frames_without_grain_stay_as_they_are() -> None:
    frames = _gray([(255 * _scene()).round()] * 4)
    for made, given in zip(_made("degrain", frames, DegrainOptions()), frames, strict=True):
        assert torch.equal(made.planes[0], given.planes[0].float())
        assert made.findings["grain_codes"] == 0.0


def test_strength_0_measures_only() -> None:
    frames = _gray(_filmed(_grain(4.0, 0.5), _scene()))
    for made, given in zip(_made("degrain", frames, DegrainOptions(strength=0.0)), frames, strict=True):
        assert torch.equal(made.planes[0], given.planes[0].float())
        assert made.findings["grain_codes"] > 3


@pytest.mark.parametrize("factor", [1, 2])
def test_grain_is_rendered_again_with_the_variance_and_spectrum_it_had(factor: int) -> None:
    own, scene = _grain(4.0, 0.6), torch.full((HEIGHT, WIDTH), 0.5)
    recorded = _gray(_filmed(own, scene))
    made = _regrained(recorded, factor)
    before = torch.stack([frame.planes[0].float() for frame in recorded]) - 127.5
    after = torch.stack([frame.planes[0] for frame in made]) - 127.5
    assert float(after.var() / before.var()) == pytest.approx(1, abs=0.1)
    waves = [torch.fft.rfft2(stack)[:, : HEIGHT // 2, : WIDTH // 2].abs().square().mean(0) for stack in (before, after)]
    bands = [torch.stack([one[k : k + 24, k : k + 24].mean() for k in (4, 28, 52)]) for one in waves]
    assert (bands[1] / factor**4 / bands[0]).tolist() == pytest.approx([1, 1, 1], abs=0.1), "per wave of the image"
    assert not torch.equal(made[0].planes[0], made[1].planes[0]), "each frame has its own"


def test_a_seed_gives_the_same_grain_and_another_one_other_grain() -> None:
    frames = _gray(_filmed(_grain(4.0, 0.6), _scene()))
    first, again, other = (_regrained(frames, 1, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(first[2].planes[0], again[2].planes[0])
    assert float((first[2].planes[0] - other[2].planes[0]).std()) > 4


def test_grain_of_a_black_and_white_film_in_rgb_stays_gray() -> None:
    frames = [
        VideoFrame((plane.to(torch.uint8),) * 3, RGB, FULL, n, n, Fraction(1, 24))
        for n, plane in enumerate(_filmed(_grain(4.0, 0.6), _scene()))
    ]
    made = _regrained(frames, 1)[2].planes
    assert float((made[0] - made[1]).abs().max()) < 0.1 * float((made[0] - frames[2].planes[0]).std())


def test_alpha_and_chroma_without_grain_are_left_alone() -> None:
    luma = _filmed(_grain(4.0, 0.6), _scene())
    gray = torch.full((HEIGHT // 2, WIDTH // 2), 128, dtype=torch.uint8)
    alpha = torch.arange(WIDTH).to(torch.uint8).repeat(HEIGHT, 1)
    frames = [
        VideoFrame((plane.to(torch.uint8), gray, gray, alpha), YUVA, FULL, n, n, Fraction(1, 24))
        for n, plane in enumerate(luma)
    ]
    for made in _regrained(frames, 1):
        for number, given in ((1, gray), (2, gray), (3, alpha)):
            assert torch.allclose(made.planes[number], given.float(), atol=1e-3)


def test_described_grain_needs_no_measurement() -> None:
    frames = _gray([torch.full((HEIGHT, WIDTH), 128.0)] * 2)
    fine, coarse = (
        _made("grain", frames, GrainOptions(sigma_codes=5, size_px=size))[0].planes[0] for size in (0.5, 3.0)
    )
    assert float(fine.std()) == pytest.approx(5, rel=0.05)
    assert float(coarse.std()) == pytest.approx(5, rel=0.1)
    steps = [float((one[:, 1:] - one[:, :-1]).std() / one.std()) for one in (fine, coarse)]
    assert steps[1] < 0.6 * steps[0]


def test_grain_without_degrain_is_refused() -> None:
    geometry = Geometry(WIDTH, HEIGHT, WIDTH, HEIGHT)
    main = METHODS["lanczos"].prepare(geometry, METHODS["lanczos"].options_type(), "cpu")
    step = Step("grain", "after", PASSES["grain"].prepare(geometry, GrainOptions(), "cpu"))
    with pytest.raises(UsageError, match="the pass grain needs degrain before it; add --pass degrain"):
        compose([], "lanczos", main, [step])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DegrainOptions(strength=1.5), "degrain takes 0 to 1"),
        (lambda: DegrainOptions(radius_frames=9), "0 to 4"),
        (lambda: GrainOptions(strength=0.0), "above 0, to 4"),
        (lambda: GrainOptions(sigma_codes=-1.0), "0 to 50"),
        (lambda: GrainOptions(size_px=20.0), "0.5 to 8"),
        (lambda: GrainOptions(seed=-1), "seed is -1"),
    ],
)
def test_bad_options_are_refused(make: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()


def test_what_is_kept_of_a_shot_is_read_again() -> None:
    grain = measure_grain(_gray(_filmed(_grain(4.0, 0.6), _scene())))
    assert grain is not None
    again = Grain.from_tensors(grain.tensors())
    assert again is not None
    assert again.size_yx == grain.size_yx
    assert torch.equal(again.planes[0].strength, grain.planes[0].strength)
    assert Grain.from_tensors({}) is None


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_a_clipped_channel_gives_finite_planes(share: float) -> None:
    """Nothing changes where a channel is cut off, in half of the frame or all of it."""
    frames = []
    for n, plane in enumerate(_filmed(_grain(4.0, 0.6), _scene())):
        clipped = plane.clone()
        clipped[:, : int(share * WIDTH)] = 0
        planes = (plane.to(torch.uint8), plane.to(torch.uint8), clipped.to(torch.uint8))
        frames.append(VideoFrame(planes, RGB, FULL, n, n, Fraction(1, 24)))
    for frame in _regrained(frames[:4], 1):
        assert all(bool(plane.isfinite().all()) for plane in frame.planes)

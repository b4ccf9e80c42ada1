"""Networks that are given noise: whose it is, how much, and how many images are averaged."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from small_networks import know_stand_ins, sampler_weights, small_network
from torch import Tensor
from torch.nn.functional import conv2d, pixel_shuffle

from vsr.errors import UsageError
from vsr.frames import ColorSpec, PixelLayout, VideoFrame
from vsr.methods import Geometry, Prepared, SamplingOptions, find_method, restore_shot
from vsr.methods.consistency import watched
from vsr.networks.sr3 import SR3
from vsr.randomness import NoiseField

RGB = PixelLayout("gbrp", "rgb", 8)
GEOMETRY = Geometry(40, 30, 80, 60)
STRENGTH = 1.0


@pytest.fixture(autouse=True)
def _stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    know_stand_ins(monkeypatch)


def _frames(count: int, first: int = 0) -> list[VideoFrame]:
    """Equal images: what differs in the results is noise."""
    plane = torch.arange(30 * 40).reshape(30, 40) % 200
    planes = (plane.to(torch.uint8),) * 3
    return [VideoFrame(planes, RGB, ColorSpec(1, 13, 0, True), first + k, 2 * k, Fraction(1, 25)) for k in range(count)]


def _prepare(geometry: Geometry = GEOMETRY, **options: Any) -> Prepared[Any]:
    path = small_network("sampling", strength=STRENGTH)
    return find_method(str(path)).prepare(geometry, SamplingOptions(precision="float32", **options), "cpu")


def _restored(frames: list[VideoFrame], geometry: Geometry = GEOMETRY, **options: Any) -> list[Tensor]:
    return [torch.stack(out.planes) for out in restore_shot(_prepare(geometry, **options), geometry, frames)]


def _expected(frame: VideoFrame, field: NoiseField, temperature: float = 1.0) -> Tensor:
    """What the stand-in makes, worked out here from the noise of `field`."""
    noise = temperature * field.window(4, 0, 0, 30, 40)
    added = conv2d(noise[None], sampler_weights(1, STRENGTH, 2)["spread.weight"], padding=1)
    image = torch.stack(frame.planes).float().repeat_interleave(2, -1).repeat_interleave(2, -2)
    return image + 255 * pixel_shuffle(added, 2)[0]


@pytest.mark.parametrize("tile_px", [None, 16])
def test_noise_is_that_of_seed_and_frame(tile_px: int | None) -> None:
    frames = _frames(3, first=70)
    for frame, made in zip(frames, _restored(frames, seed=9, temperature=0.8, tile_px=tile_px), strict=True):
        expected = _expected(frame, NoiseField(9, frame.ordinal), 0.8)
        torch.testing.assert_close(made, expected, rtol=0, atol=0.01)
        assert float((made - _expected(frame, NoiseField(9, frame.ordinal), 0)).std()) > 1, "noise that can be seen"


def test_seeds_and_frames_differ() -> None:
    [one, two], [other, _] = _restored(_frames(2)), _restored(_frames(2), seed=1)
    assert float((one - two).abs().mean()) > 1
    assert float((one - other).abs().mean()) > 1


def test_no_temperature_is_the_image_without_noise() -> None:
    [made] = _restored(_frames(1), temperature=0.0, seed=3)
    torch.testing.assert_close(made, _expected(_frames(1)[0], NoiseField(0, 0), 0), rtol=0, atol=0.01)


def test_samples_are_averaged_and_each_has_noise_of_its_own() -> None:
    [frame] = _frames(1)
    [made] = _restored([frame], samples=9)
    single = [_expected(frame, NoiseField(0, 0, number)) for number in range(0, 36, 4)]
    torch.testing.assert_close(made, torch.stack(single).mean(0), rtol=0, atol=0.01)
    plain = _expected(frame, NoiseField(0, 0), 0)
    assert float((made - plain).std()) == pytest.approx(float((single[0] - plain).std()) / 3, rel=0.1)


def test_spread_is_the_deviation_of_the_samples() -> None:
    """As grey, 8 times; of equal samples, black."""
    [frame] = _frames(1)
    [made] = _restored([frame], samples=5, show="spread")
    single = torch.stack([_expected(frame, NoiseField(0, 0, number)) for number in range(0, 20, 4)])
    expected = 8 * ((single - single.mean(0)).square().sum(0) / 4).mean(0).sqrt()
    assert float(expected.mean()) > 8, "more than a code"
    torch.testing.assert_close(made, expected.expand(3, -1, -1), rtol=1e-3, atol=0.05)
    [black] = _restored([frame], samples=5, show="spread", temperature=0.0)
    assert float(black.abs().max()) < 1e-3
    prepared = _prepare(samples=5, show="spread")
    watch = watched(prepared, prepared.open(GEOMETRY), [frame], {}, GEOMETRY)
    assert [one.findings for one in watch] == [{}], "a map is not compared with the input"
    assert "spread, 8 times, of 5 samples" in _prepare(samples=5, show="spread").plan_rows()[-1][1]


@pytest.fixture
def diffusion(tmp_path: Path) -> Path:
    """A small SR3 with six levels of noise."""
    torch.manual_seed(2)
    network = SR3(4, width=8, widths=(1, 1, 1, 1), blocks=1, attention=(), levels=6)
    save_file(dict(network.state_dict()), tmp_path / "small-x4.safetensors")
    return tmp_path / "small-x4.safetensors"


def test_diffusion_takes_the_steps_that_are_asked_for(diffusion: Path) -> None:
    geometry = Geometry(10, 8, 40, 32)
    plane = (torch.arange(80).reshape(8, 10) * 3).to(torch.uint8)
    frame = VideoFrame((plane,) * 3, RGB, ColorSpec(1, 13, 0, True), 0, 0, Fraction(1, 25))
    images = torch.stack([plane] * 3)[None].float() / 255
    given = torch.cat([images, NoiseField(0, 0).window(48, 0, 0, 8, 10)[None]], 1)
    by_hand = SR3(4, width=8, widths=(1, 1, 1, 1), blocks=1, attention=(), levels=6)
    by_hand.load_state_dict(load_file(diffusion))
    made = {}
    for steps, eta in ((None, None), (3, None), (3, 0.5)):
        options = SamplingOptions(precision="float32", steps=steps, eta=eta)
        prepared = find_method(str(diffusion)).prepare(geometry, options, "cpu")
        [out] = restore_shot(prepared, geometry, [frame])
        by_hand.steps, by_hand.eta = steps or 6, eta or 0.0
        with torch.no_grad():
            expected = 255 * by_hand(given)[0]
        torch.testing.assert_close(torch.stack(out.planes), expected, rtol=0, atol=0.02)
        made[steps, eta] = expected
        assert ("steps", f"x4: {steps or 6} of 6, eta {eta or 0:g}") in prepared.plan_rows()
    assert all(not torch.allclose(one, two, atol=0.1) for one, two in pairwise(made.values()))


@pytest.mark.slow
@pytest.mark.nightly
def test_graphs_have_the_steps_that_are_asked_for(diffusion: Path) -> None:
    """Exported graphs are kept: one of other steps must not be taken."""
    geometry = Geometry(10, 8, 40, 32)
    plane = (torch.arange(80).reshape(8, 10) * 3).to(torch.uint8)
    frame = VideoFrame((plane,) * 3, RGB, ColorSpec(1, 13, 0, True), 0, 0, Fraction(1, 25))
    made = []
    for steps in (3, 1):
        by_backend = []
        for backend in ("torch", "onnxruntime"):
            options = SamplingOptions(precision="float32", steps=steps, backend=backend)
            prepared = find_method(str(diffusion)).prepare(geometry, options, "cpu")
            [out] = restore_shot(prepared, geometry, [frame])
            by_backend.append(torch.stack(out.planes))
        torch.testing.assert_close(by_backend[0], by_backend[1], rtol=0, atol=0.01)
        made += by_backend[:1]
    assert float((made[0] - made[1]).abs().max()) > 0.1


def test_steps_that_the_network_does_not_take(diffusion: Path) -> None:
    geometry = Geometry(10, 8, 40, 32)
    with pytest.raises(UsageError, match="6 levels of noise"):
        find_method(str(diffusion)).prepare(geometry, SamplingOptions(steps=7), "cpu")
    for options in ({"steps": 3}, {"eta": 0.0}):
        with pytest.raises(UsageError, match="at once"):
            _prepare(**options)


def test_each_pass_has_noise_of_its_own() -> None:
    """×4 by ×2 twice: what the second adds is not the noise of the first."""
    geometry = Geometry(40, 30, 160, 120)
    frames = _frames(1)
    [made] = _restored(frames, geometry)
    first = _expected(frames[0], NoiseField(0, 0)).repeat_interleave(2, -1).repeat_interleave(2, -2)
    noise = NoiseField(0, 0, 1).window(4, 0, 0, 60, 80)
    added = conv2d(noise[None], sampler_weights(1, STRENGTH, 2)["spread.weight"], padding=1)
    torch.testing.assert_close(made, first + 255 * pixel_shuffle(added, 2)[0], rtol=0, atol=0.02)


def test_results_rest_on_invention_and_the_plan_says_so() -> None:
    prepared = _prepare(seed=4, samples=3, temperature=0.0)
    assert prepared.capabilities.evidence == "generative"
    assert ("noise", "seed 4, temperature 0, mean of 3 samples") in prepared.plan_rows()


def test_halo_frames_make_no_difference() -> None:
    frames = _frames(4)
    whole = _restored(frames)
    part = _restored([replace(frame, is_halo=frame.ordinal < 2) for frame in frames])
    assert all(torch.equal(one, other) for one, other in zip(whole[2:], part, strict=True))


@pytest.mark.parametrize(
    "wrong",
    [
        {"seed": -1},
        {"seed": 2**32},
        {"temperature": -0.1},
        {"temperature": 5.0},
        {"samples": 0},
        {"samples": 65},
        {"show": "mask"},
        {"show": "spread"},
        {"show": "spread", "samples": 2, "consistent": True},
        {"steps": 0},
        {"eta": -0.1},
        {"eta": 1.1},
    ],
)
def test_options_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        SamplingOptions(**wrong)

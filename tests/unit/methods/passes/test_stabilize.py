"""Jumps of known size go; pans, still scenes and what moves by itself stay."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import pytest
import torch
from torch import Tensor

from vsr.errors import UsageError
from vsr.frames import ColorSpec, PixelLayout, VideoFrame
from vsr.methods import PASSES, Geometry, restore_shot
from vsr.methods.passes.stabilize import StabilizeOptions
from vsr.observation import resample
from vsr.registration import register, sample_bicubic

GRAY = PixelLayout("gray", "gray", 8)
HEIGHT, WIDTH, COUNT, MARGIN = 80, 112, 50, 40
CENTRE = (WIDTH - 1) / 2, (HEIGHT - 1) / 2


def _wide() -> Tensor:
    """A scene with room around the frame, 0…1."""
    coarse = torch.rand(40, 54, generator=torch.Generator().manual_seed(5))
    return resample(coarse, (HEIGHT + 2 * MARGIN, WIDTH + 2 * MARGIN), kernel="bicubic").clamp(0, 1)


def _frames(
    shifts_yx: Tensor, turns: Tensor | None = None, *, block: bool = False, bars: bool = False
) -> list[VideoFrame]:
    """The scene seen from places ``(T, 2)``, turned about the frame's centre; a block moves, and bars stand still."""
    wide, frames = _wide(), []
    y, x = torch.meshgrid(torch.arange(float(HEIGHT)), torch.arange(float(WIDTH)), indexing="ij")
    for number, (down, right) in enumerate(shifts_yx.tolist()):
        turn = 0.0 if turns is None else float(turns[number])
        rows = math.cos(turn) * (y - CENTRE[1]) + math.sin(turn) * (x - CENTRE[0]) + CENTRE[1] + MARGIN + down
        cols = math.cos(turn) * (x - CENTRE[0]) - math.sin(turn) * (y - CENTRE[1]) + CENTRE[0] + MARGIN + right
        image = sample_bicubic(wide[None], rows, cols)[0]
        if block:
            image[20:50, 2 * (number % 45) : 2 * (number % 45) + 20] = 0.1
        codes = 40 + 150 * image + torch.randn(HEIGHT, WIDTH, generator=torch.Generator().manual_seed(number))
        if bars:
            codes[:10], codes[-10:] = 16, 16
        plane = codes.round().clamp(0, 255).to(torch.uint8)
        frames.append(VideoFrame((plane,), GRAY, ColorSpec(), number, number, Fraction(1, 24)))
    return frames


def _restored(frames: list[VideoFrame], **options: Any) -> list[VideoFrame]:
    geometry = Geometry(WIDTH, HEIGHT, WIDTH, HEIGHT)
    return list(
        restore_shot(PASSES["stabilize"].prepare(geometry, StabilizeOptions(**options), "cpu"), geometry, frames)
    )


def _jitter(amount_px: float) -> Tensor:
    return amount_px * torch.randn(COUNT, 2, generator=torch.Generator().manual_seed(3))


def _positions(frames: list[VideoFrame], rows: slice = slice(10, -10)) -> Tensor:
    """``(T, 2)``: where each frame shows the middle of the scene, by registration to that scene."""
    reference = _wide()[MARGIN : MARGIN + HEIGHT, MARGIN : MARGIN + WIDTH]
    seen = [(frame.planes[0].float() - 40) / 150 for frame in frames]
    found = [register(reference[rows, 10:-10], image[rows, 10:-10]) for image in seen]
    assert all(one.converged for one in found)
    middle = torch.tensor([(WIDTH - 20) / 2, HEIGHT / 2 - rows.start, 1.0], dtype=torch.float64)
    return torch.stack([(one.matrix @ middle)[:2] - middle[:2] for one in found])


def _rms(steps: Tensor) -> float:
    """Of what changes from frame to frame besides steady motion."""
    return float(steps.diff(dim=0).diff(dim=0).square().sum(1).mean().sqrt() / math.sqrt(6))


@pytest.mark.parametrize("block", [False, True])
@pytest.mark.parametrize("bars", [False, True])
def test_gate_weave_goes(block: bool, bars: bool) -> None:
    frames = _frames(_jitter(0.8), block=block, bars=bars)
    made = _restored(frames)
    rows = slice(14, -14) if bars else slice(10, -10)
    before, after = _rms(_positions(frames, rows)), _rms(_positions(made, rows))
    assert before > 0.8
    assert after < before / 20
    assert after < 0.1


def test_pans_are_kept() -> None:
    steps = torch.arange(COUNT, dtype=torch.float32)[:, None] * torch.tensor([0.1, 0.6]) - 14
    made = _restored(_frames(steps))
    assert max(frame.findings["stabilize_shift_px"] for frame in made) < 0.1
    jumping = _positions(_restored(_frames(steps + _jitter(0.8))))
    assert _rms(jumping) < 0.05
    speeds = (jumping[-10] - jumping[10]) / (COUNT - 20)
    assert speeds.tolist() == pytest.approx([-0.6, -0.1], abs=0.05)


def test_turns_are_corrected_if_asked_for() -> None:
    turns = 0.01 * torch.randn(COUNT, generator=torch.Generator().manual_seed(4))
    frames = _frames(_jitter(0.5), turns)
    reference = _wide()[MARGIN : MARGIN + HEIGHT, MARGIN : MARGIN + WIDTH]

    def roughness(made: list[VideoFrame]) -> float:
        found = [register(reference, (frame.planes[0].float() - 40) / 150).matrix[1, 0] for frame in made]
        return float(torch.stack(found).diff().diff().std())

    assert roughness(_restored(frames, model="similarity")) < roughness(frames) / 15


def test_borders_are_filled_from_neighbours_or_cropped() -> None:
    frames = _frames(_jitter(1.5))
    made = _restored(frames)
    where = torch.stack([frame.planes[0] for frame in made])[10:-10]
    assert sum(frame.findings["stabilize_filled_share"] for frame in made) > 0.1
    edges = torch.cat([where[:, 0], where[:, -1], where[:, :, 0], where[:, :, -1]], 1)
    assert float((edges - edges.mean(0)).abs().mean()) < 4.0  # the scene's contrast there is 40
    zoomed = _restored(frames, borders="zoom", most_shift=0.1)
    assert all(frame.findings["stabilize_filled_share"] == 0 for frame in zoomed)


def test_what_cannot_be_registered_stays() -> None:
    generator = torch.Generator().manual_seed(1)
    noise = [torch.randint(0, 255, (HEIGHT, WIDTH), generator=generator, dtype=torch.uint8) for _ in range(5)]
    frames = [VideoFrame((plane,), GRAY, ColorSpec(), n, n, Fraction(1, 24)) for n, plane in enumerate(noise)]
    for before, after in zip(frames, _restored(frames), strict=True):
        assert torch.equal(before.planes[0].float(), after.planes[0])


@pytest.mark.parametrize(
    "wrong", [{"radius_frames": 0}, {"model": "shift"}, {"most_shift": 0.5}, {"borders": "black"}, {"most_shift": 0.0}]
)
def test_options_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        StabilizeOptions(**wrong)

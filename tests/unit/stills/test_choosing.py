"""Which frames are used: blur in one direction, noise that is no sharpness, repeats, and the limit."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from vsr.registration import Registration
from vsr.stills.boxes import Box
from vsr.stills.choosing import choose, frame_noise, sharpnesses, slopes
from vsr.stills.tracking import Sighting, failed

BOX = Box(8, 8, 48, 32)


def _scene() -> Tensor:
    generator = torch.Generator().manual_seed(4)
    coarse = torch.rand(1, 1, 12, 16, generator=generator, dtype=torch.float64)
    return torch.nn.functional.interpolate(coarse, (48, 64), mode="bicubic")[0, 0]


def _shaken(image: Tensor, axis: int) -> Tensor:
    return torch.stack([image.roll(n, axis) for n in range(-3, 4)]).mean(0)


def _seen(number: int, deviation_px: float = 0.05) -> Sighting:
    return Sighting(
        number, Registration(torch.eye(3, dtype=torch.float64), "affine", True, 0.99, 0.01, deviation_px), 1
    )


@pytest.mark.parametrize("axis", [0, 1])
def test_motion_blur_lowers_one_slope(axis: int) -> None:
    sharp, shaken = slopes(_scene(), BOX), slopes(_shaken(_scene(), axis), BOX)
    assert shaken[axis] < 0.8 * sharp[axis]
    assert sharpnesses([sharp, sharp, shaken])[2] == pytest.approx(shaken[axis] / sharp[axis])


def test_a_direction_without_anything_does_not_count() -> None:
    assert sharpnesses([(0.1, 0.001), (0.1, 0.002), (0.1, 0.0005), None]) == [1.0, 1.0, 1.0, 0.0]
    assert sharpnesses([(0.0, 0.0), None]) == [1.0, 0.0]


def test_noise_is_measured_and_is_no_sharpness() -> None:
    noise = 0.03 * torch.randn(48, 64, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert frame_noise(_scene() + noise) == pytest.approx(0.03, rel=0.25)
    clean, noisy = slopes(_scene(), BOX), slopes(_scene() + noise, BOX)
    assert math.hypot(*noisy) == pytest.approx(math.hypot(*clean), rel=0.1)


def test_reasons() -> None:
    scene = _scene()
    lumas = [scene, scene, _shaken(scene, 1), scene, scene, scene]
    sightings = [_seen(0), _seen(1), _seen(2), Sighting(3, failed("affine", "it is gone"), 1), _seen(4, 0.3), _seen(5)]
    found = choose(lumas, sightings, [None, None, None, None, None, 1], 0, BOX, 2)
    assert [c.is_used for c in found] == [True, True, False, False, False, False]
    assert "blurred" in found[2].reason
    assert "it is gone" in found[3].reason
    assert found[4].reason == "2 others promise more"
    assert found[5].reason == "it repeats frame 1"


def test_the_reference_is_always_used() -> None:
    scene = _scene()
    found = choose([scene, _shaken(scene, 1), scene], [_seen(n) for n in range(3)], [None] * 3, 1, BOX, 1)
    assert [c.is_used for c in found] == [False, True, False]

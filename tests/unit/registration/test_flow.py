"""Dense motion and brightness on images whose motion and flicker are known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from vsr.observation import resample
from vsr.registration import consistency_error, flow_pair, match_brightness, pixel_positions, sample_bicubic
from vsr.registration.flow import MIN_FLOW_SIZE

pytest.importorskip("cv2", reason="OpenCV is not installed")


def _moved(shift_y: float, shift_x: float, size: int = 96) -> Tensor:
    """A smooth random texture whose content sits ``shift`` pixels further down and right."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(48, 48, generator=generator)
    scale = 4.0
    # an offset o moves output sample j to input coordinate (j + 0.5 + o)/s - 0.5 - o: solve for the shift
    offsets = [shift / (scale - 1) * scale / 1 for shift in (shift_y, shift_x)]
    whole = resample(
        coarse.double(), (192, 192), scale_yx=(scale, scale), offset_yx=(offsets[0] / scale, offsets[1] / scale)
    )
    return whole[48 : 48 + size, 48 : 48 + size].float().clamp(0, 1)


@pytest.mark.parametrize("shift", [(0.3, -0.6), (1.5, 2.25), (0.0, 0.0)])
def test_known_shift_is_found_both_ways(shift: tuple[float, float]) -> None:
    pair = flow_pair(_moved(0, 0), _moved(*shift))
    assert pair is not None
    inner = (slice(12, -12), slice(12, -12))
    for axis in (0, 1):
        assert (pair.forward[axis][inner] - shift[axis]).abs().median() < 0.05
        assert (pair.backward[axis][inner] + shift[axis]).abs().median() < 0.05
    assert consistency_error(pair)[inner].median() < 0.05
    assert torch.equal(pair.reversed().forward, pair.backward)


def test_flicker_is_not_motion() -> None:
    pair = flow_pair(_moved(0, 0), (_moved(0.5, 0.25) * 0.8 + 0.06).clamp(0, 1))
    assert pair is not None
    inner = (slice(12, -12), slice(12, -12))
    assert (pair.forward[0][inner] - 0.5).abs().median() < 0.08


def test_what_left_the_image_is_never_consistent() -> None:
    pair = flow_pair(_moved(0, 0), _moved(0, 4.0))
    assert pair is not None
    error = consistency_error(pair)
    _, cols = pixel_positions(pair.forward)
    assert bool(torch.isinf(error[cols > 95.5]).all())
    assert bool((cols > 95.5).any())


def test_occlusion_is_inconsistent() -> None:
    first, second = _moved(0, 0).clone(), _moved(0, 0).clone()
    generator = torch.Generator().manual_seed(5)
    second[30:60, 30:60] = torch.rand(30, 30, generator=generator)
    pair = flow_pair(first, second)
    assert pair is not None
    error = consistency_error(pair)
    assert error[36:54, 36:54].median() > 4 * error[70:90, 70:90].median()


def test_too_small_images_have_no_motion() -> None:
    small = torch.rand(MIN_FLOW_SIZE - 1, 80)
    assert flow_pair(small, small) is None


def test_bicubic_reading_at_pixel_centres_is_the_image() -> None:
    image = torch.rand(2, 9, 11)
    rows, cols = pixel_positions(torch.zeros(2, 9, 11))
    assert torch.allclose(sample_bicubic(image, rows, cols), image, atol=1e-5)


@pytest.mark.parametrize(("gain", "offset"), [(1.0, 0.0), (1.2, -0.1), (0.8, 0.05)])
def test_brightness_is_matched_in_spite_of_outliers(gain: float, offset: float) -> None:
    reference = _moved(0, 0)
    generator = torch.Generator().manual_seed(2)
    other = (reference - offset) / gain + 0.004 * torch.randn(reference.shape, generator=generator)
    other[:20] = 0.9  # a fifth of the image shows something else
    match = match_brightness(reference, other, torch.ones_like(reference))
    assert float(match.gain) == pytest.approx(gain, abs=0.01)
    assert float(match.offset) == pytest.approx(offset, abs=0.01)


def test_brightness_of_flat_or_distrusted_images() -> None:
    flat = torch.full((30, 30), 0.5)
    match = match_brightness(flat, flat - 0.1, torch.ones_like(flat))
    assert float(match.gain) == 1.0
    assert float(match.offset) == pytest.approx(0.1, abs=1e-6)
    nothing = match_brightness(flat, flat - 0.1, torch.zeros_like(flat))
    assert (float(nothing.gain), float(nothing.offset)) == (1.0, 0.0)

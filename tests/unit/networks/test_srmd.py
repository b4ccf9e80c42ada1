"""SRMD: its conditions, and the files it loads from."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from vsr.media.image_files import read_image
from vsr.metrics import psnr, shrink_bicubic
from vsr.networks import ConditionedUpscaler, load_network
from vsr.networks.srmd import SRMD

DATA = Path(os.environ.get("VSR_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))


def test_conditions_are_noise_over_255_and_15_numbers_for_the_kernel() -> None:
    conditions = SRMD(2, width=4, depth=2).conditions(0.5, 51.0)
    assert conditions.shape == (16,)
    assert float(conditions[15]) == pytest.approx(0.2)
    assert SRMD(2, most_noise_codes=0, width=4, depth=2).conditions(0.5, 0.0).tolist() == conditions[:15].tolist()


def test_blur_is_in_pixels_of_the_hr_image() -> None:
    of_two, of_four = (SRMD(scale, most_noise_codes=0, width=4, depth=2) for scale in (2, 4))
    assert torch.equal(of_two.conditions(1.0, 0.0), of_four.conditions(0.5, 0.0))
    assert not torch.equal(of_two.conditions(0.0, 0.0), of_two.conditions(0.2, 0.0))


def test_coefficients_go_on_between_and_beyond_the_lines_of_the_table() -> None:
    network = SRMD(4, most_noise_codes=0, width=4, depth=2)
    conditions = torch.stack([network.conditions(step / 100, 0.0) for step in range(121)])
    assert float((conditions[1:] - conditions[:-1]).abs().max()) < 0.1
    assert torch.equal(conditions[100], conditions[120]), "a wider Gaussian than the widest counts as that"


def test_maps_are_constant_and_the_image_is_left_as_it_is() -> None:
    network, images = SRMD(2, width=4, depth=2), torch.rand(2, 3, 5, 4)
    stacked = network.stacked(images, 0.3, 5.0)
    assert torch.equal(stacked[:, :3], images)
    assert torch.equal(stacked[:, 3:], network.conditions(0.3, 5.0)[None, :, None, None].expand(2, -1, 5, 4))


def _blurred(image: Tensor, sigma_px: float) -> Tensor:
    """``(3, H, W)`` blurred by a Gaussian of 15×15."""
    line = torch.exp(-torch.arange(-7, 8, dtype=image.dtype).square() / (2 * sigma_px**2))
    kernel = torch.outer(line, line) / line.sum() ** 2
    return conv2d(pad(image[:, None], (7, 7, 7, 7), mode="replicate"), kernel[None, None])[:, 0]


def _weights(name: str) -> Path:
    path = DATA / "weights" / "SRMD" / name
    if not path.exists():
        pytest.skip(f"{path} is not there; set VSR_TEST_DATA")
    return path


@pytest.mark.parametrize("blur_px", [0.4, 0.8])
def test_published_weights_restore_best_with_the_true_kernel(blur_px: float) -> None:
    """An image blurred by a known Gaussian: the table must say of 0.4 pixels what the network takes for 0.4 pixels."""
    network = load_network(_weights("srmd_x2.param"))
    assert isinstance(network.module, ConditionedUpscaler)
    hr = torch.from_numpy(read_image(DATA / "images" / "Set5" / "butterfly.bmp")[:128, :128].copy())
    hr = hr.permute(2, 0, 1).double()
    small = shrink_bicubic(_blurred(hr, 2 * blur_px), (64, 64))[None].float() / 255
    found = {}
    with torch.inference_mode():
        for assumed_px in (0.0, blur_px - 0.2, blur_px, min(1.0, blur_px + 0.2)):
            result = network(network.module.stacked(small, assumed_px, 0.0))[0].double() * 255
            found[assumed_px] = psnr(result, hr, crop=8)
    assert max(found, key=lambda assumed_px: found[assumed_px]) == blur_px
    assert found[blur_px] > found[0.0] + 1.5

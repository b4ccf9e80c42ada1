"""CAR, TAD and CNN-CR: what their resampling is with weights that are known, and files of other sizes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from vsr.methods.network.rescaling import Downscaler
from vsr.networks import RescalingUpscaler, load_network
from vsr.networks.base import Found, Shapes
from vsr.networks.car import CAR, recognise_car, resample_by
from vsr.networks.cnncr import CNNCR, recognise_cnncr
from vsr.networks.tad import TAD, recognise_tad
from vsr.observation import resample


def _image(height: int, width: int, channels: int = 3) -> Tensor:
    return torch.rand(2, channels, height, width, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("scale", [2, 4])
def test_equal_taps_of_car_are_a_mean_of_bilinear_values(scale: int) -> None:
    """In the middle of a ramp any symmetric kernel gives the ramp's value in the middle of the small pixel."""
    side = 3 * scale + 1
    size = 8 * scale
    ramp = torch.arange(size, dtype=torch.float64).expand(1, 1, size, size)
    kernels = torch.full((1, side * side, 8, 8), 1 / side**2, dtype=torch.float64)
    still = torch.zeros_like(kernels)
    made = resample_by(ramp, kernels, still, still, scale)
    middle = (torch.arange(8, dtype=torch.float64) + 0.5) * scale - 0.5
    torch.testing.assert_close(made[0, 0, 4, 3:5], middle[3:5])
    moved = resample_by(ramp, kernels, still + 0.75, still, scale)
    torch.testing.assert_close(moved[0, 0, 4, 3:5], middle[3:5] + 0.75)
    torch.testing.assert_close(resample_by(ramp.mT, kernels, still, still - 1, scale)[0, 0, 3:5, 4], middle[3:5] - 1)


def test_one_tap_of_car_takes_bilinear_values_there() -> None:
    image = _image(16, 24).double()
    kernels, still = torch.zeros(2, 49, 8, 12).double(), torch.zeros(2, 49, 8, 12).double()
    kernels[:, 24] = 1
    mean = image.reshape(2, 3, 8, 2, 12, 2).mean((3, 5))
    torch.testing.assert_close(resample_by(image, kernels, still, still, 2), mean)
    corner = resample_by(image, kernels, still + 0.5, still - 0.5, 2)
    torch.testing.assert_close(corner, image[:, :, ::2, 1::2])


def test_small_images_of_car_lie_within_the_large_ones() -> None:
    torch.manual_seed(3)
    module = CAR(2, blocks=1, width=4, resampler_width=4).eval().requires_grad_(False)
    kernels, across, down = module.kgn(_image(16, 32))
    assert kernels.shape == across.shape == down.shape == (2, 49, 8, 16)
    torch.testing.assert_close(kernels.sum(1), torch.ones(2, 8, 16))
    assert float(kernels.min()) > 0
    assert float(torch.maximum(across.abs(), down.abs()).max()) <= 1
    small = module.downscale(_image(16, 32))
    assert 0 <= float(small.min()) <= float(small.max()) <= 1
    flat = torch.full((1, 3, 16, 16), 0.3)
    torch.testing.assert_close(module.downscale(flat), flat[..., ::2, ::2])


@pytest.mark.parametrize("size", [(18, 26), (2, 2), (40, 6)], ids=str)
def test_car_makes_images_of_any_size_small(size: tuple[int, int], tmp_path: Path) -> None:
    """Its features need sides that are multiples of 8; what runs it pads them, and cuts off again what was added."""
    torch.manual_seed(3)
    torch.save(CAR(2, blocks=1, width=4, resampler_width=4).state_dict(), tmp_path / "car-x2.pth")
    shrink = Downscaler([load_network(tmp_path / "car-x2.pth", 2)], torch.device("cpu"))
    small = shrink(torch.full((1, 3, *size), 0.25))
    torch.testing.assert_close(small, torch.full((1, 3, size[0] // 2, size[1] // 2), 0.25))


def test_gradients_reach_what_chooses_the_kernels() -> None:
    torch.manual_seed(3)
    module = CAR(2, blocks=1, width=4, resampler_width=4)
    module(module.downscale(_image(16, 16))).square().mean().backward()
    for part in ("kernels_weight", "offsets_h_generation", "offsets_v_generation"):
        assert float(getattr(module.kgn, part)[4].weight.grad.abs().sum()) > 0


def test_cnn_cr_that_learned_nothing_is_interpolation() -> None:
    torch.manual_seed(3)
    module = CNNCR(2, depths=(4, 4), width=8).eval().requires_grad_(False)
    for layer in (module.cr.output, module.sr.output):
        layer.weight.zero_()
        assert layer.bias is not None
        layer.bias.zero_()
    large = _image(20, 28, 1)
    small = module.downscale(large)
    torch.testing.assert_close(small, resample(large, (10, 14), kernel="bicubic"))
    torch.testing.assert_close(module(small), resample(small, (20, 28), kernel="bicubic"))


def test_tad_shuffles_blocks_whole() -> None:
    """With the middle of each kernel alone, channel by channel, the first pixel of each block comes back four times."""
    module = TAD(2, blocks=1, width=32).eval().requires_grad_(False)
    for parameter in module.parameters():
        parameter.zero_()
    for colour in range(3):
        module._downscaling[0].weight[colour, colour, 1, 1] = 1  # type: ignore[union-attr, index, operator]
        module._downscaling[1].weight[colour, colour, 1, 1] = 1  # type: ignore[union-attr, index, operator]
        module._conv_en2.weight[colour, 4 * colour, 1, 1] = 1
        module._conv_de1.weight[colour, colour, 1, 1] = 1
        module._upscaling[0].weight[4 * colour : 4 * colour + 4, colour, 1, 1] = 1  # type: ignore[union-attr, index, operator]
        module._upscaling[2].weight[colour, colour, 1, 1] = 1  # type: ignore[union-attr, index, operator]
    large = _image(8, 12)
    small = module.downscale(large)
    assert torch.equal(small, large[..., ::2, ::2])
    assert torch.equal(module(small), small.repeat_interleave(2, 2).repeat_interleave(2, 3))


@pytest.mark.parametrize(
    ("module", "recognise"),
    [
        (CAR(2, blocks=2, width=8, resampler_width=4), recognise_car),
        (CAR(4, blocks=1, width=4, resampler_width=8), recognise_car),
        (TAD(2, blocks=7, width=16), recognise_tad),
        (CNNCR(2, depths=(5, 7), width=8), recognise_cnncr),
    ],
    ids=lambda one: type(one).__name__,
)
def test_files_of_any_size_are_known(module: RescalingUpscaler, recognise: object) -> None:
    shapes: Shapes = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    assert callable(recognise)
    found = recognise(shapes)
    assert isinstance(found, Found)
    assert found.scales == (module.scale,)
    rebuilt = found.build(module.scale)
    assert {name: tuple(value.shape) for name, value in rebuilt.state_dict().items()} == shapes


@pytest.mark.parametrize("make", [CAR, TAD, CNNCR])
def test_another_scale_is_refused(make: type[RescalingUpscaler]) -> None:
    with pytest.raises(ValueError, match="3"):
        make(3)

"""USRNet: its closed-form step against direct solutions, any kernel, the tiny weights."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from vsr.media.image_files import read_image
from vsr.metrics import psnr
from vsr.networks import ConditionedUpscaler, load_network
from vsr.networks.usrnet import USRNet, data_step, fold, transfer_function
from vsr.observation import resample
from vsr.observation.block_kernels import blurred_bicubic_kernel, degrade, gaussian_kernel

DATA = Path(os.environ.get("VSR_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))


def _recorded(image: Tensor, kernel: Tensor, scale: int) -> Tensor:
    """``(1, 1, H, W)`` → ``(1, 1, H / scale, W / scale)``: as `degrade`, of a periodic image."""
    rim = (kernel.shape[0] - scale) // 2
    return conv2d(pad(image, (rim,) * 4, mode="circular"), kernel[None, None], stride=scale)


@pytest.mark.parametrize("scale", [2, 3])
def test_spectra_say_what_a_kernel_records(scale: int) -> None:
    kernel = gaussian_kernel(scale, 1.3, 0.6, 30.0).double()
    image = torch.rand(1, 1, 8 * scale, 7 * scale, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    transfer = transfer_function(kernel, scale, (8 * scale, 7 * scale))
    made = torch.fft.ifft2(fold(transfer * torch.fft.fft2(image), scale)).real
    torch.testing.assert_close(made, _recorded(image, kernel, scale))


def test_kernels_wider_than_the_image_wrap_around() -> None:
    transfer = transfer_function(gaussian_kernel(2, 3.0, side=20), 2, (8, 8))
    assert float(transfer[0, 0].real) == pytest.approx(1.0, abs=1e-5)


def test_the_step_is_the_minimum_of_its_objective() -> None:
    """Against a dense linear solver."""
    scale, size, strength = 2, 8, 0.03
    generator = torch.Generator().manual_seed(2)
    kernel = gaussian_kernel(scale, 1.2, 0.7, 50.0).double()
    image = torch.rand(1, 1, size, size, generator=generator, dtype=torch.float64)
    small = torch.rand(1, 1, size // 2, size // 2, generator=generator, dtype=torch.float64)
    units = torch.eye(size * size, dtype=torch.float64).reshape(-1, 1, size, size)
    matrix = torch.cat([_recorded(unit[None], kernel, scale).reshape(1, -1) for unit in units]).T
    normal = matrix.T @ matrix + strength * torch.eye(size * size, dtype=torch.float64)
    requested = torch.linalg.solve(normal, matrix.T @ small.reshape(-1) + strength * image.reshape(-1))
    transfer = transfer_function(kernel, scale, (size, size))
    found = data_step(image, torch.fft.fft2(small), transfer, torch.tensor(strength, dtype=torch.float64), scale)
    torch.testing.assert_close(found.reshape(-1), requested)


def _tiny() -> USRNet:
    torch.manual_seed(3)
    return USRNet(2, steps=2, widths=(4, 4, 4, 4), hidden=4).eval().requires_grad_(False)


def test_blur_as_a_number_is_the_kernel_of_that_blur() -> None:
    network, image = _tiny(), torch.rand(1, 3, 12, 10)
    by_number, sharp = (network(network.stacked(image, blur_px, 5.0)) for blur_px in (0.5, 0.0))
    network.set_kernel(blurred_bicubic_kernel(2, 0.5))
    by_kernel = network(network.stacked(image, 0.0, 5.0))
    assert float((by_kernel - by_number).abs().max()) < 0.05 * float((sharp - by_number).abs().max())


def test_a_kernel_stays_when_types_change() -> None:
    network, kernel = _tiny(), gaussian_kernel(2, 1.0, 0.5, 20.0)
    network.set_kernel(kernel)
    assert torch.equal(network.half().kernel.value, kernel)
    assert "kernel.value" not in network.state_dict()


def test_tiny_weights_restore_with_the_true_kernel() -> None:
    """An image blurred by an oblique Gaussian: far above interpolation, and above a round kernel of its size."""
    path = DATA / "weights" / "USRNet_tiny" / "usrnet_tiny.safetensors"
    if not path.exists():
        pytest.skip(f"{path} is not there; set VSR_TEST_DATA")
    network = load_network(path, 2)
    assert isinstance(network.module, ConditionedUpscaler)
    hr = torch.from_numpy(read_image(DATA / "images" / "Set5" / "butterfly.bmp")[:96, :96].copy())
    hr = hr.permute(2, 0, 1).double() / 255
    kernel = gaussian_kernel(2, 1.8, 0.7, 30.0)
    small = degrade(hr[:, None], kernel, 2)[:, 0][None].float()
    found = []
    for assumed in (gaussian_kernel(2, 1.2), kernel):
        network.module.set_kernel(assumed)
        with torch.inference_mode():
            result = network(network.module.stacked(small, 0.0, 0.0))[0].double()
        found.append(psnr(255 * result, 255 * hr, crop=8))
    bicubic = psnr(255 * resample(small, (96, 96), kernel="bicubic")[0].double(), 255 * hr, crop=8)
    assert found[1] > max(bicubic + 5, found[0] + 2)

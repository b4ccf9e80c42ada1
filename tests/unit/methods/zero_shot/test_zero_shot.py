"""Training on a shot: kernels against closed forms and other code, a gain on blurred frames, bad input."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate
from torch import Tensor

from vsr.errors import InputError, UsageError
from vsr.frames import ColorSpec, VideoFrame
from vsr.media.layouts import LAYOUTS
from vsr.methods import Geometry, find_method, restore_shot
from vsr.methods.zero_shot.method import ZeroShotOptions
from vsr.metrics import psnr, shrink_bicubic
from vsr.networks.blocks import enlarge
from vsr.observation.block_kernels import (
    blurred_bicubic_kernel,
    centre_kernel,
    degrade,
    gaussian_kernel,
    kernel_widths,
    read_kernel,
)


def _image(side: int = 160) -> Tensor:
    """Discs with sharp edges at all places and sizes, ``(1, 1, side, side)`` in 0…1."""
    random = np.random.default_rng(3)
    y, x = np.mgrid[:side, :side]
    image = np.full((side, side), 0.5)
    for _ in range(60):
        cy, cx, radius, value = *random.uniform(0, side, 2), random.uniform(3, 16), random.uniform(0.05, 0.95)
        image[(y - cy) ** 2 + (x - cx) ** 2 < radius**2] = value
    return torch.from_numpy(image).float()[None, None]


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_no_blur_is_bicubic_shrinking(scale: int) -> None:
    image = torch.rand(1, 1, 12 * scale, 14 * scale, generator=torch.Generator().manual_seed(0))
    made = degrade(image, blurred_bicubic_kernel(scale, 0.0), scale)
    requested = shrink_bicubic(image, (12, 14)).float()
    torch.testing.assert_close(made[..., 2:-2, 2:-2], requested[..., 2:-2, 2:-2], atol=1e-5, rtol=0)


def test_degrading_is_correlation_at_the_middle_of_blocks() -> None:
    """Against SciPy, for an odd kernel and ×3, whose blocks have a middle pixel."""
    image, kernel = _image(30), gaussian_kernel(3, 2.0, 0.8, 30.0)
    requested = correlate(image[0, 0].numpy(), kernel.numpy(), mode="nearest")[1::3, 1::3]
    np.testing.assert_allclose(degrade(image, kernel, 3)[0, 0].numpy(), requested, atol=1e-5)


def test_gaussians_have_their_widths_and_direction() -> None:
    kernel = gaussian_kernel(2, 3.0, 1.0, 90.0).double()
    place = torch.arange(len(kernel), dtype=torch.float64) - (len(kernel) - 1) / 2
    assert len(kernel) % 2 == 0
    assert float(kernel.sum()) == pytest.approx(1)
    assert float((kernel.sum(1) * place**2).sum()) == pytest.approx(9.0, rel=0.03)  # along y
    assert float((kernel.sum(0) * place**2).sum()) == pytest.approx(1.0, rel=0.03)


@pytest.mark.parametrize("scale", [2, 3])
def test_widths_are_read_off_and_shifted_kernels_are_centred(scale: int) -> None:
    kernel = gaussian_kernel(scale, 2.0, 0.8, 150.0)
    assert kernel_widths(kernel) == pytest.approx((2.0, 0.8, 150.0), rel=0.01)
    moved = torch.nn.functional.pad(kernel, (3, 0, 0, 3))
    centred = centre_kernel(moved, scale)
    rim = (len(kernel) - len(centred)) // 2
    torch.testing.assert_close(centred, kernel[rim : len(kernel) - rim, rim : len(kernel) - rim], atol=1e-5, rtol=0)
    between = centre_kernel(torch.ones(3, 3), 2)
    torch.testing.assert_close(between.sum(0), torch.tensor([0.5, 1.0, 1.0, 0.5]) / 3)


def test_kernels_are_read_and_refused(tmp_path: Path) -> None:
    path = tmp_path / "kernel.txt"
    np.savetxt(path, 2 * gaussian_kernel(2, 1.5).numpy())
    torch.testing.assert_close(read_kernel(path, 2), gaussian_kernel(2, 1.5))
    with pytest.raises(InputError, match="for x3 the side is odd"):
        read_kernel(path, 3)
    for text, message in (("1 2\n3 4\n5 6\n", "3 rows of 2"), ("1 x\n", "rows of numbers"), ("nan 1\n1 1", "finite")):
        path.write_text(text)
        with pytest.raises(InputError, match=message):
            read_kernel(path, 2)
    with pytest.raises(InputError, match=r"none\.txt"):
        read_kernel(tmp_path / "none.txt", 2)


def test_a_budget_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="training_steps is 0; allowed are 1"):
        ZeroShotOptions(training_steps=0)
    with pytest.raises(UsageError, match="training_frames is 0"):
        ZeroShotOptions(training_frames=0)
    with pytest.raises(UsageError, match="leave blur_sigma_px out"):
        ZeroShotOptions(kernel="k.txt", blur_sigma_px=1.0)


def _frame(luma: Tensor) -> VideoFrame:
    code = (luma * 255).round().clamp(0, 255).to(torch.uint8)
    return VideoFrame((code,), LAYOUTS["gray"], ColorSpec(full_range=True), 0, 0, Fraction(1, 25))


def test_training_gains_on_interpolation_of_blurred_frames(tmp_path: Path) -> None:
    """With the kernel given, a hundred steps gain a decibel; the same weights come out again."""
    hr, kernel = _image(), gaussian_kernel(2, 2.5, 1.2, 35.0)
    frame = _frame(degrade(hr, kernel, 2)[0, 0])
    np.savetxt(tmp_path / "kernel.txt", kernel.numpy())
    geometry = Geometry(80, 80, 160, 160)
    options = ZeroShotOptions(training_steps=100, kernel=str(tmp_path / "kernel.txt"), noise_codes=0.0)
    prepared = find_method("zssr").prepare(geometry, options, "cpu")
    learnt, again = (prepared.open(geometry).adapt([frame]) for _ in range(2))
    assert learnt.keys() == again.keys()
    assert all(torch.equal(value, again[name]) for name, value in learnt.items())
    [made] = prepared.open(geometry).restore([frame], learnt)
    plain = enlarge(frame.planes[0][None, None].float(), 2)[0, 0]
    figures = [psnr(one.double(), 255 * hr[0, 0].double(), crop=4) for one in (made.planes[0], plain)]
    assert figures[0] > figures[1] + 1.0
    assert made.findings["training_steps"] == 100


def test_the_kernel_is_estimated_and_kept_with_the_weights() -> None:
    """Of a frame blurred along one direction, the estimate knows it; findings say how wide."""
    hr, kernel = _image(256), gaussian_kernel(2, 3.0, 1.2, 35.0)
    frame = _frame(degrade(hr, kernel, 2)[0, 0])
    geometry = Geometry(128, 128, 256, 256)
    options = ZeroShotOptions(training_steps=2, kernel="directions", noise_codes=0.0)
    prepared = find_method("zssr").prepare(geometry, options, "cpu")
    learnt = prepared.open(geometry).adapt([frame])
    along, across, angle = kernel_widths(learnt["kernel"])
    assert along > 1.3 * across
    assert abs(angle - 35.0) < 20.0
    [made] = prepared.open(geometry).restore([frame], learnt)
    assert made.findings["kernel_along_px"] == pytest.approx(along / 2)
    assert ("conditions", "kernel estimated for each shot (directions)") in prepared.plan_rows()


def test_small_frames_are_interpolated_and_said_so() -> None:
    geometry = Geometry(48, 40, 96, 80)
    frame = _frame(_image(48)[0, 0, :40])
    prepared = find_method("zssr").prepare(geometry, ZeroShotOptions(), "cpu")
    [made] = restore_shot(prepared, geometry, [frame])
    assert made.findings == {"training_steps": 0.0}
    requested = enlarge(frame.planes[0][None, None].float(), 2)[0, 0]
    torch.testing.assert_close(made.planes[0], requested)

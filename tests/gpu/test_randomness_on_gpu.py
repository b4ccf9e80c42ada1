"""Noise on a GPU is the noise of the CPU, bit for bit; skipped where there is no GPU."""

from __future__ import annotations

import pytest
import torch

from vsr.randomness import NoiseField

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def test_noise_is_that_of_the_cpu() -> None:
    field = NoiseField(2**63 + 5, 123456, 3)
    there = field.window(45, 5, 3, 270, 480, device=torch.device("cuda"))
    assert torch.equal(there.cpu(), field.window(45, 5, 3, 270, 480))

"""Motion from the frame before: where things rest, where they move, and where nothing is known."""

from __future__ import annotations

import torch
from torch import Tensor

from vsr.observation import resample
from vsr.registration import pixel_positions, register_previous, sample_bicubic


def _texture(height: int, width: int, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return resample(torch.rand(height // 3, width // 3, generator=generator), (height, width)).clamp(0, 1)


def test_rest_is_exact_however_noisy() -> None:
    """Flow between noisy frames trembles; what rests is not moved at all."""
    scene, generator = _texture(48, 60), torch.Generator().manual_seed(2)
    first, second = (scene + 0.02 * torch.randn(scene.shape, generator=generator) for _ in range(2))
    motion = register_previous(first, second)
    assert motion is not None
    assert float((motion.flow != 0).any(0).float().mean()) < 0.05
    still = (motion.flow == 0).all(0)
    assert torch.equal(motion.warped[still], first[still])
    assert bool((motion.confidence[still] == 1).all())


def test_motion_is_found_and_what_left_is_not_trusted() -> None:
    """The camera goes right by 2.5 pixels: the content was that much farther right before."""
    wide = _texture(48, 80)
    rows, cols = torch.arange(48.0)[:, None].expand(48, 60), torch.arange(60.0)[None].expand(48, 60)
    previous, current = (sample_bicubic(wide[None], rows, cols + start)[0] for start in (5.0, 7.5))
    motion = register_previous(previous, current)
    assert motion is not None
    inner = (slice(4, -4), slice(4, -8))
    assert float((motion.flow[1][inner] - 2.5).abs().mean()) < 0.1
    assert float(motion.flow[0][inner].abs().mean()) < 0.1
    assert float((motion.warped - current)[inner].abs().mean()) < 0.01
    assert float(motion.confidence[inner].mean()) > 0.9
    left = pixel_positions(motion.flow)[1] >= 59.5
    assert bool(left.any())
    assert bool((motion.confidence[left] == 0).all())


def test_small_frames_are_not_registered() -> None:
    assert register_previous(torch.rand(20, 60), torch.rand(20, 60)) is None

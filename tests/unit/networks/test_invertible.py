"""Rescaling networks undo themselves in float32, whatever the image: to 1e-5, a 400th of a code of 8 bits."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vsr.networks import load_network
from vsr.networks.irn import firn, irn
from vsr.networks.rescale import Rescale

MOST = 1e-5


def _shipped() -> Rescale:
    module = load_network("rescale", 2).module
    assert isinstance(module, Rescale)
    return module


torch.manual_seed(7)
MODULES = {
    "irn": irn(2).eval().requires_grad_(False),
    "firn": firn(2).eval().requires_grad_(False),
    "rescale": _shipped(),
}
"""As published, ×2: IRN and FIRN with random weights, since none of this scale are known."""

images = st.builds(
    lambda seed, height, width, low, high: (
        low + (high - low) * torch.rand(1, 3, 2 * height, 2 * width, generator=torch.Generator().manual_seed(seed))
    ),
    st.integers(0, 2**31),
    st.integers(1, 12),
    st.integers(1, 12),
    st.floats(0, 0.5),
    st.floats(0.5, 1),
)
"""Flat to full contrast, ``(1, 3, 2·H, 2·W)`` in 0…1."""


@pytest.mark.parametrize("name", MODULES)
@settings(max_examples=20, deadline=None)
@given(large=images)
def test_what_was_split_is_put_together_again(name: str, large: Tensor) -> None:
    module = MODULES[name]
    split = module.analyse(large)
    assert torch.equal(split[:, :3], module.downscale(large))
    assert float((module(split) - large).abs().max()) <= MOST


@settings(max_examples=20, deadline=None)
@given(large=images, moved_px=st.integers(1, 4))
def test_a_move_by_whole_small_pixels_moves_the_small_image(large: Tensor, moved_px: int) -> None:
    """Away from the edges, which are padded: the same pair makes the same of the same pixels."""
    module = MODULES["rescale"]
    assert isinstance(module, Rescale)
    reach = module.downscale_context_px
    assert reach is not None
    wide = large.repeat(1, 1, 1, 2 * (reach + moved_px) // (large.shape[-1] // 2) + 2)
    small = module.downscale(wide)
    moved = module.downscale(wide[..., 2 * moved_px :])
    inner = small[..., reach + moved_px : small.shape[-1] - reach]
    torch.testing.assert_close(moved[..., reach : reach + inner.shape[-1]], inner, rtol=0, atol=1e-5)

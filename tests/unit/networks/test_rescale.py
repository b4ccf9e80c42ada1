"""Rescale: each way undoes the other, what is hidden is read by the same parts, and files of other widths are known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from vsr.networks.rescale import Rescale, recognise_rescale


def _made(width: int = 8, depths: tuple[int, int, int] = (4, 3, 6)) -> Rescale:
    torch.manual_seed(3)
    return Rescale(2, width=width, depths=depths).eval().requires_grad_(False)


def _image(height: int = 18, width: int = 26) -> Tensor:
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(1))


def test_both_ways_undo_each_other() -> None:
    module, large = _made(), _image()
    split = module.analyse(large)
    assert split.shape == (2, 12, 9, 13)
    torch.testing.assert_close(module(split), large, rtol=0, atol=1e-5)
    torch.testing.assert_close(module.analyse(module(split)), split, rtol=0, atol=1e-5)
    assert torch.equal(module.downscale(large), split[:, :3])


def test_without_noise_it_is_as_with_zeros() -> None:
    module, small = _made(), _image(7, 5)
    assert module.noise_channels == 0
    assert torch.equal(module(small), module(torch.cat([small, torch.zeros(2, 9, 7, 5)], 1)))


def test_with_couplings_of_nothing_it_is_the_mean_and_back() -> None:
    module, large = _made(), _image(8, 8)
    for part in (module.predict, module.write, module.read):
        part.tail.weight.zero_()
        part.tail.bias.zero_()  # type: ignore[union-attr]
        if part.direct is not None:
            part.direct.weight.zero_()
    mean = large.reshape(2, 3, 4, 2, 4, 2).mean((3, 5))
    torch.testing.assert_close(module.downscale(large), mean, rtol=0, atol=1e-6)
    expected = mean.repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(module(mean), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("width", "depths"), [(32, (12, 3, 9)), (8, (3, 0, 1))])
def test_files_of_any_width_are_known(width: int, depths: tuple[int, int, int]) -> None:
    module = _made(width, depths)
    shapes = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    found = recognise_rescale(shapes)
    assert found is not None
    assert found.scales == (2,)
    rebuilt = found.build(2)
    assert {name: tuple(value.shape) for name, value in rebuilt.state_dict().items()} == shapes


def test_another_scale_is_refused() -> None:
    with pytest.raises(ValueError, match="3"):
        Rescale(3)

"""Lite: the inference form computes what the training form computes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from vsr.networks.edge_blocks import EDGE_FILTERS, EdgeConv2d
from vsr.networks.lite import Lite, LiteInTraining


def _branch_by_branch(block: EdgeConv2d, features: Tensor) -> Tensor:
    """The block as a network of small convolutions, none of them merged."""
    width = block.plain.shape[0]
    result = conv2d(features, block.plain, block.bias, padding=1) + features
    result = result + conv2d(conv2d(features, block.wide, padding=1), block.squeeze[:, :, None, None])
    for number, values in enumerate(EDGE_FILTERS):
        mixed = pad(conv2d(features, block.mix[number][:, :, None, None]), (1, 1, 1, 1))
        filters = block.strength[number][:, None, None] * torch.tensor(values)
        result = result + conv2d(mixed, filters[:, None], groups=width)
    return result


def _stirred(module: torch.nn.Module) -> None:
    """Weights as training leaves them: none at zero, none tiny."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))


def test_a_block_is_the_sum_of_its_branches() -> None:
    torch.manual_seed(1)
    block = EdgeConv2d(8)
    _stirred(block)
    features = torch.randn(2, 8, 9, 7)
    kernel, bias = block.reparameterise()
    expected = _branch_by_branch(block, features)
    torch.testing.assert_close(conv2d(features, kernel, bias, padding=1), expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(block(features), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_inference_form_equals_training_form(scale: int) -> None:
    torch.manual_seed(2)
    rich, plain = LiteInTraining(scale), Lite(scale)
    _stirred(rich)
    plain.load_state_dict(rich.reparameterise())
    images = torch.rand(2, 1, 17, 13)
    with torch.inference_mode():
        difference = (rich(images) - plain(images)).abs().max()
        assert (
            float((plain(images) - images.repeat_interleave(scale, 2).repeat_interleave(scale, 3)).abs().max()) > 0.01
        )
    assert float(difference) < 1e-5
    assert sum(value.numel() for value in plain.parameters()) <= 150_000


def test_a_new_one_is_nearest_neighbour_interpolation() -> None:
    images = torch.rand(1, 1, 5, 6)
    enlarged = LiteInTraining(3)(images)
    assert torch.equal(enlarged, images.repeat_interleave(3, 2).repeat_interleave(3, 3))


def test_weights_of_another_scale_are_taken_over_but_for_the_last_layer() -> None:
    torch.manual_seed(3)
    double, triple = LiteInTraining(2), LiteInTraining(3)
    _stirred(double)
    state = {key: value for key, value in double.reparameterise().items() if not key.startswith("tail")}
    triple.take_over(state)
    again = triple.reparameterise()
    for key, value in state.items():
        torch.testing.assert_close(again[key], value, rtol=0, atol=1e-6)
    assert float(again["tail.weight"].abs().max()) == 0


def test_gradients_reach_every_branch() -> None:
    torch.manual_seed(4)
    module = LiteInTraining(2)
    _stirred(module)
    module(torch.rand(1, 1, 12, 12)).square().mean().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert float(parameter.grad.abs().max()) > 0, name

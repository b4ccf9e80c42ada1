"""`lite-any`: pixels anywhere of the features of `lite`."""

from __future__ import annotations

import pytest
import torch

from vsr.networks.grids import Grid
from vsr.networks.lite import Lite
from vsr.networks.lite_any import LiteAny
from vsr.observation import resample


@pytest.fixture
def module() -> LiteAny:
    torch.manual_seed(4)
    return LiteAny(2, width=8, depth=3, terms=6, hidden=8).eval().requires_grad_(False)


def test_what_is_learnt_beside_the_chain_is_small() -> None:
    names = ("fuse", "refine", "expand", "place")
    learnt = sum(value.numel() for name, value in LiteAny(2).named_parameters() if name.startswith(names))
    assert learnt == 38_272


def test_its_chain_is_that_of_lite(module: LiteAny) -> None:
    """With the weights of `lite` its fused features are those that the last layer of `lite` gets."""
    lite = Lite(2, width=8, depth=3).eval().requires_grad_(False)
    kept = {name: value for name, value in lite.state_dict().items() if not name.startswith("tail.")}
    module.load_state_dict(kept, strict=False)
    image = torch.rand(1, 1, 9, 11)
    torch.testing.assert_close(module.fuse(module.chain(image)), lite.features(image), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("out_yx", [(9, 11), (10, 12), (13, 15), (18, 22), (31, 44)], ids=str)
def test_without_terms_it_is_bicubic_interpolation(module: LiteAny, out_yx: tuple[int, int]) -> None:
    """By the resampler's own taps; so also at the borders."""
    module.expand.weight.zero_()
    module.expand.bias.zero_()  # type: ignore[union-attr]
    image = torch.rand(2, 1, 9, 11)
    made = module.render(module.features(image), Grid.whole((9, 11), out_yx))
    torch.testing.assert_close(made, resample(image, out_yx, kernel="bicubic"), rtol=1e-5, atol=1e-6)


def test_a_pixel_is_the_weighed_sum_of_its_terms(module: LiteAny) -> None:
    """One pixel of x1.37, by the definition."""
    image = torch.rand(1, 1, 20, 20)
    features = module.features(image)
    made = module.render(features, Grid.whole((20, 20), (27, 27)))
    row, column, cell = 11, 20, 20 / 27
    places = [(number + 0.5) * cell - 0.5 for number in (row, column)]
    own = [round(place) for place in places]
    down, across = (
        module.place(torch.tensor([2 * (place - number), 2 * cell - 1]))
        for place, number in zip(places, own, strict=True)
    )
    terms = features[0, :-1, own[0], own[1]]
    expected = float((terms * down[:6] * across[6:]).sum()) + float(
        resample(image, (27, 27), kernel="bicubic")[0, 0, row, column]
    )
    assert float(made[0, 0, row, column]) == pytest.approx(expected, abs=1e-5)


def test_half_precision_leaves_the_image_exact(module: LiteAny) -> None:
    """What is interpolated never loses its digits."""
    image = torch.full((1, 1, 6, 6), 0.123456789)
    features = module.to(torch.bfloat16).features(image)
    assert torch.equal(features[:, -1:], image)

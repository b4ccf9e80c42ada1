"""CVAE, IMLE and explorable SR: what each is by definition, against closed forms."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from vsr.metrics import shrink_bicubic
from vsr.networks.base import SamplingUpscaler
from vsr.networks.cvae import CVAE
from vsr.networks.explorable import Explorable, make_consistent
from vsr.networks.imle import IMLE, nearest_sample

_SMALL = torch.rand(2, 3, 6, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
_NETWORKS: list[tuple[type[SamplingUpscaler], dict[str, int]]] = [
    (CVAE, {"latent": 4}),
    (IMLE, {"codes": 5}),
    (Explorable, {"controls": 2}),
]


def _built(kind: type[SamplingUpscaler], **sizes: int) -> SamplingUpscaler:
    torch.manual_seed(4)
    return kind(4, width=8, blocks=2, **sizes).eval().requires_grad_(False).double()  # type: ignore[call-arg]


def _noise(network: SamplingUpscaler, *before: int) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.randn(*before, 2, network.noise_channels, 6, 7, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(("kind", "sizes"), _NETWORKS)
def test_noise_decides(kind: type[SamplingUpscaler], sizes: dict[str, int]) -> None:
    network = _built(kind, **sizes)
    noise = _noise(network)
    made = network(torch.cat([_SMALL, noise], 1))
    assert made.shape == (2, 3, 24, 28)
    assert torch.equal(made, network(torch.cat([_SMALL, noise], 1)))
    assert float((made - network(torch.cat([_SMALL, -noise], 1))).std()) > 1e-4


@pytest.mark.parametrize("size", [(6, 7), (1, 1), (2, 31)])
def test_consistent_images_are_the_nearest(size: tuple[int, int]) -> None:
    """Their reduction is the small image, and what was added is orthogonal to all that reduction loses."""
    small = torch.rand(1, 3, *size, dtype=torch.float64)
    images = torch.rand(1, 3, 4 * size[0], 4 * size[1], dtype=torch.float64)
    made = make_consistent(images, small)
    torch.testing.assert_close(shrink_bicubic(made[0], size), small[0], rtol=0, atol=1e-10)
    torch.testing.assert_close(make_consistent(made, small), made)
    lost = make_consistent(torch.rand_like(images), 0 * small)  # something whose reduction is black
    assert abs(float((lost * (made - images)).sum())) < 1e-9 * lost.numel()


def test_explorable_is_consistent_for_any_noise() -> None:
    network = _built(Explorable, controls=3)
    for gain in (0.0, 1.0, 20.0):
        made = network(torch.cat([_SMALL, gain * _noise(network)], 1))
        torch.testing.assert_close(shrink_bicubic(made[0], (6, 7)), _SMALL[0], rtol=0, atol=1e-9)


def test_divergence_is_that_of_normal_distributions() -> None:
    network, images = _built(CVAE, latent=4), torch.rand(2, 3, 24, 28, dtype=torch.float64)
    assert isinstance(network, CVAE)
    _, divergence = network.reconstruct(images, _SMALL, _noise(network))
    features = network.features(_SMALL)
    seen = []
    hook = network.posterior.register_forward_hook(lambda *given: seen.append(given[2]))
    network.reconstruct(images, _SMALL, _noise(network))
    hook.remove()
    (mean, logs), (prior_mean, prior_logs) = seen[0].chunk(2, 1), network.prior(features).chunk(2, 1)
    expected = kl_divergence(Normal(mean, logs.exp()), Normal(prior_mean, prior_logs.exp()))
    torch.testing.assert_close(divergence, expected.flatten(1).sum(1))


def test_a_posterior_equal_to_the_prior_diverges_by_nothing() -> None:
    network = _built(CVAE, latent=4)
    assert isinstance(network, CVAE)
    for part in (network.prior, network.posterior[1]):
        assert isinstance(part, torch.nn.Conv2d)
        part.weight.zero_()
        torch.nn.init.zeros_(part.bias)  # type: ignore[arg-type]
    noise = _noise(network)
    made, divergence = network.reconstruct(torch.rand(2, 3, 24, 28, dtype=torch.float64), _SMALL, noise)
    assert float(divergence.abs().max()) == 0.0
    torch.testing.assert_close(made, network(torch.cat([_SMALL, noise], 1)), msg="the decoder is the same")


def test_the_nearest_sample_is_found() -> None:
    network = _built(IMLE, codes=5)
    assert isinstance(network, IMLE)
    noises = _noise(network, 6)
    chosen = (4, 1)
    images = torch.cat([network(torch.cat([_SMALL, noises[n]], 1))[k : k + 1] for k, n in enumerate(chosen)])
    found = nearest_sample(network, images, _SMALL, noises)
    assert torch.equal(found, torch.stack([noises[n, k] for k, n in enumerate(chosen)]))

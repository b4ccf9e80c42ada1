"""LPIPS against the authors' own package, with random weights: published ones are not part of this repository."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vsr.metrics.lpips import LPIPS_NETWORKS, Lpips, LpipsNetwork

KERNELS: dict[LpipsNetwork, dict[int, int]] = {"alex": {0: 11, 3: 5}, "vgg": {}}
AUTHORS: dict[LpipsNetwork, float] = {"alex": 0.14554477, "vgg": 0.13230422}
"""What ``lpips`` 0.1.4 (package index, ``LPIPS(net=…, pretrained=False, pnet_rand=True)`` with `weights_of` loaded into
it) says of `images`."""


def weights_of(network: LpipsNetwork) -> dict[str, torch.Tensor]:
    """Random weights under the names of the authors' state dict."""
    rng, weights, before = np.random.default_rng(4), {}, 3
    for stage, (numbers, channels) in enumerate(
        zip(LPIPS_NETWORKS[network].stages, LPIPS_NETWORKS[network].channels, strict=True)
    ):
        for number in numbers:
            kernel = KERNELS[network].get(number, 3)
            shape, prefix = (channels, before, kernel, kernel), f"net.slice{stage + 1}.{number}"
            weights[f"{prefix}.weight"] = rng.normal(0, (2 / (before * kernel**2)) ** 0.5, shape)
            weights[f"{prefix}.bias"] = rng.normal(0, 0.1, channels)
            before = channels
        weights[f"lin{stage}.model.1.weight"] = rng.uniform(0, 1, (1, channels, 1, 1))
    return {name: torch.from_numpy(value.astype(np.float32)) for name, value in weights.items()}


def images() -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(5)
    first = rng.integers(0, 256, (3, 70, 83)).astype(np.float64)
    second = np.round(0.7 * first + 0.3 * rng.integers(0, 256, first.shape))
    return torch.from_numpy(first), torch.from_numpy(second)


@pytest.mark.parametrize("network", list(LPIPS_NETWORKS))
def test_equals_the_authors_package(network: LpipsNetwork) -> None:
    measure = Lpips(weights_of(network))
    first, second = images()
    assert measure.network == network
    assert measure(first, second) == pytest.approx(AUTHORS[network], rel=1e-4)
    assert measure(second, first) == pytest.approx(AUTHORS[network], rel=1e-4)
    assert measure(first, first) == 0


@pytest.mark.parametrize("network", list(LPIPS_NETWORKS))
def test_for_each_pixel(network: LpipsNetwork) -> None:
    """About the same in the mean, 0 far from where the images differ."""
    measure, (first, second) = Lpips(weights_of(network)), images()
    distances = measure.spatial(first, second)
    assert distances.shape == (70, 83)
    assert float(distances.mean()) == pytest.approx(measure(first, second), rel=0.05)
    assert float(measure.spatial(first, first).abs().max()) == 0
    wide, other = torch.cat([first] * 6, 2), torch.cat([second, *[first] * 5], 2)
    partly = measure.spatial(wide, other)
    assert float(partly[:, 400:].max()) < 1e-6 < float(partly[:, :80].min())


def test_names_of_torchvision() -> None:
    weights = weights_of("alex")
    renamed = {
        f"features.{name.split('.', 2)[2]}" if name.startswith("net.") else name: value
        for name, value in weights.items()
    }
    first, second = images()
    assert Lpips({**renamed, "classifier.1.weight": torch.zeros(1)})(first, second) == Lpips(weights)(first, second)


def test_smallest_images() -> None:
    measure = Lpips(weights_of("alex"))
    side = measure.smallest_side
    first, second = (image[:, :side, :side] for image in images())
    assert measure(first, second) > 0
    with pytest.raises(ValueError, match=f"at least|{side}"):
        measure(first[:, 1:], second[:, 1:])
    with pytest.raises(ValueError, match="one shape"):
        measure(first, second[:, 1:])


def test_what_are_no_weights_of_it() -> None:
    weights = weights_of("alex")
    with pytest.raises(ValueError, match="LPIPS"):
        Lpips({name: value for name, value in weights.items() if not name.startswith("lin3")})
    with pytest.raises(ValueError, match=r"net\.slice3\.6\.weight"):
        Lpips({name: value for name, value in weights.items() if not name.startswith("net.slice3")})

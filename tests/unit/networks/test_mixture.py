"""Mixtures: several sets of weights in one file, and the one network that suits a source."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from small_networks import estimated_source, lite_weights, mixture_tensors, small_network, suited
from torch import Tensor

from vsr.errors import ModelError
from vsr.networks import Network, load_network, with_weights_for
from vsr.networks.inspecting import convert_weights
from vsr.networks.mixture import Mixture, read_mixture
from vsr.networks.source import LEAST_SIDE_PX, compression_known, estimates_of, statistics_of_shot

Tensors = dict[str, Tensor]


def _write(path: Path, tensors: Tensors) -> Path:
    save_file({name: value.contiguous() for name, value in tensors.items()}, path)
    return path


@pytest.fixture
def network(tmp_path: Path) -> Network:
    return load_network(_write(tmp_path / "mixture-x2.safetensors", mixture_tensors()))


def _mixture(network: Network) -> Mixture:
    assert network.mixture is not None
    return network.mixture


def _luma(seed: int, height: int = 48, width: int = 64) -> Tensor:
    return torch.rand(height, width, generator=torch.Generator().manual_seed(seed))


def _summed(tensors: Tensors, shares: Tensor) -> Tensors:
    """The weighted sums, written out."""
    found = {}
    for name, value in tensors.items():
        if name.startswith("experts."):
            found[name.removeprefix("experts.")] = sum((share * one for share, one in zip(shares, value, strict=True)))
    return found  # type: ignore[return-value]


def _equal(state: Tensors, requested: Tensors) -> bool:
    near = (torch.allclose(value, requested[name], atol=1e-6) for name, value in state.items())
    return state.keys() == requested.keys() and all(near)


# ---- loading


def test_the_usual_mixture_is_an_ordinary_network(network: Network) -> None:
    tensors = mixture_tensors()
    assert (network.name, network.scale, network.colour) == ("lite", 2, "Y")
    assert network.num_parameters == sum(value.numel() for value in lite_weights(0).values())
    assert _equal(network.module.state_dict(), _summed(tensors, tensors["usual"]))
    assert network(torch.rand(1, 1, 9, 11)).shape == (1, 1, 18, 22)


def test_half_precision_files_give_the_same_network_to_their_precision(network: Network, tmp_path: Path) -> None:
    tensors = {
        name: value.half() if name.startswith("experts.") else value for name, value in mixture_tensors().items()
    }
    halved = load_network(_write(tmp_path / "half-x2.safetensors", tensors))
    image = _luma(1)[None, None]
    assert all(value.dtype == torch.float32 for value in _mixture(halved).tensors().values())
    assert float((halved(image) - network(image)).abs().max()) < 2e-3


def test_the_digest_covers_every_tensor(network: Network, tmp_path: Path) -> None:
    """One number in one set, in the gate, in the estimator or in the usual shares."""
    digests = {network.digest}
    names = ["experts.body.1.weight", "gate.layer2.bias", "source.layer1.weight", "source.spread", "usual"]
    for number, name in enumerate(names):
        tensors = mixture_tensors()
        changed = tensors[name].clone()
        changed.view(-1)[0] += 5e-4
        digests.add(load_network(_write(tmp_path / f"{number}-x2.safetensors", {**tensors, name: changed})).digest)
    assert len(digests) == 1 + len(names)


def test_the_digest_is_that_of_the_values_wherever_they_are(network: Network, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    assert load_network(_write(folder / "other-x2.safetensors", mixture_tensors())).digest == network.digest


def test_plain_weights_are_no_mixture() -> None:
    assert read_mixture(lite_weights(0), "plain") is None
    assert load_network(small_network("Y"), 2).mixture is None


def test_converted_mixtures_stay_mixtures(network: Network, tmp_path: Path) -> None:
    """As safetensors with its digest: all sets, not only their usual mixture."""
    facts = convert_weights(network.source, tmp_path / "converted-x2.safetensors")
    converted = load_network(tmp_path / "converted-x2.safetensors")
    assert facts.digest == converted.digest == network.digest == converted.metadata["vsr.digest"]
    mixed = [suited(one, [_luma(1)]).module.state_dict() for one in (network, converted)]
    assert _equal(mixed[1], mixed[0])


# ---- damage


def _without(name: str) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {key: value for key, value in tensors.items() if key != name}


def _with(name: str, change: Callable[[Tensor], Tensor]) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {**tensors, name: change(tensors[name])}


DAMAGES: dict[str, Callable[[Tensors], Tensors]] = {
    "a set is missing": _with("experts.body.0.weight", lambda value: value[:2]),
    "a tensor of all sets is missing": _without("experts.fuse.bias"),
    "a tensor of all sets has another shape": _with("experts.fuse.bias", lambda value: value[:, :5]),
    "one set's tensor without the others": _with("experts.tail.bias", lambda value: value[0, 0]),
    "no layer of the gate": _without("gate.layer1.weight"),
    "no layer of the estimator": _without("source.layer3.bias"),
    "no mean": _without("source.mean"),
    "statistics of another length": _with("source.mean", lambda value: value[:97]),
    "a gate for fewer sets": lambda tensors: {
        **tensors,
        "gate.layer2.weight": tensors["gate.layer2.weight"][:2],
        "gate.layer2.bias": tensors["gate.layer2.bias"][:2],
    },
    "a gate for fewer estimates": _with("gate.layer1.weight", lambda value: value[:, :2]),
    "usual shares for more sets": _with("usual", lambda value: torch.cat([value, value])),
    "usual shares in two dimensions": _with("usual", lambda value: value[:, None]),
    "usual shares that are one number": _with("usual", lambda value: value.sum()),
    "usual shares that do not sum to 1": _with("usual", lambda value: 3 * value),
    "no usual shares": _without("usual"),
    "no spread at one place": _with("source.spread", lambda value: value.index_fill(0, torch.tensor(4), 0.0)),
    "not a number": _with("experts.head.bias", lambda value: value * float("nan")),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_mixtures_are_refused_in_one_line(damage: str, tmp_path: Path) -> None:
    path = _write(tmp_path / "damaged-x2.safetensors", DAMAGES[damage](mixture_tensors()))
    with pytest.raises(ModelError) as raised:
        load_network(path)
    message = str(raised.value)
    assert message.startswith(str(path))
    assert "\n" not in message


# ---- what suits a source


def test_plain_networks_stay_as_they_are() -> None:
    plain = load_network(small_network("Y"), 2)
    assert suited(plain, [_luma(1)]) is plain
    assert with_weights_for(plain, torch.zeros(3)) is plain


def test_adapted_weights_are_the_weighted_sum(network: Network) -> None:
    lumas = [_luma(1), _luma(2)]
    before = {name: value.clone() for name, value in network.module.state_dict().items()}
    made = suited(network, lumas)
    found = statistics_of_shot([255 * luma for luma in lumas])
    shares = _mixture(network).shares(estimates_of(found, _mixture(network).source))
    assert float(shares.sum()) == pytest.approx(1)
    assert _equal(made.module.state_dict(), _summed(mixture_tensors(), shares))
    assert _equal(network.module.state_dict(), before)  # the network that was given stays
    assert not made.module.training
    assert not any(value.requires_grad for value in made.module.parameters())
    assert (made.digest, made.mixture) == (network.digest, network.mixture)


def test_known_compression_replaces_the_estimate(network: Network) -> None:
    """Also when it is none; blur and noise stay as the images tell them."""
    mixture, estimate = _mixture(network), estimated_source(network, [_luma(1)])
    estimates = estimates_of(statistics_of_shot([255 * _luma(1)]), mixture.source)
    states = []
    for codes in (0.0, 12.0):
        source = estimated_source(network, [_luma(1)], codes)
        shares = mixture.shares(compression_known(estimates, codes))
        states.append(suited(network, [_luma(1)], codes).module.state_dict())
        assert _equal(states[-1], _summed(mixture_tensors(), shares))
        assert estimate is not None
        assert source is not None
        assert source.compression_codes == pytest.approx(codes, abs=1e-4)
        assert (source.blur_px, source.noise_codes) == (estimate.blur_px, estimate.noise_codes)
    assert not _equal(*states)


def test_shares_of_many_sources_at_once(network: Network) -> None:
    estimates = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
    shares = _mixture(network).shares(estimates)
    assert torch.allclose(shares, torch.stack([_mixture(network).shares(one) for one in estimates]), atol=1e-6)
    assert torch.allclose(shares.sum(-1), torch.ones(5))


def test_other_sources_get_other_weights(network: Network) -> None:
    noise = suited(network, [_luma(1)])
    flat = suited(network, [torch.full((48, 64), 0.5)])
    assert not _equal(noise.module.state_dict(), flat.module.state_dict())


def test_shares_are_what_one_set_is_for(network: Network) -> None:
    mixture = _mixture(network)
    for number in range(3):
        alone = mixture.weights(torch.nn.functional.one_hot(torch.tensor(number), 3).float())
        assert _equal(alone, lite_weights(number))


@pytest.mark.parametrize("sides", [(1, 1), (LEAST_SIDE_PX - 1, 200), (200, LEAST_SIDE_PX - 1)])
def test_tiny_images_get_the_usual_mixture(network: Network, sides: tuple[int, int]) -> None:
    assert suited(network, [torch.rand(sides)]) is network
    assert estimated_source(network, [torch.rand(sides)]) is None
    assert estimated_source(network, []) is None


def test_tiny_images_among_others_are_left_out(network: Network) -> None:
    alone = suited(network, [_luma(1)])
    beside = suited(network, [torch.rand(8, 8), _luma(1)])
    assert _equal(alone.module.state_dict(), beside.module.state_dict())
    assert suited(network, [_luma(1, LEAST_SIDE_PX, LEAST_SIDE_PX)]) is not network


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(network: Network, dtype: torch.dtype) -> None:
    """Turned to half precision afterwards or before, the adapted network runs in it and gives float32 alike."""
    image = _luma(3)[None, None]
    exact = suited(network, [_luma(1)])
    requested = exact(image)
    after = suited(network, [_luma(1)])
    after.module.to(dtype)
    network.module.to(dtype)
    before = suited(network, [_luma(1)])
    for one in (after, before):
        assert {value.dtype for value in one.module.parameters()} == {dtype}
        assert one(image).dtype == torch.float32
        assert float((one(image) - requested).abs().max()) < (2e-3 if dtype == torch.float16 else 2e-2)


# ---- blends


def test_between_a_mixture_and_plain_weights(network: Network, tmp_path: Path) -> None:
    """Its usual mixture is what is blended; the result is plain."""
    plain = _write(tmp_path / "plain-x2.safetensors", lite_weights(7))
    usual, other = network.module.state_dict(), lite_weights(7)
    for names, share in ((f"{network.source}:{plain}", 0.3), (f"{plain}:{network.source}", 0.7)):
        blend = load_network(f"{names}@{share}")
        assert _equal(blend.module.state_dict(), {name: 0.7 * usual[name] + 0.3 * other[name] for name in usual})
        assert blend.mixture is None
        assert suited(blend, [_luma(1)]) is blend


def test_between_two_mixtures(network: Network, tmp_path: Path) -> None:
    other = load_network(_write(tmp_path / "four-x2.safetensors", mixture_tensors(4)))
    blend = load_network(f"{network.source}:{other.source}@0.5")
    halves = (network.module.state_dict(), other.module.state_dict())
    assert _equal(blend.module.state_dict(), {name: (value + halves[1][name]) / 2 for name, value in halves[0].items()})

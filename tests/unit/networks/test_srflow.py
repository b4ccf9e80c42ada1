"""SRFlow, SRFlow-DA and NCSR: undone exactly, log-determinants against autograd, names as in the authors' code."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from vsr.networks import NETWORKS, load_network
from vsr.networks.base import Shapes
from vsr.networks.flows import Coupling, FlowStep, Split
from vsr.networks.recognition import recognise
from vsr.networks.srflow import SRFlow, Variant

CASES: list[tuple[Variant, int]] = [
    ("srflow", 4),
    ("srflow", 8),
    ("srflow-da", 4),
    ("srflow-da", 8),
    ("ncsr", 4),
    ("ncsr", 8),
]


def _network(variant: Variant, scale: int, steps: int = 2, least_factor: float | None = None) -> SRFlow:
    """A small one whose layers all do something."""
    torch.manual_seed(5)
    network = SRFlow(scale, variant=variant, width=4, growth=2, blocks=4, steps=steps, least_factor=least_factor)
    network.eval().requires_grad_(False)
    for parameter in network.flowUpsamplerNet.parameters():
        parameter.add_(torch.randn_like(parameter), alpha=0.02)
    return network.double()


def _given(network: SRFlow, height: int, width: int) -> tuple[Tensor, Tensor]:
    small = torch.rand(2, 3, height, width, dtype=torch.float64)
    return small, torch.randn(2, network.noise_channels, height, width, dtype=torch.float64)


@pytest.mark.parametrize(("variant", "scale"), CASES)
def test_it_is_undone(variant: Variant, scale: int) -> None:
    network = _network(variant, scale)
    small, noise = _given(network, 4, 6)
    made = network(torch.cat([small, noise], 1))
    found, log_determinant = network.encode(made, small)
    assert log_determinant.shape == (2,)
    torch.testing.assert_close(found, noise, rtol=0, atol=1e-6)
    image = torch.rand(2, 3, 4 * scale, 6 * scale, dtype=torch.float64)
    found, _ = network.encode(image, small)
    torch.testing.assert_close(network(torch.cat([small, found], 1)), image, rtol=0, atol=1e-6)
    assert float((made - network(torch.cat([small, 0 * noise], 1))).std()) > 0.01, "noise decides"
    assert float((made - network(torch.cat([1 - small, noise], 1))).std()) > 1e-4, "and the small image"


@pytest.mark.parametrize(("variant", "scale"), [("srflow", 4), ("srflow-da", 4), ("srflow-da", 8), ("ncsr", 4)])
def test_log_determinant_is_that_of_the_jacobian(variant: Variant, scale: int) -> None:
    network = _network(variant, scale)
    side = network.multiple
    small = torch.rand(1, 3, side, side, dtype=torch.float64)
    image = torch.rand(1, 3, side * scale, side * scale, dtype=torch.float64)
    _, log_determinant = network.encode(image, small)
    jacobian = torch.autograd.functional.jacobian(lambda large: network.encode(large, small)[0].flatten(), image)
    expected = torch.linalg.slogdet(jacobian.reshape(image.numel(), image.numel()))[1]
    torch.testing.assert_close(log_determinant, expected[None], rtol=1e-9, atol=1e-9)


def _loud(subnet: nn.Sequential) -> Tensor:
    first = subnet[0]
    assert isinstance(first, nn.Conv2d)
    return 50 * torch.randn(1, first.in_channels, 3, 3, dtype=torch.float64)


def test_bounded_factors(tmp_path: Path) -> None:
    """Within the bound and 1, undone exactly, and the bound comes back from a file."""
    network = _network("srflow-da", 4, least_factor=0.5)
    small, noise = _given(network, 4, 6)
    seen: list[Tensor] = []
    couplings = [layer.affine for layer in network.flowUpsamplerNet.layers if isinstance(layer, FlowStep)]
    for coupling in (one for one in couplings if one is not None):
        coupling.fAffine[-1].logs.fill_(1.0)  # type: ignore[union-attr, operator]  # what the subnet says is large
        _, factor = coupling._shift_and_factor(coupling.fAffine, _loud(coupling.fAffine))
        seen.append(factor)
    assert min(float(factor.min()) for factor in seen) < 0.51
    assert all(float(factor.min()) >= 0.5 and float(factor.max()) <= 1 for factor in seen)
    made = network(torch.cat([small, noise], 1))
    torch.testing.assert_close(network.encode(made, small)[0], noise, rtol=0, atol=1e-6)
    torch.save(network.float().state_dict(), tmp_path / "bounded.pth")
    loaded = load_network(tmp_path / "bounded.pth")
    given = torch.cat([small, noise], 1).float()
    assert torch.equal(loaded.module(given), network(given))


def test_layers_alone() -> None:
    """A step and a split against autograd, without a network around them."""
    torch.manual_seed(1)
    coupling = Coupling(6, 3, "plain", hidden=64, has_noise_layer=True, uses_noise_layer=True)
    step, split = FlowStep(6, coupling).double(), Split(6).double()
    for parameter in [*step.parameters(), *split.parameters()]:
        parameter.data += 0.2 * torch.randn_like(parameter)
    features, state = torch.rand(1, 3, 2, 3).double(), torch.randn(1, 6, 2, 3).double()

    def encode(given: Tensor) -> tuple[Tensor, Tensor]:
        made, of_step = step.encode(given, features)
        passed, noise, of_split = split.encode(made)
        return torch.cat([passed, noise], 1), of_step + of_split

    made, log_determinant = encode(state)
    jacobian = torch.autograd.functional.jacobian(lambda given: encode(given)[0].flatten(), state).reshape(36, 36)
    torch.testing.assert_close(log_determinant, torch.linalg.slogdet(jacobian)[1][None])
    torch.testing.assert_close(step.decode(split.decode(made[:, :3], made[:, 3:]), features), state)


def test_noise_at_the_end_of_a_batch_changes_nothing_else() -> None:
    network = _network("srflow", 4)
    small, noise = _given(network, 4, 4)
    other = noise.clone()
    other[1] = 0
    made, changed = network(torch.cat([small, noise], 1)), network(torch.cat([small, other], 1))
    torch.testing.assert_close(made[0], changed[0])
    assert not torch.allclose(made[1], changed[1])


def test_flow_stays_in_float32() -> None:
    network = _network("srflow", 4).float().half()
    assert network.RRDB.conv_first.weight.dtype == torch.float16
    assert {parameter.dtype for parameter in network.flowUpsamplerNet.parameters()} == {torch.float32}


def _shapes(name: str, scale: int) -> Shapes:
    with torch.device("meta"):
        state = NETWORKS[name].build(scale).state_dict()
    return {key: tuple(value.shape) for key, value in state.items()}


@pytest.mark.parametrize("variant", ["srflow", "srflow-da", "ncsr"])
def test_narrow_ones_are_recognised(variant: Variant) -> None:
    """Widths of the encoder and of the subnets follow from the shapes."""
    with torch.device("meta"):
        state = SRFlow(4, variant=variant, width=12, growth=6, blocks=4, steps=2, hidden=24).state_dict()
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    found = recognise(shapes, NETWORKS)
    assert found is not None
    with torch.device("meta"):
        built = found[1].build(4).state_dict()
    assert found[1].name == variant
    assert {key: tuple(value.shape) for key, value in built.items()} == shapes


def test_names_of_the_authors() -> None:
    """By hand from their code: layers are numbered through, squeezing included."""
    layers = "flowUpsamplerNet.layers."
    srflow = {
        "RRDB.RRDB_trunk.22.RDB3.conv5.weight": (64, 192, 3, 3),
        "RRDB.HRconv.bias": (64,),
        f"{layers}1.actnorm.logs": (1, 12, 1, 1),
        f"{layers}2.invconv.weight": (12, 12),
        f"{layers}3.affine.fAffine.0.weight": (64, 326, 3, 3),
        f"{layers}3.affine.fAffine.0.actnorm.bias": (1, 64, 1, 1),
        f"{layers}3.affine.fAffine.2.weight": (64, 64, 1, 1),
        f"{layers}18.affine.fFeatures.4.logs": (24, 1, 1),
        f"{layers}19.conv.weight": (12, 6, 3, 3),
        f"{layers}57.affine.fAffine.0.weight": (64, 368, 3, 3),
        "flowUpsamplerNet.f.0.weight": (96, 320, 3, 3),
    }
    assert srflow.items() <= _shapes("srflow", 4).items()
    deep = {
        f"{layers}3.affine.fAffine.8.bias": (64,),
        f"{layers}9.conv.logs": (12, 1, 1),
        f"{layers}18.affine.fFeatures.10.weight": (48, 64, 3, 3),
    }
    assert deep.items() <= _shapes("srflow-da", 4).items()
    assert _shapes("ncsr", 4)[f"{layers}3.affine.fAffine_std.0.weight"] == (64, 9, 3, 3)
    assert not any("fAffine_std" in name for name in _shapes("srflow", 8))

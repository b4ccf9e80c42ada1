"""Half precision is taken where the hardware is fast at it and the result hardly differs; nothing is timed."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from small_networks import small_network
from torch import Tensor, nn

from vsr.errors import MachineError, ModelError
from vsr.inference import hardware, precision
from vsr.inference.backends.torch import cast_module
from vsr.inference.hardware import HalfType, device_class, fast_half_types, refuse_excess
from vsr.inference.precision import LEAST_DB, choose_precision
from vsr.inference.probe import measure_load, probe_image, run_probe
from vsr.networks import Network, load_network

CPU = torch.device("cpu")


def _has(monkeypatch: pytest.MonkeyPatch, *types: HalfType) -> None:
    monkeypatch.setattr(precision, "fast_half_types", lambda device: types)
    monkeypatch.setattr(precision, "is_slow_here", lambda name, device: False)


def _gentle() -> Network:
    return load_network(small_network("RGB"))


def _strong() -> Network:
    return load_network(small_network("RGB", strength=1.0))


def test_the_more_exact_type_first(monkeypatch: pytest.MonkeyPatch) -> None:
    _has(monkeypatch, "float16", "bfloat16")
    found = choose_precision(_gentle(), "auto", CPU)
    assert found.name == "float16"
    assert found.psnr_db is not None
    assert found.psnr_db >= LEAST_DB


def test_what_differs_too_much_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    _has(monkeypatch, "bfloat16")
    assert choose_precision(_strong(), "auto", CPU).name == "float32"
    _has(monkeypatch, "float16", "bfloat16")
    assert choose_precision(_strong(), "auto", CPU).name == "float16"
    assert choose_precision(_gentle(), "auto", CPU).name == "float16"


def test_what_a_network_remembers_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory in -1…1 is off by more than pixels, and is no result."""
    _has(monkeypatch, "bfloat16")
    found = choose_precision(load_network("video", 2), "auto", CPU)
    assert found.name == "bfloat16"


def test_hardware_that_is_not_fast_at_it_keeps_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    _has(monkeypatch)
    assert choose_precision(_gentle(), "auto", CPU).name == "float32"


def test_overflow_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values beyond float16's 65,504 inside, though weights and result are ordinary."""
    network = _gentle()
    with torch.no_grad():
        for name, parameter in network.module.named_parameters():
            if "body.0." in name:
                parameter.mul_(1e6)
            if name.endswith("body.6.weight"):
                parameter.mul_(1e-6)
    _has(monkeypatch, "float16", "bfloat16")
    assert choose_precision(network, "auto", CPU).name == "bfloat16"
    with pytest.raises(ModelError, match="not finite in float16; use precision=float32"):
        choose_precision(network, "float16", CPU)


def test_a_requested_precision_is_taken_and_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    _has(monkeypatch)
    found = choose_precision(_strong(), "bfloat16", CPU)
    assert found.name == "bfloat16"
    assert found.psnr_db is not None
    assert found.psnr_db < LEAST_DB
    assert (found.itemsize, choose_precision(_strong(), "float32", CPU).itemsize) == (2, 4)


def test_the_choice_is_the_same_every_time() -> None:
    assert len({choose_precision(_gentle(), "auto", CPU) for _ in range(3)}) == 1


def test_the_first_convolution_stays_exact_in_bfloat16() -> None:
    """Of the image itself 8 bits are not enough."""
    network = _strong()
    reference = run_probe(network, network.module, CPU)
    rough = run_probe(network, network.module.to(torch.bfloat16), CPU)
    network = _strong()
    better = run_probe(network, cast_module(network, "bfloat16", CPU), CPU)
    assert float((better - reference).square().mean()) < 0.7 * float((rough - reference).square().mean())


def test_the_network_itself_is_left_alone() -> None:
    network = _strong()
    before = {name: value.clone() for name, value in network.module.state_dict().items()}
    cast_module(network, "bfloat16", CPU)
    choose_precision(network, "bfloat16", CPU)
    measure_load(network)
    for name, value in network.module.state_dict().items():
        assert torch.equal(value, before[name])
    assert not any(part._forward_hooks for part in network.module.modules())


def test_weights_that_give_no_numbers_are_refused() -> None:
    network = _gentle()
    with torch.no_grad():
        next(network.module.parameters()).fill_(3e38)
    with pytest.raises(ModelError, match="not finite for an ordinary image"):
        choose_precision(network, "auto", CPU)


class _Wrong(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images


class _Failing(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images @ torch.ones(3, 3)


def test_a_network_of_another_scale_than_it_says_is_refused() -> None:
    with pytest.raises(ModelError, match=r"gives \(1, 3, 48, 48\) .* expected \(1, 3, 96, 96\)"):
        choose_precision(Network("wrong", _Wrong(), 2, "RGB", 1), "auto", CPU)


def test_a_network_that_fails_is_reported_in_a_line() -> None:
    with pytest.raises(ModelError, match="fails on a 48x48 image") as raised:
        choose_precision(Network("failing", _Failing(), 1, "RGB", 1), "auto", CPU)
    assert "\n" not in str(raised.value)


def test_the_probe_fits_networks_that_want_multiples() -> None:
    network = replace(_gentle(), multiple=40, min_size=60)
    assert run_probe(network, network.module, CPU).shape == (1, 3, 160, 160)


def test_the_probe_is_an_image() -> None:
    image = probe_image(3)
    assert image.shape == (1, 3, 48, 48)
    assert 0 < float(image.min()) < 0.1
    assert 0.9 < float(image.max()) < 1
    assert torch.equal(image, probe_image(3))


def test_load_is_counted_from_the_widest_layer() -> None:
    """8 features at the input's size, or 12 numbers a pixel before and 3 × 2² after the shuffle."""
    load = measure_load(_gentle())
    assert load.layer == 24  # 12 numbers a pixel into the shuffle and 12 out of it
    assert load.tensor == 12


def test_the_class_of_a_processor_tells_what_chooses_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    def class_with(*names: str) -> str:
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: dict.fromkeys(names, True))
        return device_class("cpu")

    classes = {class_with(), class_with("avx512_bf16"), class_with("avx512_bf16", "amx_bf16")}
    assert len(classes) == 3
    assert class_with("something_new") == class_with()


@pytest.mark.parametrize(
    ("names", "types"),
    [
        ((), ()),
        (("avx512_bf16",), ("bfloat16",)),
        (("amx_bf16", "avx512_bf16", "avx512_fp16"), ("float16", "bfloat16")),
        (("amx_fp16", "amx_bf16"), ("float16", "bfloat16")),
    ],
)
def test_types_of_processors(monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], types: tuple[str, ...]) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: dict.fromkeys(names, True))
    assert fast_half_types(CPU) == types


@pytest.mark.parametrize(
    ("version", "types"), [((6, 1), ()), ((7, 5), ("float16",)), ((9, 0), ("float16", "bfloat16"))]
)
def test_types_of_gpus(monkeypatch: pytest.MonkeyPatch, version: tuple[int, int], types: tuple[str, ...]) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: version)
    assert fast_half_types(torch.device("cuda:0")) == types


def test_more_memory_than_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "memory_bytes", lambda device: 2 << 30)
    refuse_excess(1 << 30, CPU, "a tile")
    with pytest.raises(MachineError, match=r"a tile needs about 3.0 GiB of memory, this cpu has 2.0 GiB; .*tile_px"):
        refuse_excess(3 << 30, CPU, "a tile")

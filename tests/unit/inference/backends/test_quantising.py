"""Which convolutions go to 8 bits, and by which codes, judged from the ONNX file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from vsr.inference.backends.quantising import calibration_inputs, prepare_module, quantise
from vsr.networks import load_network
from vsr.networks.export import export_onnx
from vsr.networks.lite import Lite

onnx = pytest.importorskip("onnx", reason="needs vsr[onnx]")
pytest.importorskip("onnxscript", reason="needs vsr[onnx]")


def _measure(graph: bytes, names: Sequence[str], inputs: Iterable[Tensor]) -> dict[str, tuple[float, float]]:
    return dict.fromkeys(names, (-0.4, 1.6))


def test_the_first_and_the_last_convolution_stay_and_codes_are_as_the_standard_has_them() -> None:
    network = load_network("lite", 2)
    network = replace(network, module=prepare_module(network))
    model = onnx.load_from_string(quantise(export_onnx(network, (24, 24)).with_weights({}), [], _measure))
    values = {each.name: onnx.numpy_helper.to_array(each) for each in model.graph.initializer}
    makers = {name: node for node in model.graph.node for name in node.output}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    state = network.module.state_dict()
    plain = [node.input[1] for node in convolutions if node.input[1] in values]
    assert plain == ["lite.head.weight", "lite.tail.weight"]
    for node in convolutions:
        if node.input[1] in plain:
            continue
        given, weight = makers[node.input[0]], makers[node.input[1]]
        for features in [makers[name] for name in given.input] if given.op_type == "Concat" else [given]:
            assert features.op_type == "DequantizeLinear"
            scale, zero = (values[name] for name in features.input[1:])
            assert scale == pytest.approx(1.25 * 2.0 / 255)
            assert zero == round(0.5 / scale)
        assert weight.op_type == "DequantizeLinear"
        codes, scales = (values[name] for name in weight.input[:2])
        assert codes.dtype == np.int8
        assert np.abs(codes.reshape(len(codes), -1).astype(int)).max(1).tolist() == [127] * len(codes)
        original = state[node.input[1].removesuffix(".rounded").rpartition(".")[0]].numpy()
        steps = scales[:, None, None, None]
        assert (np.abs(codes * steps - original) <= 0.5001 * steps).all()


def test_lite_side_by_side_computes_the_same_with_channels_of_one_range() -> None:
    network = load_network("lite", 2)
    prepared, images = prepare_module(network), torch.cat(calibration_inputs(network))
    with torch.no_grad():
        torch.testing.assert_close(prepared(images), network.module(images), rtol=0, atol=1e-4)

    def spread(lite: Lite) -> float:
        """How much further the farthest-reaching layer reaches than the least."""
        reached, features = [], images
        with torch.no_grad():
            for layer in (lite.head, *lite.body):
                features = torch.nn.functional.leaky_relu(layer(features), 0.1)
                reached.append(float(features.abs().max()))
        return max(reached) / min(reached)

    assert isinstance(network.module, Lite)
    assert spread(prepared.lite) < 1.01 < spread(network.module)  # type: ignore[arg-type]

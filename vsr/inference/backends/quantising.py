"""Convolutions in 8 bits, after training: ranges of features are measured on fixed images, weights rounded.

Values are as ONNX's QuantizeLinear has them: features 0…255 with a zero point, one scale a tensor; weights −127…127,
one scale an output channel. The first convolution and the last stay as they are: of the image itself 8 bits are not
enough, and what the last gives is the image. (Jacob et al., CVPR 2018; Krishnamoorthi, arXiv:1806.08342.)
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vsr.inference.probe import make_input
from vsr.networks import Network

__all__ = ["Measure", "calibration_inputs", "prepare_module", "quantise"]

Values = NDArray[Any]
Measure = Callable[[bytes, Sequence[str], Iterable[Tensor]], Mapping[str, tuple[float, float]]]
"""From an ONNX file, names of its tensors, and inputs: the least and the largest value of each tensor over them."""

_NUM_IMAGES, _SIDE, _FIRST_SEED = 12, 96, 20
_MARGIN = 1.25  # of ranges, for images with more contrast; costs 0.001 dB of others
_LEAST_SCALE = 1e-8


def calibration_inputs(network: Network) -> list[Tensor]:
    """Fixed inputs ``(1, C, h, w)`` on which ranges are measured."""
    side = -(-max(_SIDE, network.min_size) // network.multiple) * network.multiple
    return [make_input(network, side, seed=_FIRST_SEED + number) for number in range(_NUM_IMAGES)]


def prepare_module(network: Network) -> nn.Module:
    """The network's module, or one that computes the same and loses less by 8 bits, where it knows one."""
    prepare = getattr(network.module, "quantisable", None)
    if prepare is None:
        return network.module
    with torch.no_grad():
        prepared: nn.Module = prepare(torch.cat(calibration_inputs(network)))
    return prepared


def quantise(graph: bytes, inputs: Iterable[Tensor], measure: Measure) -> bytes:
    """The ONNX file ``graph`` with its inner convolutions in 8 bits."""
    import onnx

    model = onnx.load_from_string(graph)
    weights = {each.name: onnx.numpy_helper.to_array(each) for each in model.graph.initializer}
    inner = _inner_convolutions(model.graph, weights)
    joined = _join(model.graph, {str(node.input[0]) for node in inner.values()})
    alone = {str(node.input[0]) for node in inner.values()} - joined.keys()
    ranges = dict(measure(graph, sorted(alone.union(*joined.values())), inputs))
    for names in joined.values():
        ranges |= dict.fromkeys(names, (min(ranges[name][0] for name in names), max(ranges[name][1] for name in names)))
    nodes: list[Any] = []
    rounded: dict[str, str] = {}
    for number, node in enumerate(model.graph.node):
        takes = 1 if number in inner else len(node.input) if node.output[0] in joined else 0
        for place, name in enumerate(node.input[:takes]):
            if name in ranges and name not in rounded:
                nodes += _round_features(model.graph, name, *ranges[name])
                rounded[name] = nodes[-1].output[0]
            node.input[place] = rounded.get(name, name)
        if number in inner:
            nodes.append(_store_weights(model.graph, f"{node.input[1]}.{number}", weights[node.input[1]]))
            node.input[1] = nodes[-1].output[0]
        nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _join(graph: Any, names: Collection[str]) -> dict[str, list[str]]:
    """Those of ``names`` that are put together of other tensors, with these: they are rounded, by one scale."""
    return {
        node.output[0]: list(node.input) for node in graph.node if node.op_type == "Concat" and node.output[0] in names
    }


def _inner_convolutions(graph: Any, weights: Mapping[str, Values]) -> dict[int, Any]:
    """Convolutions by constant weights with another convolution before and one behind them, by number of the node."""
    before = _reach(graph.node)
    behind = _reach(list(reversed(graph.node)), backwards=True)
    return {
        number: node
        for number, node in enumerate(graph.node)
        if node.op_type == "Conv" and node.input[1] in weights and node.input[0] in before and node.output[0] in behind
    }


def _reach(nodes: Sequence[Any], *, backwards: bool = False) -> set[str]:
    """Tensors that a convolution leads to; ``backwards``: those that lead to one."""
    reached: set[str] = set()
    for node in nodes:
        sources, targets = (node.output, node.input) if backwards else (node.input, node.output)
        if node.op_type == "Conv" or any(name in reached for name in sources):
            reached.update(targets)
    return reached


def _round_features(graph: Any, name: str, least: float, largest: float) -> list[Any]:
    """Nodes that round the tensor ``name`` to 8 bits and make numbers of it again.

    0 is exact, as borders are filled with it.
    """
    from onnx import helper, numpy_helper

    least, largest = _MARGIN * min(least, 0.0), _MARGIN * max(largest, 0.0)
    scale = max(largest - least, _LEAST_SCALE) / 255
    constants = {f"{name}.scale": np.float32(scale), f"{name}.zero": np.uint8(round(-least / scale))}
    graph.initializer.extend(numpy_helper.from_array(np.asarray(value), key) for key, value in constants.items())
    return [
        helper.make_node("QuantizeLinear", [name, *constants], [f"{name}.codes"]),
        helper.make_node("DequantizeLinear", [f"{name}.codes", *constants], [f"{name}.rounded"]),
    ]


def _store_weights(graph: Any, name: str, weight: Values) -> Any:
    """The node that makes numbers of weights, ``(C', C, kh, kw)``, which are stored in 8 bits as ``name``."""
    from onnx import helper, numpy_helper

    scales = np.maximum(np.abs(weight).reshape(len(weight), -1).max(1), _LEAST_SCALE) / 127
    constants = {
        f"{name}.codes": np.rint(weight / scales[:, None, None, None]).astype(np.int8),
        f"{name}.scales": scales.astype(np.float32),
        f"{name}.zeros": np.zeros(len(scales), np.int8),
    }
    graph.initializer.extend(numpy_helper.from_array(value, key) for key, value in constants.items())
    return helper.make_node("DequantizeLinear", list(constants), [f"{name}.rounded"], axis=0)

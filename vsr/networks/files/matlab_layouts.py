"""Which network a MATLAB file holds, and its weights under the names of our modules.

MATLAB keeps filters as rows × columns × inputs × outputs (MatConvNet), or flattened column by column (SRCNN); torch
wants outputs × inputs × rows × columns, for transposed convolutions inputs × outputs × rows × columns. Both compute
correlations, so nothing is turned around. Dictionaries of the example-based methods keep a patch as a column, its
pixels column by column; ours are ``(rows, columns)``. Files of A+ hold maps alone: the anchors are those of the
``conf_Zeyde_*.mat`` that they were made with, which is looked for beside them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vsr.errors import ModelError
from vsr.networks.files.matlab import MatCell, MatStruct, MatValue, read_matlab

__all__ = ["weights_from_matlab"]

_HELD = "SRCNN, VDSR, LapSRN or MS-LapSRN, or dictionaries of ANR, A+ or sparse coding"
_Array = np.ndarray[Any, np.dtype[Any]]
_FILTERS = 4  # features of a patch, in dictionaries


def _array(value: MatValue) -> _Array:
    if not isinstance(value, np.ndarray):
        raise KeyError("an array of numbers")
    return value


def _filters(value: MatValue) -> Tensor:
    """Rows × columns × a × b → b × a × rows × columns. Trailing sizes of 1 are not kept by MATLAB."""
    array = _array(value)
    array = array.reshape(array.shape + (1,) * (4 - array.ndim))
    return torch.from_numpy(np.ascontiguousarray(array.transpose(3, 2, 0, 1), dtype=np.float32))


def _bias(value: MatValue) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(_array(value).ravel(order="F"), dtype=np.float32))


def _square(values: _Array, *, outputs: int, inputs: int) -> Tensor:
    """``(size², inputs, outputs)``, each filter column by column → ``(outputs, inputs, size, size)``."""
    size = round(values.shape[0] ** 0.5)
    filters = values.reshape(size, size, inputs, outputs, order="F")
    return _filters(filters)


def _srcnn(variables: Mapping[str, MatValue]) -> dict[str, Tensor]:
    first, second, third = (_array(variables[f"weights_conv{layer}"]) for layer in (1, 2, 3))
    second = second.reshape(second.shape + (1,) * (3 - second.ndim))
    wide, narrow = first.shape[1], second.shape[2]
    weights = {
        "conv1.weight": _square(first, outputs=wide, inputs=1),
        "conv2.weight": _square(second.transpose(1, 0, 2), outputs=narrow, inputs=wide),
        "conv3.weight": _square(third.T.reshape(-1, narrow, 1), outputs=1, inputs=narrow),
    }
    return weights | {f"conv{layer}.bias": _bias(variables[f"biases_conv{layer}"]) for layer in (1, 2, 3)}


def _vdsr(variables: Mapping[str, MatValue]) -> dict[str, Tensor]:
    model = variables["model"]
    if not isinstance(model, MatStruct):
        raise KeyError("model")
    weights, biases = model.records[0]["weight"], model.records[0]["bias"]
    if not isinstance(weights, MatCell) or not isinstance(biases, MatCell):
        raise KeyError("model.weight")
    depth = len(weights.values)
    names = ["input", *(f"residual_layer.{index}.conv" for index in range(depth - 2)), "output"]
    tensors: dict[str, Tensor] = {}
    for name, weight, bias in zip(names, weights.values, biases.values, strict=True):
        tensors |= {f"{name}.weight": _filters(weight), f"{name}.bias": _bias(bias)}
    return tensors


def _records(variables: Mapping[str, MatValue], what: str) -> tuple[dict[str, MatValue], ...]:
    """``net.params`` or ``net.layers`` of a MatConvNet file."""
    net = variables["net"]
    field = net.records[0][what] if isinstance(net, MatStruct) else None
    if not isinstance(field, MatStruct):
        raise KeyError(f"net.{what}")
    return field.records


def _net_params(variables: Mapping[str, MatValue]) -> dict[str, MatValue]:
    return {str(record["name"]): record["value"] for record in _records(variables, "params")}


def _pair(params: Mapping[str, MatValue], theirs: str, ours: str) -> dict[str, Tensor]:
    return {f"{ours}.weight": _filters(params[f"{theirs}_f"]), f"{ours}.bias": _bias(params[f"{theirs}_b"])}


def _lapsrn(variables: Mapping[str, MatValue]) -> dict[str, Tensor]:
    """The authors count levels down: the first step has the highest number."""
    params = _net_params(variables)
    levels = sum(name.endswith("_img_up_f") for name in params)
    if levels == 0:
        raise KeyError("level1_img_up_f")
    tensors = _pair(params, "input_conv", "conv_input")
    for level in range(1, levels + 1):
        theirs = f"level{levels + 1 - level}"
        depth = sum(re.fullmatch(rf"{theirs}_conv\d+_f", name) is not None for name in params)
        block = f"convt_F{level}.0.cov_block"
        for index in range(depth):
            tensors |= _pair(params, f"{theirs}_conv{index + 1}", f"{block}.{2 * index}")
        tensors |= _pair(params, f"{theirs}_upconv", f"{block}.{2 * depth}")
        tensors |= _pair(params, f"{theirs}_residual_conv", f"convt_R{level}")
        tensors[f"convt_I{level}.weight"] = _filters(params[f"{theirs}_img_up_f"])
    return tensors


def _ms_lapsrn(variables: Mapping[str, MatValue]) -> dict[str, Tensor]:
    params = _net_params(variables)
    depth = sum(re.fullmatch(r"conv\d+_f", name) is not None for name in params)
    found = (
        re.fullmatch(r"x\d+SR_level1_R(\d+)_conv1", str(record["name"])) for record in _records(variables, "layers")
    )
    recursions = max((int(match[1]) for match in found if match), default=0)
    if depth == 0 or recursions == 0:
        raise KeyError("conv1_f")
    tensors = _pair(params, "input_conv", "input_conv") | _pair(params, "residual_conv", "residual_conv")
    for index in range(depth):
        tensors |= _pair(params, f"conv{index + 1}", f"conv.{index}")
    tensors |= _pair(params, "upconv", "upconv")
    tensors |= {"img_up.weight": _filters(params["img_up_f"]), "recursions": torch.tensor(recursions)}
    return tensors


def weights_from_matlab(path: Path, variables: Mapping[str, MatValue]) -> dict[str, Tensor]:
    """Weights of one of `_HELD` in float32, named as in our modules; `ModelError` if it is none."""
    if "Aplus_PPs" in variables:
        return _aplus(path, variables)
    for layout in (_srcnn, _vdsr, _ms_lapsrn, _lapsrn, _zeyde, _sparse_dictionary):
        try:
            return layout(variables)
        except (KeyError, IndexError, ValueError):
            continue
    held = ", ".join(repr(name) for name in list(variables)[:6]) or "nothing"
    raise ModelError(f"{path}: a MATLAB file with {held}; expected the weights of {_HELD}")


def _tensor(array: _Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))


def _upright(patches: _Array, maps: int = 1) -> _Array:
    """``(maps·side², K)``, each patch column by column → ``(K, maps, side, side)``."""
    side = round((patches.shape[0] / maps) ** 0.5)
    return patches.T.reshape(-1, maps, side, side).swapaxes(2, 3)


def _zeyde(variables: Mapping[str, MatValue]) -> dict[str, Tensor]:
    """``conf`` of Zeyde's and Timofte's programs, as ANR's tensors. KeyError or ValueError if it is something else."""
    conf = variables["conf"]
    if not isinstance(conf, MatStruct):
        raise KeyError("conf")
    record = conf.records[0]
    details = _upright(_array(record["dict_hires"]))
    return {
        "components": _tensor(_upright(_array(record["V_pca"]), _FILTERS)),
        "anchors": _tensor(_array(record["dict_lores"]).T),
        "details": _tensor(details.reshape(len(details), -1)),
    }


def _aplus(path: Path, variables: Mapping[str, MatValue]) -> dict[str, Tensor]:
    """``Aplus_PPs`` with the dictionary beside it. Raises `ModelError` where there is none that fits."""
    cells = variables["Aplus_PPs"]
    if not isinstance(cells, MatCell):
        raise KeyError("Aplus_PPs")
    maps = np.stack([_array(value) for value in cells.values])  # (K, side², d)
    count, size, dimension = maps.shape
    maps = maps.transpose(2, 0, 1).reshape(dimension * count, size).T  # patches as columns
    regressors = _upright(maps).reshape(dimension, count, size).transpose(1, 2, 0)
    for other in sorted(path.parent.glob("conf_Zeyde_*.mat")):
        found = _zeyde(read_matlab(other))
        if found["anchors"].shape == (count, dimension) and found["details"].shape[1] == size:
            return {name: found[name] for name in ("components", "anchors")} | {"regressors": _tensor(regressors)}
    side = round(size**0.5)
    raise ModelError(
        f"{path}: maps of A+ alone; put the dictionary that they were made with beside them "
        f"(conf_Zeyde_{count}_finalx{side // 3}.mat)"
    )


def _sparse_dictionary(variables: Mapping[str, MatValue]) -> dict[str, Tensor]:
    """``Dh`` and ``Dl`` of Yang's program. KeyError or ValueError if it is something else."""
    low, high = _upright(_array(variables["Dl"]), _FILTERS), _upright(_array(variables["Dh"]))
    return {"atoms": _tensor(low), "details": _tensor(high[:, 0])}

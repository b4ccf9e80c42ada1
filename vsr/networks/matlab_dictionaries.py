"""Dictionaries of the example-based methods in the authors' MATLAB files.

They keep a patch as a column, its pixels column by column; ours are ``(rows, columns)``. Files of A+ hold maps alone:
the anchors are those of the ``conf_Zeyde_*.mat`` that they were made with, which is looked for beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vsr.errors import ModelError
from vsr.networks.matlab_files import MatCell, MatStruct, MatValue, read_matlab

__all__ = ["aplus_from_matlab", "sparse_dictionary_from_matlab", "zeyde_from_matlab"]

_Array = np.ndarray[Any, np.dtype[Any]]
_FILTERS = 4


def _array(value: MatValue) -> _Array:
    if not isinstance(value, np.ndarray):
        raise KeyError("an array of numbers")
    return value


def _tensor(array: _Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))


def _upright(patches: _Array, maps: int = 1) -> _Array:
    """``(maps·side², K)``, each patch column by column → ``(K, maps, side, side)``."""
    side = round((patches.shape[0] / maps) ** 0.5)
    return patches.T.reshape(-1, maps, side, side).swapaxes(2, 3)


def zeyde_from_matlab(variables: Mapping[str, MatValue]) -> dict[str, Tensor]:
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


def aplus_from_matlab(path: Path, variables: Mapping[str, MatValue]) -> dict[str, Tensor]:
    """``Aplus_PPs`` with the dictionary beside it. Raises `ModelError` where there is none that fits."""
    cells = variables["Aplus_PPs"]
    if not isinstance(cells, MatCell):
        raise KeyError("Aplus_PPs")
    maps = np.stack([_array(value) for value in cells.values])  # (K, side², d)
    count, size, dimension = maps.shape
    maps = maps.transpose(2, 0, 1).reshape(dimension * count, size).T  # patches as columns
    regressors = _upright(maps).reshape(dimension, count, size).transpose(1, 2, 0)
    for other in sorted(path.parent.glob("conf_Zeyde_*.mat")):
        found = zeyde_from_matlab(read_matlab(other))
        if found["anchors"].shape == (count, dimension) and found["details"].shape[1] == size:
            return {name: found[name] for name in ("components", "anchors")} | {"regressors": _tensor(regressors)}
    side = round(size**0.5)
    raise ModelError(
        f"{path}: maps of A+ alone; put the dictionary that they were made with beside them "
        f"(conf_Zeyde_{count}_finalx{side // 3}.mat)"
    )


def sparse_dictionary_from_matlab(variables: Mapping[str, MatValue]) -> dict[str, Tensor]:
    """``Dh`` and ``Dl`` of Yang's program. KeyError or ValueError if it is something else."""
    low, high = _upright(_array(variables["Dl"]), _FILTERS), _upright(_array(variables["Dh"]))
    return {"atoms": _tensor(low), "details": _tensor(high[:, 0])}

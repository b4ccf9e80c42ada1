"""Networks written as ONNX files, for other programs, and checked against torch."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

import torch

from vsr.errors import MachineError, ModelError, UsageError
from vsr.inference.backends.onnxruntime import open_session
from vsr.networks import Colour, Network, load_network
from vsr.networks.export import INPUT, OPSET, OUTPUT, export_onnx, require_onnx

__all__ = ["OnnxFacts", "write_onnx"]

_CLOSE = 1e-4  # of 1
_EXAMPLE_YX = (48, 40)
_OTHER_YX = (36, 52)


@dataclass(frozen=True)
class OnnxFacts:
    """What a file holds."""

    path: Path
    network: str
    """The architecture."""
    scale: int
    colour: Colour
    digest: str
    """Of the weights."""
    opset: int
    input: str
    """Its name and shape; values are 0…1, float32."""
    output: str
    largest_difference: float
    """From torch's result, of 1, on noise."""


def write_onnx(
    name_or_path: str | Path,
    output: Path,
    *,
    scale: int | None = None,
    size_yx: tuple[int, int] | None = None,
    overwrite: bool = False,
) -> OnnxFacts:
    """Write weights by name, path or blend as an ``.onnx`` file, whole or not at all.

    ``size_yx`` fixes the size of images; without it sides are free, `UsageError` where the network cannot have that.
    Raises `ModelError` where the network cannot be written so, or ONNX Runtime differs from torch by 1e-4.
    """
    require_onnx("an .onnx file", "onnx", ("onnxruntime",))
    if output.exists() and not overwrite:
        raise UsageError(f"{output}: is there already; choose another name, or --force to write over it")
    network = load_network(name_or_path, scale)
    if network.family == "sequence":
        raise UsageError(f"{name_or_path}: is given whole sequences of any length, which ONNX has no words for")
    _check_size(network, size_yx)
    exported = export_onnx(network, size_yx or _fit(network, _EXAMPLE_YX), may_be_free=size_yx is None)
    if size_yx is None and exported.size_yx is not None:
        raise UsageError(f"{name_or_path}: can be written for one size of images alone; give it: --size 640x360")
    graph = exported.with_notes(_notes(network))
    tried = [size_yx] if size_yx else [_fit(network, _EXAMPLE_YX), _fit(network, _OTHER_YX)]
    difference = max(_difference(network, graph, size) for size in tried)
    if difference > _CLOSE:
        raise ModelError(f"{name_or_path}: as ONNX it differs from torch by {difference:.2g}; not written")
    _write(output, graph)
    factor, sides = network.module_scale, [str(side) for side in reversed(size_yx)] if size_yx else ["W", "H"]
    return OnnxFacts(
        path=output,
        network=network.name,
        scale=network.scale,
        colour=network.colour,
        digest=network.digest,
        opset=OPSET,
        input=f"{INPUT} 1x{network.in_channels}x{sides[1]}x{sides[0]}",
        output=f"{OUTPUT} 1x{network.out_channels}, sides x{factor}",
        largest_difference=difference,
    )


def _check_size(network: Network, size_yx: tuple[int, int] | None) -> None:
    for side in size_yx or ():
        if side < network.min_size or side % network.multiple:
            allowed = f"multiples of {network.multiple} from {network.min_size} on"
            raise UsageError(f"{network.source}: sides must be {allowed}, got {side}")


def _fit(network: Network, size_yx: tuple[int, int]) -> tuple[int, int]:
    height, width = (-(-max(side, network.min_size) // network.multiple) * network.multiple for side in size_yx)
    return height, width


def _notes(network: Network) -> dict[str, str]:
    return {
        "vsr.architecture": network.name,
        "vsr.scale": str(network.scale),
        "vsr.colour": network.colour,
        "vsr.digest": network.digest,
        "vsr.generative": "true" if network.is_generative else "false",
    }


def _difference(network: Network, graph: bytes, size_yx: tuple[int, int]) -> float:
    given = torch.rand(1, network.in_channels, *size_yx, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        expected = network.module(given)
    return float((open_session(graph)(given) - expected).abs().max())


def _write(output: Path, graph: bytes) -> None:
    partial = output.with_name(f".{output.name}.{os.getpid()}.part")
    try:
        partial.write_bytes(graph)
        os.replace(partial, output)
    except OSError as error:
        raise MachineError(f"{output}: cannot be written ({error.strerror or error})") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()

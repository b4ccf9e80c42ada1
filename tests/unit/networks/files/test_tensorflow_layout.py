"""Weights with TensorFlow's names and order of axes are the same weights."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from small_networks import small_network

from vsr.networks import load_network


def test_tensorflows_names_and_axes(tmp_path: Path) -> None:
    """Height, width, inputs, outputs, as ``tf.layers.conv2d`` has them."""
    given = small_network("recurrent")
    tensors = {}
    for name, values in load_file(given).items():
        layer, part = name.split(".")
        kernel = values.permute(2, 3, 1, 0) if part == "weight" else values
        tensors[f"{layer}/{'kernel' if part == 'weight' else part}"] = kernel.contiguous()
    save_file(tensors, tmp_path / "weights.safetensors")
    ours, theirs = load_network(given), load_network(tmp_path / "weights.safetensors")
    assert (theirs.name, theirs.digest) == (ours.name, ours.digest)
    image = torch.rand(1, ours.in_channels, 5, 6)
    assert torch.equal(theirs(image), ours(image))

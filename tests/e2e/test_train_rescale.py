"""`examples/train_rescale`: from images to weights of `rescale` that vsr runs both ways."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from example_programs import example_module
from safetensors.torch import save_file
from skimage.io import imsave
from videos import scene

from vsr.networks import load_network
from vsr.networks.lite import Lite
from vsr.networks.rescale import Rescale


@pytest.mark.slow
@pytest.mark.nightly
def test_weights_of_rescale(tmp_path: Path) -> None:
    """A few steps change what may change, and the file says what it is; small images are refused in one line."""
    torch.manual_seed(1)
    (tmp_path / "images").mkdir()
    for number in range(2):
        imsave(tmp_path / "images" / f"p{number}.png", scene(1, 96, 80, seed=number)[0])
    save_file(dict(Lite(2).state_dict()), tmp_path / "lite-x2.safetensors")
    target = tmp_path / "mine-x2.safetensors"
    words = ["--images", tmp_path / "images", "--base", tmp_path / "lite-x2.safetensors", "--out", target]
    quick = ["--steps", 3, "--batch", 1, "--patch", 16]
    with example_module("train_rescale", "train") as train:
        assert train.main([*map(str, words), *map(str, quick)]) == 0
        assert train.main([*map(str, words), "--patch", "64"]) == 3
    network = load_network(target)
    assert (network.name, network.scale, network.family, network.is_generative) == ("rescale", 2, "rescaling", False)
    assert network.metadata["vsr.digest"] == network.digest
    assert isinstance(network.module, Rescale)
    begun = Lite(2)
    begun.load_state_dict(load_network(tmp_path / "lite-x2.safetensors").module.state_dict())
    assert not torch.equal(network.module.predict.body[0].weight, begun.body[0].weight), "the last third changes it"
    assert float(network.module.write.tail.weight.abs().sum()) > 0

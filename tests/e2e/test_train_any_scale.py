"""`examples/train_any_scale`: from images to weights of `lite-any` that vsr runs at any magnification."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from example_programs import example_module
from skimage.io import imsave
from videos import scene

from vsr.networks import load_network


@pytest.mark.slow
@pytest.mark.nightly
def test_weights_of_lite_any(call: Any, clips: Any, tmp_path: Path, capfd: Any) -> None:
    """A few steps change what may change and leave the chain; the file says what it is, and goes on; vsr runs it."""
    (tmp_path / "images").mkdir()
    for number in range(3):
        imsave(tmp_path / "images" / f"p{number}.png", scene(1, 192, 160, seed=number)[0])
    first, second = tmp_path / "any.safetensors", tmp_path / "more.safetensors"
    words = ["--images", str(tmp_path / "images"), "--samples", "4", "--steps", "2"]
    with example_module("train_any_scale", "train") as train:
        assert train.main([*words, "--out", str(first)]) == 0
        assert train.main([*words, "--out", str(second), "--go-on", str(first)]) == 0
        assert train.main([*words, "--out", str(second), "--force", "--from", "video"]) == 4
        assert "begin with a mixture of weights of lite" in capfd.readouterr().err
    base, network = load_network("lite", 2), load_network(first)
    assert (network.name, network.family, network.is_generative) == ("lite-any", "any-scale", False)
    assert network.metadata["vsr.digest"] == network.digest
    assert json.loads(load_network(second).metadata["vsr.training"])["goes_on"] == network.digest
    assert base.mixture is not None
    assert network.mixture is not None
    assert network.mixture.source.keys() == base.mixture.source.keys()
    for name, sets in network.mixture.experts.items():
        if name.startswith(("head.", "body.")):
            assert torch.equal(sets, base.mixture.experts[name])
    assert float(network.mixture.experts["expand.weight"].abs().max()) > 0
    target = tmp_path / "out.mkv"
    done = call("upscale", clips("plain"), "-o", target, "--method", first, "--scale", "1.5", "--end", 2, "-q")
    assert done.code == 0, done.err

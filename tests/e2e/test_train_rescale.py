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
        for wrong in (
            ["--crf", "30", "10"],
            ["--crf", "8", "52"],
            ["--crf", "8", "30", "--batch", "3"],
            ["--minutes", "0"],
        ):
            with pytest.raises(SystemExit, match="2"):
                train.main([*map(str, words), *wrong])
        resumed = [
            "--start",
            tmp_path / "mine-x2.safetensors",
            "--out",
            tmp_path / "other-x2.safetensors",
            "--crf",
            10,
            30,
        ]
        assert (
            train.main([*map(str, words), *map(str, quick[:2]), "--batch", "2", "--patch", "16", *map(str, resumed)])
            == 0
        )
    network = load_network(target)
    assert (network.name, network.scale, network.family, network.is_generative) == ("rescale", 2, "rescaling", False)
    assert network.metadata["vsr.digest"] == network.digest
    assert isinstance(network.module, Rescale)
    begun = Lite(2)
    begun.load_state_dict(load_network(tmp_path / "lite-x2.safetensors").module.state_dict())
    assert not torch.equal(network.module.predict.body[0].weight, begun.body[0].weight), "the last third changes it"
    assert float(network.module.write.tail.weight.abs().sum()) > 0


@pytest.mark.slow
def test_h264_in_the_training() -> None:
    """Each image of a batch is as the codec leaves it, in its place; gradients pass; what is larger costs more."""
    large = torch.stack(
        [torch.from_numpy(scene(1, 64, 64, seed=n)[0]).permute(2, 0, 1).float() / 255 for n in range(4)]
    )
    with example_module("train_rescale", "codec") as codec:
        given = large.requires_grad_(True)
        kept = codec.through_h264(given, 18.0)
        (gradient,) = torch.autograd.grad(kept.sum(), given)
        assert torch.equal(gradient, torch.ones_like(given))
        errors = [[(one - other).abs().mean().item() for other in large] for one in kept]
        assert [int(torch.tensor(row).argmin()) for row in errors] == [0, 1, 2, 3]
        assert 0 < errors[0][0] < 0.02
        rough = (large + 0.03 * torch.randn(large.shape, generator=torch.Generator().manual_seed(1))).detach()
        costs = [float(codec.octaves_of_bytes(rough, large.detach(), crf)) for crf in (8.0, 32.0)]
        assert costs[0] > costs[1] > 0, "noise is dear where quality is high, and lost where it is low"
        assert float(codec.octaves_of_bytes(large.detach(), large.detach(), 20.0)) == 0
        coarse = codec.with_coarse_chroma(large.detach())
        assert torch.equal(coarse[:, 0], large[:, 0])
        roughness = [one[:, 1:].diff(dim=-1).abs().mean().item() for one in (coarse, large)]
        assert roughness[0] < roughness[1]

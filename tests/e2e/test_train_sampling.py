"""`examples/train_sampling`: from images to weights that vsr loads and draws samples with."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from example_programs import example_module
from skimage.io import imsave
from videos import scene

from vsr.networks import load_network
from vsr.networks.cvae import CVAE
from vsr.networks.imle import IMLE
from vsr.networks.sr3 import SR3
from vsr.networks.srflow import SRFlow


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Twenty of one size."""
    (tmp_path / "images").mkdir()
    for number, image in enumerate(scene(20, 40, 32)):
        imsave(tmp_path / "images" / f"p{number:02d}.png", image)
    return tmp_path / "images"


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kind"), [("srflow-da", SRFlow), ("sr3", SR3), ("cvae", CVAE), ("imle", IMLE)])
def test_weights_of_sampling_networks(tmp_path: Path, images: Path, name: str, kind: type) -> None:
    target = tmp_path / f"{name}.safetensors"
    words = ["--images", str(images), "--out", str(target), "--network", name]
    with example_module("train_sampling", "train") as train:
        assert train.main([*words, "--most-steps", "2", "--batch", "2", "--patch", "32"]) == 0
        assert train.main([*words, "--patch", "44"]) == 3, "no image is as large"
        (images / "other.png").write_bytes((images / "p00.png").read_bytes())
        imsave(images / "wide.png", scene(1, 48, 32)[0])
        assert train.main(words) == 3, "sizes differ"
    network = load_network(target)
    assert (network.name, network.scale, network.family, network.is_generative) == (name, 4, "sampling", True)
    assert network.metadata["vsr.digest"] == network.digest
    assert isinstance(network.module, kind)
    assert network.num_parameters < 650_000, "small"


def test_levels_of_noise_are_even_steps() -> None:
    """Ratios of the deviations of noise and image, from a hundredth to twenty, by one factor."""
    with example_module("train_sampling", "train") as train:
        kept = train.geometric_schedule().alphas_cumprod.double()
    ratios = ((1 - kept) / kept).sqrt()
    assert ratios[0] == pytest.approx(0.01, rel=1e-2)
    assert ratios[-1] == pytest.approx(20, rel=1e-3)
    assert (ratios[51:] / ratios[50:-1]).std() < 1e-3


def test_principal_components_come_first(images: Path) -> None:
    """Before the first step the noise is centred, and the images are likelier."""
    with example_module("train_sampling", "train") as train:
        torch.manual_seed(0)
        codes = torch.stack([train.read_image(path) for path in sorted(images.iterdir())[:16]]).float()
        module = train._module("srflow-da")
        with torch.no_grad():
            before = float(train.bits(module, codes))
            train.whiten(module, codes)
            after = float(train.bits(module, codes))
            noise, _ = module.encode(codes / 255, train.shrunk(codes))
        assert after < before - 2
        assert abs(float(noise.mean())) < 0.1

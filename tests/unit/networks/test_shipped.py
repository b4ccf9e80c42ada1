"""Weights that ship: complete, small, with cards that tell of these very files, and found before any others."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from videos import scene

from vsr.metrics import psnr
from vsr.networks import RescalingUpscaler, available_scales, load_network
from vsr.networks.files import read_safetensors
from vsr.networks.fsrcnn import FSRCNN
from vsr.networks.inspecting import describe_weights, find_installed_weights
from vsr.networks.locating import SHIPPED, find_weights, scale_in_name
from vsr.observation import resample

FILES = sorted(SHIPPED.glob("*.safetensors"))
SCALES = {
    "lite": (2, 3, 4),
    "lite-any": (2, 3, 4),
    "real": (2, 4),
    "rescale": (2,),
    "rescale-codec": (2,),
    "video": (2, 4),
}
ANY = "lite-any"  # one file for all magnifications
MIXTURES = ("lite-any", "lite-x2", "lite-x3", "lite-x4", "video-x2", "video-x4")
MOST_BYTES, MOST_PARAMETERS = 2 << 20, {"lite": 150_000, "lite-any": 155_000, "rescale": 300_000, "video": 200_000}


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of the user's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("VSR_MODELS", str(tmp_path))
    return tmp_path


def test_what_ships() -> None:
    assert {name: available_scales(name) for name in SCALES} == SCALES
    assert sorted(path.name for path in FILES) == sorted(
        {
            f"{name}{'' if name == ANY else f'-x{scale}'}.safetensors"
            for name, scales in SCALES.items()
            for scale in scales
        }
    )
    assert {name: tuple(sorted(scale or 0 for scale in files)) for name, files in find_installed_weights().items()} == {
        **SCALES,
        ANY: (0,),
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_file_and_card(path: Path) -> None:
    """The file is small and says what it is; the card names its digest; neither names a folder of any machine."""
    network = load_network(path)
    facts = describe_weights(path)
    card = path.with_suffix(".md").read_text(encoding="utf-8")
    assert path.stat().st_size < MOST_BYTES
    assert network.num_parameters <= MOST_PARAMETERS[network.name]
    assert network.name == next((name for name in (ANY, "rescale", "video") if path.stem.startswith(name)), "lite")
    assert (network.scale, network.is_generative) == (2 if path.stem == ANY else scale_in_name(path), False)
    assert facts.card == str(path.with_suffix(".md"))
    assert facts.digest == network.digest == facts.metadata["vsr.digest"]
    assert network.digest in card
    for heading in ("## Data", "## Degradation", "## Training", "## Figures", "## Limits"):
        assert heading in card
    if network.family == "frame":  # others are measured on clips
        mean = re.search(r"\*\*(\d+\.\d\d) /", card)
        assert mean is not None
        assert float(mean[1]) == pytest.approx(float(facts.metadata["vsr.psnr_y"]), abs=0.0051)  # both are rounded
    for text in (card, str(read_safetensors(path)[1])):
        assert not any(place in text for place in ("/work", "/home", "/tmp", "/root"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_recipe_in_the_file(path: Path) -> None:
    """The metadata has what the weights were trained with; all but plain `lite` have seen noise and compression."""
    recipe = json.loads(load_network(path).metadata["vsr.training"])
    assert recipe.get("scale") == scale_in_name(path)
    assert 0 < recipe["step"] <= recipe["steps"]
    is_for_clean_sources = path.stem.startswith("lite") and path.stem not in MIXTURES
    assert (recipe["degradations"] == ["bicubic"]) == is_for_clean_sources


def test_what_rescale_hides_is_read_again() -> None:
    """An image comes back by far nearer than the small image tells by interpolation, which it is near to."""
    module = load_network("rescale").module
    assert isinstance(module, RescalingUpscaler)
    large = torch.from_numpy(scene(1, 128, 96, seed=3)[0]).permute(2, 0, 1)[None].float() / 255
    plain = resample(large, (48, 64), kernel="bicubic")
    small = (module.downscale(large).clamp(0, 1) * 255).round() / 255
    given = {"own": module(small), "bicubic": module((plain * 255).round() / 255)}
    found = {name: psnr(made * 255, large * 255, peak=255) for name, made in given.items()}
    assert psnr(small * 255, plain * 255, peak=255) > 35
    assert found["own"] > found["bicubic"] + 1.5
    assert found["own"] > psnr(255 * resample(plain, (96, 128), kernel="bicubic"), 255 * large, peak=255) + 3


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_which_are_mixtures(path: Path) -> None:
    """They say that their sets have seen compression; others have one set."""
    network = load_network(path)
    assert (network.mixture is not None) == (path.stem in MIXTURES)
    if network.mixture is not None:
        assert len(network.mixture.usual) > 1
        assert "compression" in str(json.loads(network.metadata["vsr.training"])["degradations"])


def test_what_ships_comes_first(models: Path) -> None:
    """A file of the same name elsewhere changes nothing; other scales and other names are found there."""
    torch.save(FSRCNN(2).state_dict(), models / "lite-x2.pth")
    torch.save(FSRCNN(2).state_dict(), models / "mine-x2.pth")
    assert dict(find_weights("lite"))[2] == SHIPPED / "lite-x2.safetensors"
    assert load_network("lite", 2).name == "lite"
    assert load_network("mine").name == "fsrcnn"
    assert describe_weights("mine").card == ""

"""Weights that ship: complete, small, with cards that tell of these very files, and found before any others."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch

from vsr.networks import available_scales, load_network
from vsr.networks.files import read_safetensors
from vsr.networks.fsrcnn import FSRCNN
from vsr.networks.inspecting import describe_weights, find_installed_weights
from vsr.networks.locating import SHIPPED, find_weights, scale_in_name

FILES = sorted(SHIPPED.glob("*.safetensors"))
SCALES = {"lite": (2, 3, 4), "real": (2, 4), "video": (2,)}
MIXTURES = ("lite-x2", "lite-x3", "lite-x4", "video-x2")
MOST_BYTES, MOST_PARAMETERS = 2_000_000, {"lite": 150_000, "video": 200_000}


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of the user's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("VSR_MODELS", str(tmp_path))
    return tmp_path


def test_what_ships() -> None:
    assert {name: available_scales(name) for name in SCALES} == SCALES
    assert sorted(path.name for path in FILES) == sorted(
        f"{name}-x{scale}.safetensors" for name, scales in SCALES.items() for scale in scales
    )
    assert {
        name: tuple(sorted(scale or 0 for scale in files)) for name, files in find_installed_weights().items()
    } == SCALES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_file_and_card(path: Path) -> None:
    """The file is small and says what it is; the card names its digest; neither names a folder of any machine."""
    network = load_network(path)
    facts = describe_weights(path)
    card = path.with_suffix(".md").read_text(encoding="utf-8")
    assert path.stat().st_size < MOST_BYTES
    assert network.num_parameters <= MOST_PARAMETERS[network.name]
    assert network.name == ("video" if path.stem.startswith("video") else "lite")
    assert (network.scale, network.is_generative) == (scale_in_name(path), False)
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
    assert recipe["scale"] == scale_in_name(path)
    assert 0 < recipe["step"] <= recipe["steps"]
    is_for_clean_sources = path.stem.startswith("lite") and path.stem not in MIXTURES
    assert (recipe["degradations"] == ["bicubic"]) == is_for_clean_sources


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

"""`examples/train_video`: from images and clips to weights of `video` that vsr runs, with their card."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import pytest
import torch
from example_programs import example_module
from safetensors.torch import save_file
from skimage.io import imsave
from small_networks import mixture_tensors, small_network
from videos import scene

from vsr.media.clips import write_clip
from vsr.networks import load_network
from vsr.networks.video import Video

_SETTINGS = ["--sequences", 4, "--held-sequences", 2, "--patch", 32, "--frames", 3, "--steps", 12]


@pytest.fixture(scope="module")
def train() -> Iterator[ModuleType]:
    """The program."""
    with example_module("train_video", "train") as module:
        yield module


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of images and clips, and weights to build on."""
    folder = tmp_path_factory.mktemp("material")
    (folder / "stills").mkdir()
    (folder / "shots").mkdir()
    for number in range(3):
        imsave(folder / "stills" / f"p{number}.png", scene(1, 192, 176, seed=number)[0])
    write_clip(folder / "shots" / "c0.mp4", list(scene(7, 160, 144, seed=9)), Fraction(25), crf=10)
    save_file(mixture_tensors(), folder / "base-x2.safetensors")
    return folder


def _words(material: Path, out: Path, *more: object) -> list[str]:
    folders = ["--images", material / "stills", "--clips", material / "shots", "--hold-back", "p2"]
    base = ["--base", material / "base-x2.safetensors"]
    return [str(word) for word in ("--scale", 2, *folders, *base, "--out", out, *_SETTINGS, *more)]


@pytest.mark.slow
@pytest.mark.nightly
def test_weights_of_video_over_a_mixture(train: ModuleType, material: Path, tmp_path: Path) -> None:
    """The base is as it was, the rest has learnt, and the same steps give the same bytes."""
    paths = [tmp_path / "one-x2.safetensors", tmp_path / "two-x2.safetensors"]
    for path in paths:
        assert train.main(_words(material, path)) == 0
    network, base = load_network(paths[0]), load_network(material / "base-x2.safetensors")
    assert (network.name, network.scale, network.family) == ("video", 2, "recurrent")
    assert network.mixture is not None
    assert base.mixture is not None
    for name, sets in base.mixture.experts.items():
        assert torch.equal(network.mixture.experts[f"base.{name}"], sets.half().float())
    learnt = network.mixture.experts["tail.weight"]
    assert len(learnt) == len(base.mixture.usual)
    assert float(learnt[:, :4].abs().max()) > 0
    assert not torch.equal(learnt[0], learnt[1])
    assert network.digest == load_network(paths[1]).digest
    card = paths[0].with_suffix(".md").read_text(encoding="utf-8")
    assert network.digest in card
    assert "| all | 2 |" in card

    further = tmp_path / "further-x2.safetensors"
    assert train.main(_words(material, further, "--init", paths[0], "--steps", 1, "--rate", 1e-9)) == 0
    gone_on = load_network(further)
    assert gone_on.mixture is not None
    assert torch.allclose(gone_on.mixture.experts["tail.weight"], learnt, atol=1e-4)
    assert "the weights `one-x2.safetensors`" in further.with_suffix(".md").read_text(encoding="utf-8")


def test_it_begins_as_its_base(train: ModuleType, material: Path) -> None:
    base = load_network(material / "base-x2.safetensors")
    video = train.VARIANTS["video"].build(base, 32).second
    assert isinstance(video, Video)
    given = torch.rand(1, int(video.in_channels or 0), 12, 14)
    with torch.no_grad():
        made = torch.nn.functional.pixel_shuffle(video(given)[:, :4], 2)
        assert torch.equal(made, base(given[:, :1]))


@pytest.mark.parametrize("variant", ["video", "window", "reconstruction"])
def test_variants_begin_as_their_base_and_learn_from_what_they_are_given(
    train: ModuleType, material: Path, capsys: pytest.CaptureFixture[str], variant: str
) -> None:
    """Figures alone, of whole clips and of held-back sequences, where no weights are asked for."""
    words = _words(material, material / "unused-x2.safetensors", "--sequences", 1, "--held-sequences", 1)
    at = words.index("--out")
    del words[at : at + 2]
    more = [
        "--variant",
        variant,
        "--steps",
        "1",
        "--every",
        "1",
        "--rate",
        "1e-9",
        "--whole",
        str(material / "shots" / "c0.mp4"),
    ]
    assert train.main([*words, *more]) == 0
    said = capsys.readouterr().out
    assert "1 steps, held back: " in said
    rows = {row.split("|")[1].strip(): row.split("|")[4:6] for row in said.splitlines() if row.startswith("| ")}
    assert rows.keys() >= {"c0", "all"}
    assert all(abs(float(gain)) < 0.005 for gain in rows["c0"] + rows["all"])


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--hold-back", "p9"], "no image or clip is called that"),
        (["--base", str(small_network("Y"))], "give weights of lite"),
        (["--init", "video"], "give --init weights of video over base-x2.safetensors"),
        (["--out", "nowhere/video-x2.safetensors"], "in a folder that is there"),
    ],
)
def test_what_cannot_be_is_refused(
    train: ModuleType, material: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], said: str
) -> None:
    assert train.main([*_words(material, tmp_path / "out-x2.safetensors"), *more]) != 0
    assert said in capsys.readouterr().err

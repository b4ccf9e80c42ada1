"""`examples/train_lite`: from images and clips to a mixture that vsr runs, with its card."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from example_programs import example_module
from program import Run
from safetensors.torch import save_file
from skimage.io import imsave
from small_networks import lite_weights, suited
from videos import scene

from vsr.media.clips import write_clip
from vsr.networks import load_network
from vsr.networks.source import NUM_OF_SHOT, estimates_of

_SETTINGS = ["--items", 24, "--clean-items", 6, "--held-items", 8, "--patch", 24, "--steps", 30]


@pytest.fixture(scope="module")
def train() -> Iterator[ModuleType]:
    """The program."""
    with example_module("train_lite", "train") as module:
        yield module


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of images and clips, and weights to begin with."""
    folder = tmp_path_factory.mktemp("material")
    (folder / "stills").mkdir()
    (folder / "shots").mkdir()
    for number in range(4):
        imsave(folder / "stills" / f"p{number}.png", scene(1, 112, 104, seed=number)[0])
    for number in range(2):
        frames = list(scene(7, 96, 80, seed=9 + number))
        write_clip(folder / "shots" / f"c{number}.mp4", frames, Fraction(25), crf=10)
    for number, name in enumerate(("clean", "noisy")):
        save_file(lite_weights(number), folder / f"{name}-x2.safetensors")
    return folder


def _words(material: Path, out: Path, *more: object, goes_on: Path | None = None) -> list[str]:
    starts = ["--from", *(material / f"{name}-x2.safetensors" for name in ("clean", "noisy"))]
    first = starts if goes_on is None else ["--go-on", goes_on]
    folders = ["--images", material / "stills", "--clips", material / "shots"]
    return [str(word) for word in ("--scale", 2, *folders, *first, "--out", out, *_SETTINGS, *more)]


@pytest.fixture(scope="module")
def made(train: ModuleType, material: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made") / "mine-x2.safetensors"
    assert train.main(_words(material, path)) == 0
    return path


def test_the_file_is_a_mixture(made: Path) -> None:
    network = load_network(made)
    mixture = network.mixture
    assert mixture is not None
    assert (network.name, network.scale, network.is_generative) == ("lite", 2, False)
    assert float(mixture.usual.sum()) == pytest.approx(1, abs=1e-5)
    shares = []
    for seed in (1, 2):
        estimates = mixture.estimate([torch.from_numpy(scene(1, 96, 64, seed=seed)[0][..., 1]).float() / 255])
        assert estimates is not None
        shares.append(mixture.shares(estimates))
        assert float(shares[-1].sum()) == pytest.approx(1, abs=1e-5)
        assert float(shares[-1].min()) >= 0
    assert not torch.allclose(shares[0], shares[1], atol=1e-6)
    assert suited(network, [torch.rand(40, 50)])(torch.rand(1, 1, 40, 50)).shape == (1, 1, 80, 100)


def test_all_that_should_learn_has_learnt(made: Path, material: Path) -> None:
    """Every tensor of every set left its start, also the first set, which begins without noise."""
    mixture = load_network(made).mixture
    assert mixture is not None
    start = load_network(material / "clean-x2.safetensors").module.state_dict()
    for name, sets in mixture.experts.items():
        assert len(sets) == 5
        assert float((sets[0] - start[name].half().float()).abs().max()) > 1e-5, name


def test_what_the_file_says_of_itself(made: Path) -> None:
    network = load_network(made)
    recipe = json.loads(network.metadata["vsr.training"])
    assert network.metadata["vsr.digest"] == network.digest
    assert (recipe["items"], recipe["clean_items"], recipe["step"], recipe["steps"]) == (24, 6, 30, 30)
    assert (recipe["data"], recipe["seed"]) == (["stills", "shots"], 0)
    assert recipe["starts"] == [f"{name}-x2.safetensors" for name in ("clean", "noisy")]
    assert not recipe["goes_on"]
    assert recipe["sets"] == len(recipe["kinds"]) == 5
    assert [next(iter(one)) for one in recipe["degradations"]] == ["shrink", "noise", "compression"]
    assert len(recipe["held_back"]) == 2  # an image and a clip


def test_the_card_goes_with_the_file(made: Path) -> None:
    """Digest, figures and command; no folder of this machine."""
    network, card = load_network(made), made.with_suffix(".md").read_text(encoding="utf-8")
    assert network.digest in card
    for heading in ("## Data", "## Degradation", "## Training", "## Figures", "## Limits", "## Versions"):
        assert heading in card
    mean = re.search(r"\*\*mean\*\* \| \*\*8\*\* \| \*\*(\d+\.\d\d) / ", card)
    assert mean is not None
    assert float(mean[1]) == pytest.approx(float(network.metadata["vsr.psnr_y"]), abs=0.0051)
    for name in ("lanczos", "with the true source", "clean-x2.safetensors", "--steps 30"):
        assert name in card
    assert str(made.parent) not in card + str(network.metadata)


@pytest.mark.nightly
def test_equal_seeds_give_equal_bytes(train: ModuleType, material: Path, made: Path, tmp_path: Path) -> None:
    same, other = tmp_path / "again" / made.name, tmp_path / "other-x2.safetensors"
    same.parent.mkdir()
    assert train.main(_words(material, same)) == 0
    assert same.read_bytes() == made.read_bytes()
    assert train.main(_words(material, other, "--seed", 1)) == 0
    assert load_network(other).digest != load_network(made).digest


def test_the_gate_knows_kinds_of_sources(made: Path) -> None:
    """After its 500 steps every kind that is far from others has most of its own set."""
    mixture = load_network(made).mixture
    assert mixture is not None
    assert sys.modules["mixing"].KINDS[2:4] == ("heavy compression", "noisy")
    expected = {0: (0.0, 0.0, math.log(0.3)), 2: (0.0, 0.0, math.log(6.3)), 3: (0.0, 1.8, math.log(3.3))}
    for number, source in expected.items():
        assert int(mixture.shares(torch.tensor(source)).argmax()) == number


def test_known_compression_reaches_the_mixture(made: Path) -> None:
    network, luma = load_network(made), torch.from_numpy(scene(1, 96, 64, seed=1)[0][..., 1]).float() / 255
    images = [suited(network, [luma], codes)(luma[None, None]) for codes in (0.0, 9.0)]
    assert not torch.allclose(*images, atol=1e-6)


def test_kinds_of_sources(train: ModuleType) -> None:
    """Of (blur, noise, error of compression): each kind, and either side of the bounds between them."""
    cases = [
        ((0.0, 0.0, 0.0), 0),
        ((0.2, 0.4, 0.5), 0),
        ((0.5, 0.4, 0.5), 4),
        ((0.5, 0.0, 0.7), 1),
        ((0.0, 0.0, 2.4), 1),
        ((0.0, 0.0, 2.6), 2),
        ((0.0, 0.6, 0.0), 1),
        ((0.5, 1.2, 9.0), 3),
        ((0.5, 1.2, 0.0), 3),
    ]
    given = torch.tensor([[blur, math.log(1 + noise), math.log(0.3 + error)] for (blur, noise, error), _ in cases])
    assert sys.modules["mixing"].kinds_of(given).tolist() == [kind for _, kind in cases]


def test_first_sets(train: ModuleType) -> None:
    """The first is the clean weights exactly; others are as far from them as said, but for a little noise."""
    clean, noisy = lite_weights(0), lite_weights(1)
    sets = sys.modules["mixing"].blends(clean, noisy)
    assert all(torch.equal(value, clean[name]) for name, value in sets[0].items())
    for weights, share in zip(sets[1:], (0.2, 0.6, 0.6, 0.4), strict=True):
        for name, value in weights.items():
            blend = clean[name] + share * (noisy[name] - clean[name])
            assert 0 < float((value - blend).abs().max()) < 0.1 * float(blend.std()), name


def test_it_goes_on_from_a_mixture(train: ModuleType, material: Path, made: Path, tmp_path: Path) -> None:
    """With its sets and its gate: after one step, whose rate is small, each is still nearly what it was."""
    path = tmp_path / "further-x2.safetensors"
    assert train.main(_words(material, path, "--steps", 1, goes_on=made)) == 0
    before, after = (load_network(one) for one in (made, path))
    assert before.mixture is not None
    assert after.mixture is not None
    for name, sets in after.mixture.experts.items():
        assert torch.allclose(sets, before.mixture.experts[name], atol=2e-4), name
    for name, value in after.mixture.gate.items():
        assert torch.allclose(value, before.mixture.gate[name], atol=2e-4), name
    recipe = json.loads(after.metadata["vsr.training"])
    assert (recipe["goes_on"], recipe["start_digests"]) == (True, [before.digest])
    assert f"--go-on {made.name}" in path.with_suffix(".md").read_text(encoding="utf-8")


def test_the_estimator_is_the_mean_of_its_members(train: ModuleType) -> None:
    estimator = sys.modules["estimator"]
    torch.manual_seed(1)
    sizes = ((1, NUM_OF_SHOT, 6), (2, 6, 6), (3, 6, 3))
    members = [
        {f"layer{number}.{kind}": value for number, inputs, outputs in sizes
         for kind, value in torch.nn.Linear(inputs, outputs).state_dict().items()}
        for _ in range(3)
    ]  # fmt: skip
    norm = {"mean": torch.randn(NUM_OF_SHOT), "spread": torch.rand(NUM_OF_SHOT) + 1}
    found = torch.randn(5, NUM_OF_SHOT)
    estimates = torch.stack([estimates_of(found, {**norm, **member}) for member in members])
    joined = {**norm, **estimator._side_by_side(members)}
    assert torch.allclose(estimates_of(found, joined), estimates.mean(0), atol=1e-5)
    assert not torch.allclose(estimates[0], estimates[1], atol=1e-2)


def test_one_set_is_no_mixture_to_go_on_from(train: ModuleType, material: Path, tmp_path: Path, capsys: Any) -> None:
    plain = material / "clean-x2.safetensors"
    assert train.main(_words(material, tmp_path / "no-x2.safetensors", goes_on=plain)) == 4
    assert capsys.readouterr().err == f"error: {plain}: has not 5 sets of weights; give it to --from instead\n"


def test_vsr_runs_it(call: Any, clips: Any, made: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    done: Run = call("upscale", clips("plain"), "-o", target, "--method", made, "--end", 3, "-q")
    assert done.code == 0, done.err
    manifest = json.loads(target.with_name(f"{target.name}.vsr.json").read_text(encoding="utf-8"))
    assert [part["digest"] for part in manifest["method"]["model"]["parts"]] == [load_network(made).digest]


def test_what_is_held_back_is_not_learnt_from(train: ModuleType, material: Path) -> None:
    """By name; or one of each kind, and the seed says which."""
    scenes = sys.modules["sources"].read_scenes([material / "stills"], [material / "shots"])
    rng = np.random.default_rng(0)
    kept, held = scenes.without(["p2", "c1"], rng)
    assert [path.stem for path in held.images + held.clips] == ["p2", "c1"]
    assert [path.stem for path in kept.images + kept.clips] == ["p0", "p1", "p3", "c0"]
    kept, held = scenes.without([], rng)
    assert (len(held.images), len(held.clips), len(kept.images), len(kept.clips)) == (1, 1, 3, 1)


def test_items_are_what_their_history_says(train: ModuleType, material: Path) -> None:
    """Sizes fit; what is clean and averaged is the mean of the HR pixels; all codecs occur."""
    sources = sys.modules["sources"]
    scenes = sources.read_scenes([material / "stills"], [])
    clean = sources.make_items(scenes, 12, np.random.default_rng(3), scale=2, clean=True)
    assert {item.history.kind for item in clean} == {"clean, area", "clean, bicubic"}
    for item in clean:
        assert item.hr.shape == tuple(2 * side for side in item.small.shape)
        height, width = item.small.shape
        means = item.hr.reshape(height, 2, width, 2).astype(float).mean((1, 3))
        exact = np.abs(item.small - means).max() <= 0.5
        assert exact == (item.history.shrinking == "area")
    kinds = {item.history.codec for item in sources.make_items(scenes, 60, np.random.default_rng(3), scale=2)}
    assert kinds == {"", "h264", "hevc", "mpeg2", "mjpeg"}


@pytest.mark.parametrize(
    ("more", "code", "hint"),
    [
        (["--hold-back", "p7"], 2, "--hold-back p7: no image or clip is called that; did you mean"),
        (["--hold-back", "p0", "p1", "p2", "p3", "c0", "c1"], 2, "too few images and clips"),
        (["--from", "absent.safetensors"], 4, "absent.safetensors"),
        (["--patch", "64"], 3, "smaller than 128 pixels a side"),
        (["--out", "nowhere/mine.safetensors"], 2, "nowhere: no such folder"),
        (["--out", "weights.pth"], 2, "written as .safetensors"),
        (["--images", "nowhere"], 3, "nowhere: cannot be read (No such file"),
    ],
)
def test_refusals_are_one_line(
    more: list[str], code: int, hint: str, train: ModuleType, material: Path, tmp_path: Path, capsys: Any
) -> None:
    assert train.main(_words(material, tmp_path / "no-x2.safetensors", *more)) == code
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert hint in message
    assert message.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_what_is_there_stays(train: ModuleType, material: Path, tmp_path: Path, capsys: Any) -> None:
    """Unless --force is given; it is refused before the work."""
    for name in ("mine-x2.safetensors", "other-x2.md"):
        path = tmp_path / name
        path.write_bytes(b"dear to somebody")
        assert train.main(_words(material, path.with_suffix(".safetensors"))) == 2
        assert f"{name}: is there already" in capsys.readouterr().err
        assert path.read_bytes() == b"dear to somebody"

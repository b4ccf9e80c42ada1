"""A teacher: its images belong to the true ones, and take their share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from small_networks import small_network
from torch import Tensor
from videos import scene

from vsr.errors import MachineError, ModelError, UsageError
from vsr.networks import Colour, load_network
from vsr.training.config import make_config
from vsr.training.degradations import parse_chain
from vsr.training.pairs import as_colour, degraded
from vsr.training.samples import Patches, Plan
from vsr.training.setup import prepare
from vsr.training.teacher import Teacher

CPU = torch.device("cpu")
CHAIN = parse_chain(["bicubic"], 2)


def _clips() -> list[Tensor]:
    return [torch.from_numpy(scene(1, 96, 72, seed=number)) for number in range(3)]


def _patches(share: float, taught: list[Tensor]) -> Patches:
    return Patches(_clips(), Plan(CHAIN, 2, "Y", 12, 36, 4, 1, True, (0.7, 1.6), 1, share), taught)


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_it_takes_its_share_of_what_is_learnt_at_the_right_place(share: float) -> None:
    """Taught images of twice the ground truth change every patch by the share of it, whatever its place and turn."""
    plain = _patches(0.0, [])
    taught = _patches(share, [2 * as_colour(clip[0], "Y") for clip in _clips()])
    for step in range(8):
        before, after = plain.at(step, 0, 4), taught.at(step, 0, 4)
        assert torch.equal(before.small, after.small)
        mean = before.small.mean((1, 2, 3), keepdim=True)
        factor = after.true.std((1, 2, 3), keepdim=True) / before.true.std((1, 2, 3), keepdim=True)
        torch.testing.assert_close(factor, torch.full_like(factor, 1 + share), rtol=1e-4, atol=0)
        change = after.true - (1 + share) * (before.true - mean)
        assert float(change.std((1, 2, 3)).max()) < 1e-4  # a constant remains, for the mean that contrast keeps


@pytest.mark.parametrize(("kind", "colour"), [("Y", "Y"), ("RGB", "Y"), ("RGB", "RGB")])
def test_its_images_are_the_mean_over_the_eight_symmetries(kind: Any, colour: Colour) -> None:
    clip, path = _clips()[0], small_network(kind, strength=0.2)
    made = Teacher([str(path)], 2, colour, CPU, None).image(clip[0], CHAIN)
    network = load_network(path, 2)
    small = degraded(clip, CHAIN, network.colour, torch.Generator())[0] / 255
    turned = []
    for turn in range(8):
        given = torch.rot90(small, turn % 4, (-2, -1))
        given = given.flip(-1) if turn >= 4 else given
        with torch.no_grad():
            result = network.module(given[None])[0]
        result = result.flip(-1) if turn >= 4 else result
        turned.append(torch.rot90(result, -(turn % 4), (-2, -1)))
    mean = 255 * torch.stack(turned).mean(0)
    if colour != network.colour:
        mean = 16 + (mean * torch.tensor([65.481, 128.553, 24.966])[:, None, None] / 255).sum(0, keepdim=True)
    assert made.dtype == torch.float16
    assert made.shape == (1 if colour == "Y" else 3, 72, 96)
    assert float((made.float() - mean).abs().max()) < 0.13  # float16's steps
    hr = as_colour(clip[0], colour)
    assert (made - hr).abs().mean() < 0.5 * (made - hr.flip(-1)).abs().mean()


def test_of_several_the_mean_is_learnt_from() -> None:
    """Of different colours, each enlarged by itself; without the eight symmetries where that is asked for."""
    clip, paths = _clips()[0], [str(small_network("Y", strength=0.2)), str(small_network("RGB", strength=0.2))]
    chosen = {"scale": 2, "colour": "Y", "device": CPU, "half": None}
    for self_ensemble in (True, False):
        alone = [Teacher([path], **chosen, self_ensemble=self_ensemble) for path in paths]
        both = Teacher(paths, **chosen, self_ensemble=self_ensemble)
        made = [one.image(clip[0], CHAIN).float() for one in alone]
        assert float((made[0] - made[1]).abs().max()) > 1
        assert float((both.image(clip[0], CHAIN).float() - (made[0] + made[1]) / 2).abs().max()) < 0.26  # float16
        assert len({both.digest, *(one.digest for one in alone)}) == 3


def test_without_the_symmetries_it_is_what_the_network_makes() -> None:
    clip, path = _clips()[0], small_network("Y", strength=0.2)
    made = Teacher([str(path)], 2, "Y", CPU, None, self_ensemble=False).image(clip[0], CHAIN)
    small = degraded(clip, CHAIN, "Y", torch.Generator())
    with torch.no_grad():
        expected = 255 * load_network(path, 2).module(small / 255)[0]
    assert float((made.float() - expected).abs().max()) < 0.13


def test_what_it_made_is_kept_and_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two images a file, two workers; one is stopped in its second file and makes that one again."""
    monkeypatch.setattr("vsr.training.teacher._IN_A_FILE", 2)
    monkeypatch.setattr("vsr.training.teacher.wait_for_all", lambda world: None)
    teacher, clips = Teacher([str(small_network("Y"))], 2, "Y", CPU, None), 2 * _clips()[:2] + _clips()
    stopped = teacher.prepare(clips, CHAIN, tmp_path, 0, 2)
    assert [next(stopped) for _ in range(3)] == [(1, 4), (2, 4), (3, 4)]
    stopped.close()  # type: ignore[attr-defined]
    assert list(teacher.prepare(clips, CHAIN, tmp_path, 0, 2)) == [(3, 4), (4, 4)]
    assert list(teacher.prepare(clips, CHAIN, tmp_path, 1, 2)) == [(1, 3), (2, 3), (3, 3)]
    assert list(teacher.prepare(clips, CHAIN, tmp_path, 1, 2)) == []
    for clip, image in zip(clips, teacher.images(tmp_path), strict=True):
        assert torch.equal(image, teacher.image(clip[0], CHAIN))


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    teacher = Teacher([str(small_network("Y"))], 2, "Y", CPU, None)
    with pytest.raises(MachineError, match="taught-0"):
        list(teacher.prepare(_clips()[:1], CHAIN, tmp_path / "nowhere", 0, 1))


def test_refusals() -> None:
    with pytest.raises(ModelError, match="luma alone"):
        Teacher([str(small_network("Y"))], 2, "RGB", CPU, None)
    noisy = {"network": "lite", "scale": 2, "teacher": "lite", "data": ["."]}
    config = make_config({**noisy, "degradations": ["bicubic", "gaussian-noise"]}, "here")
    with pytest.raises(UsageError, match="teacher: its images are made once"):
        prepare(config, None)

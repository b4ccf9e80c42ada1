"""Fitting dictionaries: they find what images are made of, gain on interpolation, and refuse what teaches nothing."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

import vsr
from vsr.errors import InputError, UsageError
from vsr.training.ksvd import learn_dictionary, pursue


def _images(folder: Path, count: int, side: int = 72) -> Path:
    """Discs and stripes with sharp edges, drawn from a seed."""
    folder.mkdir()
    random = np.random.default_rng(4)
    y, x = np.mgrid[:side, :side]
    for number in range(count):
        image = np.full((side, side), 120.0)
        for _ in range(12):
            cy, cx, radius, value = *random.uniform(0, side, 2), random.uniform(4, 20), random.uniform(0, 255)
            angle = random.uniform(0, np.pi)
            stripe = np.abs((y - cy) * np.cos(angle) + (x - cx) * np.sin(angle)) < 3
            image[stripe if number % 2 else (y - cy) ** 2 + (x - cx) ** 2 < radius**2] = value
        cv2.imwrite(str(folder / f"{number}.png"), image.astype(np.uint8))
    return folder


def test_pursuit_finds_what_sums_are_made_of() -> None:
    atoms = normalize(torch.randn(30, 40, generator=torch.Generator().manual_seed(0)))
    samples = 2.0 * atoms[[3, 9]] - 1.5 * atoms[[11, 20]]
    places, codes = pursue(samples, atoms, 2)
    assert [set(row) for row in places.tolist()] == [{3, 11}, {9, 20}]
    torch.testing.assert_close((codes[:, None] @ atoms[places])[:, 0], samples, atol=1e-4, rtol=0)


def test_learning_finds_the_atoms() -> None:
    """Most of the atoms of which samples were made are found, as in the experiment of the paper."""
    generator = torch.Generator().manual_seed(1)
    true_atoms = normalize(torch.randn(24, 12, generator=generator))
    places = torch.stack([torch.randperm(24, generator=generator)[:2] for _ in range(2000)])
    codes = torch.randn(2000, 2, generator=generator)
    samples = (codes[:, None] @ true_atoms[places])[:, 0]
    learnt = learn_dictionary(samples, 24, sparsity=2, rounds=30)
    assert ((learnt @ true_atoms.T).abs().amax(0) > 0.98).float().mean() > 0.8


@pytest.mark.parametrize("kind", ["anr", "aplus", "ne-lle"])
def test_fitted_methods_gain_on_interpolation(kind: str, tmp_path: Path) -> None:
    """On images of the kind that they learnt from, and the same weights come out again."""
    seen, unseen = _images(tmp_path / "seen", 6), _images(tmp_path / "unseen", 8)
    for number in range(6):
        (unseen / f"{number}.png").unlink()
    paths = [tmp_path / f"{kind}-{number}.safetensors" for number in (1, 2)]
    for path in paths:
        facts = vsr.fit_dictionary(kind, path, scale=2, data=seen, num_atoms=64, most_anchored_samples=20_000)
        assert (facts.architecture, facts.scales) == (kind, (2,))
    assert paths[0].read_bytes() == paths[1].read_bytes()
    fitted, plain = vsr.evaluate([str(paths[0]), "bicubic"], 2, unseen).results
    assert fitted.mean.psnr_y > plain.mean.psnr_y + 0.5


def test_atoms_are_taken_over(tmp_path: Path) -> None:
    seen = _images(tmp_path / "seen", 3)
    vsr.fit_dictionary("anr", tmp_path / "anr.safetensors", data=seen, num_atoms=40)
    vsr.fit_dictionary("ne-lle", tmp_path / "lle.safetensors", dictionary=str(tmp_path / "anr.safetensors"))
    with pytest.raises(UsageError, match="x2, not x3"):
        vsr.fit_dictionary("ne-lle", tmp_path / "x3.safetensors", scale=3, dictionary=str(tmp_path / "anr.safetensors"))
    with pytest.raises(UsageError, match="not a dictionary"):
        vsr.fit_dictionary("anr", tmp_path / "x.safetensors", dictionary="lite")
    with pytest.raises(UsageError, match="there already"):
        vsr.fit_dictionary("anr", tmp_path / "anr.safetensors", data=seen)


def test_what_teaches_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    out = tmp_path / "anr.safetensors"
    with pytest.raises(UsageError, match="did you mean 'anr'"):
        vsr.fit_dictionary("arn", out)
    with pytest.raises(UsageError, match="no data"):
        vsr.fit_dictionary("anr", out)
    with pytest.raises(InputError, match="no image"):
        vsr.fit_dictionary("anr", out, data=tmp_path / "empty")
    small = _images(tmp_path / "small", 2, side=5)
    with pytest.raises(InputError, match="6 pixels"):
        vsr.fit_dictionary("anr", out, data=small)
    few = _images(tmp_path / "few", 1, side=24)
    with pytest.raises(InputError, match="fewer than the 1024 atoms"):
        vsr.fit_dictionary("anr", out, data=few)
    (few / "clip.mp4").write_bytes(b"")
    with pytest.raises(InputError, match="separate them"):
        vsr.fit_dictionary("anr", out, data=few)
    assert not out.exists()

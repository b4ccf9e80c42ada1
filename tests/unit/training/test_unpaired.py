"""Degradations learnt without pairs: where generators begin, what they learn, runs that keep it, what is refused."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from videos import scene

import vsr
from vsr.errors import InputError, UsageError
from vsr.metrics import shrink_bicubic
from vsr.training.config import make_config
from vsr.training.degradations import Fitted, parse_chain
from vsr.training.setup import prepare
from vsr.training.unpaired.fitting import fit_degradation
from vsr.training.unpaired.generators import Enlarger, Shrinker
from vsr.training.unpaired.keeping import DEGRADATION
from vsr.training.unpaired.objectives import OBJECTIVES, Kind

NOISE_CODES = 24.0


def _generator(seed: int = 3) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _clean(count: int, seed: int) -> list[Tensor]:
    """Clips of one frame, ``(1, 96, 96, 3)`` uint8."""
    return [torch.from_numpy(scene(1, 96, 96, seed=seed + number)) for number in range(count)]


def _degraded(count: int, seed: int) -> list[Tensor]:
    """Others, halved and noisy, ``(1, 48, 48, 3)`` uint8."""
    clips = []
    for number, clip in enumerate(_clean(count, seed)):
        small = shrink_bicubic(clip[0].permute(2, 0, 1).double(), (48, 48))
        noisy = small + NOISE_CODES * torch.randn(small.shape, generator=_generator(number))
        clips.append(noisy.round().clamp(0, 255).byte().permute(1, 2, 0)[None])
    return clips


class _Learnt:
    """Follows `fit_degradation` to its end."""

    def __init__(self, learning: Generator[tuple[int, float], None, Shrinker]) -> None:
        self._learning = learning
        self.reported = list(self)

    def __iter__(self) -> Iterator[tuple[int, float]]:
        self.shrinker = yield from self._learning


def _result(learning: Generator[tuple[int, float], None, Shrinker]) -> Shrinker:
    return _Learnt(learning).shrinker


@pytest.mark.parametrize("scale", [2, 3])
def test_generators_begin_as_interpolation(scale: int) -> None:
    image = torch.rand(2, 3, 16 * scale, 20 * scale, generator=_generator())
    with torch.no_grad():
        made = Shrinker(scale)(image, None)
        enlarged = Enlarger(scale)(made)
    requested = shrink_bicubic(image.double(), (16, 20)).float()
    torch.testing.assert_close(made[..., 2:-2, 2:-2], requested[..., 2:-2, 2:-2], atol=0.02, rtol=0)
    assert enlarged.shape == image.shape
    assert float((enlarged - image).abs().mean()) < float((image - image.mean()).abs().mean())


def test_whatever_is_learnt_the_kernel_shifts_nothing() -> None:
    shrinker = Shrinker(2)
    with torch.no_grad():
        shrinker.weights += 0.1 * torch.rand(shrinker.weights.shape, generator=_generator())
    kernel = shrinker.kernel().detach()
    torch.testing.assert_close(kernel, kernel.flip(0, 1))
    assert float(kernel.sum()) == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_the_same_images_and_seed_give_the_same_degradation(kind: Kind) -> None:
    clean, degraded = _clean(2, 0), _degraded(2, 50)
    first, again = (_result(fit_degradation(kind, clean, degraded, 2, steps=2, seed=4)) for _ in range(2))
    states = first.state_dict(), again.state_dict()
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    frames = clean[0].movedim(-1, -3).float()
    step = Fitted(first)
    made = step(frames, _generator())
    assert made.shape == (1, 3, 48, 48)
    assert torch.equal(made, made.round())
    assert torch.equal(made, step(frames, _generator()))


def _write(folder: Path, clips: list[Tensor]) -> Path:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    folder.mkdir()
    for number, clip in enumerate(clips):
        image.fromarray(np.ascontiguousarray(clip[0].numpy())).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    """A run of two steps of either kind."""
    return {
        "network": "espcn", "scale": 2, "patch_px": 12, "batch": 2, "steps": 2, "threads": 1, "data_workers": 0,
        "degradations": [{"learnt": {"kind": "dsgan", "training_steps": 2}}],
        "data": [str(_write(tmp_path / "clean", _clean(2, 0)))],
        "degraded": [str(_write(tmp_path / "degraded", _degraded(2, 50)))],
    }  # fmt: skip


def test_a_run_keeps_what_it_learnt_and_finds_it_again(config: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = vsr.train(config, out)
    card = done.card.read_text()
    assert "Learnt from degraded, without pairs." in card
    weights, kept = done.weights.read_bytes(), out / DEGRADATION
    written = kept.stat().st_mtime_ns
    (out / "checkpoint.safetensors").unlink()
    assert vsr.train(config, out).weights.read_bytes() == weights
    assert kept.stat().st_mtime_ns == written
    _write(tmp_path / "others", _degraded(2, 70))
    with pytest.raises(UsageError, match="belongs to a run with degraded"):
        vsr.train({**config, "degraded": str(tmp_path / "others")}, out)


def test_what_teaches_no_degradation_is_refused(config: dict[str, Any], tmp_path: Path) -> None:
    def refused(kind: type[Exception], message: str, **changes: Any) -> None:
        with pytest.raises(kind, match=message):
            prepare(make_config({**config, **changes}, "test"), None)

    refused(UsageError, "name folders of images or videos like those to be restored", degraded=None)
    refused(UsageError, "nothing is learnt from it", degradations=["bicubic"])
    refused(UsageError, "training_steps = 0: allowed are 1", degradations=[{"learnt": {"training_steps": 0}}])
    refused(UsageError, "learnt.kind = 'gan'", degradations=[{"learnt": {"kind": "gan"}}])
    empty, tiny = tmp_path / "empty", _write(tmp_path / "tiny", [clip[:, :30, :30] for clip in _degraded(1, 0)])
    empty.mkdir()
    refused(InputError, "holds no image", degraded=str(empty))
    refused(InputError, "none of 1 images is large enough", degraded=str(tiny))
    mixed = _write(tmp_path / "mixed", _degraded(1, 0))
    (mixed / "clip.mp4").write_bytes(b"")
    refused(InputError, "holds images .* and videos", degraded=str(mixed))
    with pytest.raises(UsageError, match="is learnt when a run begins"):
        parse_chain(["learnt"], 2)(torch.zeros(1, 3, 8, 8), _generator())
    small = _write(tmp_path / "small", [clip[:, :40, :40] for clip in _clean(1, 0)])
    with pytest.raises(InputError, match="no clean image has 80 pixels a side"):
        vsr.train({**config, "data": str(small)}, tmp_path / "run")

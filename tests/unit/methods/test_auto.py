"""The usual method: what a network makes of each frame, corrected by what the frames recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsr.demo import make_clip
from vsr.errors import UsageError
from vsr.frames import ColorSpec, VideoFrame
from vsr.media.compression import compress_luma
from vsr.media.layouts import LAYOUTS
from vsr.methods import Geometry, find_method, restore_shot
from vsr.methods.auto import AutoOptions, leading_network, prepare_auto
from vsr.methods.method import part_of
from vsr.methods.network.model import resolve_model
from vsr.methods.source import estimator_digest
from vsr.metrics import luma_bt601, psnr
from vsr.observation import simulate
from vsr.pipeline.sidecar import canonical

pytest.importorskip("cv2", reason="OpenCV is not installed")
pytest.importorskip("skimage", reason="scikit-image, whose photographs the clip shows, is not installed")

_BOTH = ("auto", "multiframe")


@dataclass(frozen=True)
class Clip:
    """A small clip and the ground truth."""

    hr: Tensor
    """``(T, H, W)`` in codes."""
    frames: Sequence[VideoFrame]


def _frames(images: NDArray[np.uint8]) -> list[VideoFrame]:
    return [
        VideoFrame((torch.from_numpy(image.copy()),), LAYOUTS["gray"], ColorSpec(), i, i, Fraction(1, 25))
        for i, image in enumerate(images)
    ]


@pytest.fixture(scope="module")
def hr() -> Tensor:
    frames = make_clip(5, lr_height=96, lr_width=128).hr_frames
    return torch.stack([luma_bt601(torch.from_numpy(frame).permute(2, 0, 1).double())[:192, :256] for frame in frames])


def _shrunk(hr: Tensor) -> NDArray[np.uint8]:
    """By area averaging, as most video is made smaller; in video range, as most video is."""
    small = torch.nn.functional.avg_pool2d(hr[:, None], 2)[:, 0]
    return small.round().clamp(0, 255).to(torch.uint8).numpy()


@pytest.fixture(scope="module", params=["clean", "compressed"])
def clip(request: pytest.FixtureRequest, hr: Tensor) -> Clip:
    small = _shrunk(hr)
    if request.param == "compressed":
        small = compress_luma(small, "h264", 26)
    return Clip(hr, _frames(small))


def _restored(method: str, frames: Sequence[VideoFrame], **options: object) -> list[VideoFrame]:
    row = find_method(method)
    geometry = Geometry(frames[0].width, frames[0].height, 2 * frames[0].width, 2 * frames[0].height)
    prepared = row.prepare(geometry, replace(row.options_type(), **options), "cpu")
    return list(restore_shot(prepared, geometry, frames))


def _psnr(clip: Clip, method: str) -> float:
    made = torch.stack([frame.planes[0] for frame in _restored(method, clip.frames)]).double()
    inner = (slice(None), slice(8, -8), slice(8, -8))
    return float(psnr(made.round().clamp(0, 255)[inner], clip.hr.round()[inner]))


def test_it_is_the_best_and_recorded_frames_alone_do_no_harm(clip: Clip) -> None:
    reached = {name: _psnr(clip, name) for name in ("lanczos", "lite", "multiframe", "auto")}
    assert reached["multiframe"] > reached["lanczos"] - 0.05, reached
    assert reached["auto"] > max(reached.values()) - 0.15, reached
    assert reached["auto"] > reached["lanczos"] + 0.3, reached


def test_its_estimates_are_findings(hr: Tensor) -> None:
    clean, worse = _shrunk(hr), compress_luma(_shrunk(hr), "h264", 32)
    found = [_restored("auto", _frames(frames))[0].findings for frames in (clean, worse)]
    names = {"source_blur_px", "source_noise_codes", "source_compression_codes", "guess_weight", "frames_used"}
    assert all(names <= one.keys() for one in found)
    assert found[0]["source_compression_codes"] < found[1]["source_compression_codes"]
    assert found[0]["guess_weight"] < found[1]["guess_weight"]


def test_compression_that_is_known_is_not_looked_for(hr: Tensor) -> None:
    frames = _frames(compress_luma(_shrunk(hr), "h264", 32))
    [first, *_] = _restored("auto", frames, compression_codes=0.0)
    assert first.findings["source_compression_codes"] == pytest.approx(0, abs=1e-6)


def test_known_compression_changes_the_mixture_that_leads(hr: Tensor) -> None:
    """Not only how its image is weighed: the guess itself is another one."""
    frames, geometry = _frames(_shrunk(hr)), Geometry(128, 96, 256, 192)
    guesses = []
    for codes in (0.0, 16.0):
        restorer = prepare_auto(geometry, AutoOptions(compression_codes=codes), "cpu").open(geometry)
        learnt = part_of(restorer.adapt(frames[:9]), "guess.")
        assert restorer._guesser is not None
        guesses += list(restorer._guesser.guesses(frames[:1], learnt))
    assert float((guesses[0] - guesses[1]).abs().mean()) > 0.5 / 255


def test_a_network_leads_to_where_the_samples_lie(hr: Tensor) -> None:
    """Every second sample from the first (BD) sits half an output pixel off the middle of its block."""
    small = simulate(hr, "BD", 2).round().clamp(0, 255).to(torch.uint8).numpy()
    frames, geometry = _frames(small), Geometry(128, 96, 256, 192)
    restorer = prepare_auto(geometry, AutoOptions(degradation="BD", compression_codes=0.0), "cpu").open(geometry)
    assert restorer._guesser is not None
    learnt = part_of(restorer.adapt(frames), "guess.")
    [guess] = restorer._guesser.guesses(frames[:1], learnt)
    moved = [
        psnr(torch.roll(hr[0], (step, step), (0, 1))[8:-8, 8:-8], 255 * guess[8:-8, 8:-8].double())
        for step in (-1, 0, 1)
    ]
    assert moved[1] > max(moved[0], moved[2]) + 1.0


@pytest.mark.parametrize("codes", [-1.0, 64.1, float("nan"), float("inf")])
def test_compression_that_cannot_be_is_refused(codes: float) -> None:
    with pytest.raises(UsageError, match=r"compression_codes is .*; allowed are 0 \(nothing was compressed\) to 64"):
        AutoOptions(compression_codes=codes)


def test_it_says_that_a_network_took_part() -> None:
    geometry = Geometry(64, 48, 128, 96)
    prepared = {name: find_method(name).prepare(geometry, find_method(name).options_type(), "cpu") for name in _BOTH}
    assert [prepared[name].capabilities.evidence for name in _BOTH] == ["learned", "observation-model"]
    model = resolve_model("video", geometry, torch.device("cpu"), one_by_one=True)
    assert [prepared[name].describe()["model"] for name in _BOTH] == [model, None]


@pytest.mark.parametrize(
    ("size", "name"),
    [((65, 49), "video"), ((128, 96), "video"), ((130, 97), "video"), ((160, 120), "lite"), ((256, 192), "video")],
)
def test_a_network_that_remembers_leads_where_it_enlarges(size: tuple[int, int], name: str) -> None:
    geometry = Geometry(64, 48, *size)
    assert leading_network(geometry) == name
    prepared = prepare_auto(geometry, AutoOptions(), "cpu")
    assert prepared.describe()["model"].parts[0].name == name


def test_the_network_that_leads_remembers(hr: Tensor) -> None:
    """A frame by itself is expected otherwise than after others; the first is expected as by itself."""
    frames, geometry = _frames(_shrunk(hr)), Geometry(128, 96, 256, 192)
    restorer = prepare_auto(geometry, AutoOptions(), "cpu").open(geometry)
    assert restorer._guesser is not None
    learnt = part_of(restorer.adapt(frames), "guess.")
    along = list(restorer._guesser.guesses(frames, learnt))
    alone = [guess for frame in frames for guess in restorer._guesser.guesses([frame], learnt)]
    assert torch.equal(along[0], alone[0])
    assert all(float((a - b).abs().max()) > 1e-3 for a, b in zip(along[1:], alone[1:], strict=True))


@pytest.mark.parametrize("degradation", ["BI", "BD"])
def test_known_compression_counts_where_the_degradation_is_known_too(hr: Tensor, degradation: str) -> None:
    frames = _frames(_shrunk(hr))
    plain, given = (
        _restored("multiframe", frames, degradation=degradation, compression_codes=codes)[0].findings["guess_weight"]
        for codes in (None, 6.0)
    )
    assert plain == 0 < given


def test_segments_and_records_know_the_estimator() -> None:
    geometry, digest = Geometry(64, 48, 128, 96), estimator_digest()
    for name, estimator in (("auto", digest), ("multiframe", digest), ("lanczos", None), ("lite", None)):
        method = find_method(name)
        prepared = method.prepare(geometry, method.options_type(), "cpu")
        described = canonical(prepared.describe())
        assert described["estimator"] == estimator
        assert prepared.key().get("estimator") == estimator  # lite's own weights are recorded as a whole
        assert method.is_as_recorded(described)
        if estimator is not None:
            assert not method.is_as_recorded({**described, "estimator": "another"})


def test_before_a_camera_at_rest_the_network_alone_makes_the_result(hr: Tensor) -> None:
    still = _frames(np.repeat(_shrunk(hr[:1]), 4, axis=0))
    moving = _frames(_shrunk(hr)[:4])
    geometry = Geometry(128, 96, 256, 192)
    auto = prepare_auto(geometry, AutoOptions(), "cpu")
    for frames, at_rest in ((still, 1.0), (moving, 0.0)):
        results = list(restore_shot(auto, geometry, frames))
        network = list(restore_shot(auto.network, geometry, frames))
        assert [result.findings["at_rest"] for result in results] == [at_rest] * 4
        same = [torch.equal(a.planes[0], b.planes[0]) for a, b in zip(results, network, strict=True)]
        assert all(same) if at_rest else not any(same[1:])

"""Several methods as one: the same as each over the whole shot, wherever segments are cut."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import accumulate
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vsr.frames import ColorSpec, PixelLayout, VideoFrame
from vsr.methods import METHODS, NOT_ADAPTED, Adaptation, Capabilities, Geometry, Prepared, restore_shot
from vsr.methods.method import Place
from vsr.methods.passes.compose import PreparedComposition, Step, compose

GRAY = PixelLayout("gray", "gray", 8)
SIZE = Geometry(6, 4, 6, 4)


@dataclass(frozen=True)
class _Options:
    amount: float = 1.0
    """Strength."""


class _Restorer:
    """Sums over frames that depend on all that a restorer may depend on: context, chain and adaptation."""

    def __init__(self, needs: Capabilities, amount: float) -> None:
        self._needs, self._amount = needs, amount

    def adapt(self, frames: Sequence[VideoFrame]) -> Adaptation:
        assert len(frames) <= self._needs.adapt_frames
        return {"level": torch.stack([frame.planes[0].double().mean() for frame in frames]).sum()}

    def restore(self, frames: Iterable[VideoFrame], adaptation: Adaptation = NOT_ADAPTED) -> Iterator[VideoFrame]:
        taken = list(frames)
        core = [number for number, frame in enumerate(taken) if not frame.is_halo]
        images = [frame.planes[0].float() for frame in taken]
        halo, length, level = self._needs.halo_frames, self._needs.chain_frames, float(adaptation.get("level", 0.0))
        assert not core or core[0] <= halo
        assert not core or len(taken) - 1 - core[-1] <= halo
        for start in range(core[0], core[-1] + 1, length) if core else ():
            own = range(start, min(start + length, core[-1] + 1))
            forward = list(accumulate((_around(images, n, halo) for n in own), lambda a, b: a / 2 + b))
            backward = list(accumulate((images[n] for n in reversed(own)), lambda a, b: a / 2 + b))[::-1]
            for n, one, other in zip(own, forward, backward, strict=True):
                mixed = self._amount * (one + other) / 8 + level / 100
                found = {"seen": float(other.mean())} if self._amount == 1.0 else {}
                yield replace(taken[n], planes=(mixed,), findings=found)


def _around(images: Sequence[torch.Tensor], number: int, halo: int) -> torch.Tensor:
    near = [n for n in range(number - halo, number + halo + 1) if 0 <= n < len(images)]
    return torch.stack([images[n] * (1 + (n - number) / 9) for n in near]).mean(0)


@dataclass(frozen=True)
class _Prepared(Prepared[_Options]):
    needs: Capabilities

    @property
    def capabilities(self) -> Capabilities:
        return self.needs

    def key(self) -> Mapping[str, Any]:
        return {"needs": self.needs}

    def open(self, geometry: Geometry) -> _Restorer:
        assert (geometry.width, geometry.height) == (geometry.out_width, geometry.out_height)
        return _Restorer(self.needs, self.options.amount)


def _pass(halo: int, length: int, survey: int, place: Place = "before", *, amount: float = 0.9) -> Step:
    needs = Capabilities("observation-model", halo, length, survey, keeps_size=True)
    return Step(f"h{halo}c{length}", place, _Prepared(_Options(amount), "cpu", needs))


def _main() -> Prepared[Any]:
    return METHODS["none"].prepare(SIZE, METHODS["none"].options_type(), "cpu")


def _frames(count: int) -> list[VideoFrame]:
    images = torch.randint(0, 256, (count, 4, 6), generator=torch.Generator().manual_seed(3)).to(torch.uint8)
    return [VideoFrame((p,), GRAY, ColorSpec(), 50 + n, 2 * n, Fraction(1, 50)) for n, p in enumerate(images)]


def _in_segments(
    prepared: Prepared[Any], frames: Sequence[VideoFrame], origin: int, stop: int, starts: Sequence[int]
) -> list[VideoFrame]:
    """As the pipeline runs it: frames ``origin`` to ``stop`` of a shot, in segments that begin at ``starts``."""
    restorer, needs = prepared.open(SIZE), prepared.capabilities
    adaptation = restorer.adapt(frames[: needs.adapt_frames]) if needs.adapt_frames else NOT_ADAPTED
    made: list[VideoFrame] = []
    for start, end in zip(starts, (*starts[1:], stop), strict=True):
        low, high = max(0, start - needs.halo_frames), min(len(frames), end + needs.halo_frames)
        part = [replace(frames[n], is_halo=not start <= n < end) for n in range(low, high)]
        made += restorer.restore(part, adaptation)
    return made


_steps = st.tuples(st.integers(0, 3), st.sampled_from([1, 2, 3, 4]), st.integers(0, 3))


@settings(max_examples=150, deadline=None)
@given(st.lists(_steps, min_size=1, max_size=3), st.integers(1, 40), st.data())
def test_segments_do_not_show(steps: list[tuple[int, int, int]], count: int, data: st.DataObject) -> None:
    prepared = compose([_pass(*step) for step in steps], "none", _main(), [])
    origin = data.draw(st.integers(0, count - 1))
    stop = data.draw(st.integers(origin + 1, count))
    chain = prepared.capabilities.chain_frames
    borders = range(origin + chain, stop, chain)
    cuts = data.draw(st.lists(st.sampled_from(borders), unique=True) if borders else st.just([]))
    whole = _in_segments(prepared, _frames(count), origin, stop, [origin])
    parts = _in_segments(prepared, _frames(count), origin, stop, [origin, *sorted(cuts)])
    assert [f.ordinal for f in whole] == list(range(50 + origin, 50 + stop)) == [f.ordinal for f in parts]
    assert all(torch.equal(a.planes[0], b.planes[0]) for a, b in zip(whole, parts, strict=True))


@pytest.mark.parametrize("count", [1, 2, 7, 30])
def test_a_whole_shot_is_each_step_over_the_whole_shot(count: int) -> None:
    """Also what later steps learn is of what earlier ones made."""
    steps = [_pass(2, 1, 3), _pass(1, 4, 2), _pass(3, 2, 4)]
    expected: list[VideoFrame] = _frames(count)
    for step in steps:
        expected = [
            replace(f, planes=(f.planes[0].clamp(0, 255),)) for f in restore_shot(step.prepared, SIZE, expected)
        ]
    made = list(restore_shot(compose(steps, "none", _main(), []), SIZE, _frames(count)))
    assert [f.ordinal for f in made] == [f.ordinal for f in expected]
    for one, other in zip(made, expected, strict=True):
        torch.testing.assert_close(one.planes[0], other.planes[0], rtol=1e-5, atol=1e-3)


def test_needs_add_up() -> None:
    before, after = [_pass(2, 1, 3), _pass(5, 1, 0)], [_pass(1, 6, 4, "after"), _pass(2, 4, 0, "after")]
    needs = compose(before, "none", _main(), after).capabilities
    assert needs.chain_frames == 12
    assert needs.halo_frames == 2 + 5 + 1 + 2 + (6 - 1)  # the chain of 6 that the last step's context ends in
    assert needs.adapt_frames == 4 + 5 + 2
    assert compose([_pass(2, 1, 0)], "none", _main(), [_pass(3, 1, 0, "after")]).capabilities.halo_frames == 5
    assert not needs.keeps_size


def test_the_weakest_evidence_counts() -> None:
    main = _main()
    learned = replace(_pass(0, 1, 0).prepared, needs=Capabilities("learned", keeps_size=True))
    assert main.capabilities.evidence == "interpolation"
    assert compose([_pass(0, 1, 0)], "none", main, []).capabilities.evidence == "observation-model"
    assert compose([Step("a", "before", learned), _pass(0, 1, 0)], "none", main, []).capabilities.evidence == "learned"


def test_passes_have_the_sizes_of_their_places() -> None:
    method = METHODS["bicubic"]
    geometry = Geometry(6, 4, 12, 8)
    prepared = compose(
        [_pass(1, 1, 0)], "bicubic", method.prepare(geometry, method.options_type(), "cpu"), [_pass(1, 1, 0, "after")]
    )
    made = list(prepared.open(geometry).restore(_frames(3)))
    assert [tuple(frame.planes[0].shape) for frame in made] == [(8, 12)] * 3


def test_all_steps_decide_the_key_and_are_recorded() -> None:
    one = compose([_pass(1, 1, 0)], "none", _main(), [])
    other = compose([_pass(1, 1, 0, amount=0.5)], "none", _main(), [])
    assert one.key() != other.key()
    assert pickle.loads(pickle.dumps(one)) == one
    [described] = one.describe()["passes"]
    assert (described["name"], described["place"], described["options"]) == ("h1c1", "before", _Options(0.9))
    assert dict(one.plan_rows())["order"] == "h1c1, then none"
    assert "amount=0.9" in dict(one.plan_rows())["pass"]


def test_findings_of_all_steps_are_kept() -> None:
    prepared = compose([_pass(1, 1, 0, amount=1.0)], "none", _main(), [_pass(1, 2, 0, "after")])
    made = list(prepared.open(SIZE).restore(_frames(24)))
    assert all("seen" in frame.findings for frame in made)
    assert ["lr_psnr_db" in frame.findings for frame in made] == [frame.ordinal % 24 == 0 for frame in made]


def test_without_passes_a_method_is_itself() -> None:
    main = _main()
    assert compose([], "none", main, []) is main
    assert isinstance(compose([_pass(0, 1, 0)], "none", main, []), PreparedComposition)

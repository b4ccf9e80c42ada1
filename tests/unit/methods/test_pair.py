"""The mark of small files: written in words, read from tags, never taken for a path."""

from __future__ import annotations

import pytest

from vsr.methods import Pair, find_pair
from vsr.methods.network.rescaling import find_here
from vsr.pipeline.provenance import label

DIGEST = "0123456789abcdef" * 4
PAIR = Pair("rescale", 2, DIGEST)


def test_what_a_label_says_is_found_again() -> None:
    tags = {"title": "a film", "PROVENANCE": label("rescale", "learned", {"encoder": "Lavf61"}, PAIR)}
    assert find_pair(tags) == PAIR
    assert find_pair({"encoder": label("rescale", "learned", {})}) is None
    assert find_pair({}) is None


def test_what_the_source_said_is_not_true_of_the_result() -> None:
    small = {"encoder": label("rescale", "learned", {}, PAIR)}
    assert DIGEST in label("rescale", "learned", small)
    assert find_pair({"encoder": label("rescale", "learned", small)}) is None


@pytest.mark.parametrize(
    "said",
    [
        f"pair rescale x0 {DIGEST}",
        f"pair rescale x2 {DIGEST[1:]}",
        f"pair rescale {DIGEST}",
        f"pair ../../rescale x2 {DIGEST}",
        f"pair /tmp/rescale x2 {DIGEST}",
        f"repair rescale x2 {DIGEST}",
    ],
)
def test_what_is_no_mark_is_none(said: str) -> None:
    assert find_pair({"comment": said}) is None


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("rescale", "rescale"),
        ("/models/my pair-x2.safetensors", "my_pair"),
        ("pairs/other-x4.pth", "other"),
        ("plain.safetensors", "plain"),
    ],
)
def test_files_are_called_as_they_are_found_by_name(name: str, called: str) -> None:
    assert Pair.of(name, 2, [DIGEST]).name == called


def test_several_networks_have_a_digest_of_all() -> None:
    one, other = (Pair.of("a", 4, [*digests]) for digests in ((DIGEST, DIGEST[::-1]), (DIGEST[::-1], DIGEST)))
    assert len(one.digest) == 64
    assert one.digest not in (other.digest, DIGEST)


@pytest.mark.parametrize("name", ["no_such_pair", "lanczos", "lite", "evil.safetensors", ".."])
def test_a_name_that_is_no_pair_here_is_none(name: str) -> None:
    assert find_here(Pair(name, 2, DIGEST)) is None

"""What evidence mode refuses, and what outputs say of themselves."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from vsr.errors import UsageError
from vsr.pipeline.evidence import check_evidence
from vsr.pipeline.provenance import image_text, label, sentence
from vsr.pipeline.settings import Settings


@dataclass(frozen=True)
class _Options:
    half: bool = False


@pytest.mark.parametrize("evidence", ["learned", "generative"])
def test_learned_and_generative_methods_are_refused(evidence: str) -> None:
    with pytest.raises(UsageError, match=f"--evidence allows no {evidence} method.*multiframe") as error:
        check_evidence(evidence, Settings(evidence=True, method="some-net"), None)  # type: ignore[arg-type]
    assert "\n" not in str(error.value)
    check_evidence(evidence, Settings(method="some-net"), None)  # type: ignore[arg-type]


def test_half_precision_is_refused() -> None:
    with pytest.raises(UsageError, match="half"):
        check_evidence("observation-model", Settings(evidence=True), _Options(half=True))
    check_evidence("observation-model", Settings(evidence=True), _Options())
    check_evidence("observation-model", Settings(), _Options(half=True))


def test_every_class_says_whether_a_generative_model_took_part() -> None:
    for evidence in ("interpolation", "observation-model", "learned"):
        assert "no generative model took part" in sentence(evidence)  # type: ignore[arg-type]
    assert "no generative" not in sentence("generative")
    assert "a generative model took part" in sentence("generative")


def test_what_the_source_said_is_handed_on() -> None:
    """An output made from a generated one must not look as if nothing had been invented."""
    earlier = label("dream", "generative", {})
    said = image_text("multiframe", "observation-model", {"ENCODER": earlier}).comment
    assert "a generative model took part" in said.split("its source said:")[1]
    assert "its source said" not in label("multiframe", "observation-model", {"encoder": "Lavf61"})
    assert label("lanczos", "interpolation", {}).isascii()

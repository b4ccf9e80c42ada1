"""Names and prose use the terms of the field (CONTRIBUTING.md); words that were replaced do not come back."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_FOLDERS = ("vsr", "configs", "scripts", "benchmarks", "examples", "pipelines", "tests", "docs")
_SUFFIXES = (".py", ".md", ".yaml", ".js", ".j2", ".html")

_TERMS = {
    r"truths?": "ground truth, HR, reference",
    r"told": "estimated, given, reported",
    r"untold": "unknown",
    r"wanted": "requested, needed",
    r"misfits?": "residual",
    r"belie(?:f|ved?|ves|ving)": "confidence, weight",
    r"trust": "confidence, weight",
    r"wild": "outlier",
    r"opponent": "discriminator",
    r"anew": "again; reset, restart",
    r"run-in": "warm-up",
    r"mend(?:s|ed|ing)?": "repair",
    r"recorded again": "degraded again",
    r"made worse": "degraded",
    r"running mean": "EMA",
    r"pictures?": "image, frame",
}
"""Pattern of a word, as a whole or a part of an identifier between underscores, and what to write instead."""

_ALLOWED = re.compile(
    r"(?i)ground[ _]truths?|mended_times|told_(?:blur_px|noise_codes)|[`\"]mended[`\"]|prediction_misfits"
    r"|`trust` and `believed"
    r"|groups? of pictures|attached picture|picture coding extension|_MPEG[24]_PICTURE"
    r"|keep_pictures|seconds_per_picture|whole_picture"
    r"|trust[ _]lists?"
)
"""The term itself; keys of older manifests and records; a module's old interface in the changelog; pictures
of the standards of video; a setting of training, a column of scores and a key of the records of stills; lists of the
certificates that signatures may rest on."""

_EXEMPT = {"tests/unit/test_words.py", "docs/adr/0084-rooms-by-kind.md"}


def _texts() -> list[Path]:
    found = [path for folder in _FOLDERS for path in (_ROOT / folder).rglob("*") if path.suffix in _SUFFIXES]
    return [_ROOT / "README.md", _ROOT / "CHANGELOG.md", *sorted(found)]


@pytest.mark.parametrize("pattern", _TERMS)
def test_words_of_the_field(pattern: str) -> None:
    word = re.compile(rf"(?i)(?<![a-z]){pattern}(?![a-z])")
    lines = [
        f"{path.relative_to(_ROOT)}:{number}: {line.strip()}"
        for path in _texts()
        if str(path.relative_to(_ROOT)) not in _EXEMPT
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if word.search(_ALLOWED.sub("", line))
    ]
    assert not lines, f"write {_TERMS[pattern]} instead:\n" + "\n".join(lines)

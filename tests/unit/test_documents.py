"""README and ``docs/``: commands have these options and settings, links lead somewhere, pages are listed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from vsr.cli import app
from vsr.pipeline.settings import is_setting, list_presets

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMAND: Any = typer.main.get_command(app)
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def _commands(text: str) -> Iterator[list[str]]:
    """The words behind each ``vsr`` of the shell blocks, up to the end of the line or of its part of a pipe."""
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            ends = [number for number, word in enumerate(words) if word in ("|", ">")] + [len(words)]
            starts = [0, *(end + 1 for end in ends)]
            for start, end in zip(starts, ends, strict=False):
                if words[start:end] and words[start] == "vsr":
                    yield words[start + 1 : end]


def _parse(words: list[str]) -> dict[str, Any]:
    """The parameters of a command, as the command line reads them; raises what a wrong one raises."""
    command = COMMAND
    rest = words
    while hasattr(command, "commands"):
        if rest[0] in {option for parameter in command.params for option in parameter.opts}:
            return {}  # of the program itself, which does no more then
        assert rest[0] in command.commands, f"vsr has no command {rest[0]}"
        command, rest = command.commands[rest[0]], rest[1:]
    return dict(command.make_context(words[0], list(rest)).params)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_command_can_be_given(page: Path) -> None:
    for words in _commands(page.read_text()):
        given = _parse(words)
        if words[0] in ("upscale", "evaluate"):
            keys = {assignment.partition("=")[0] for assignment in given.get("set_") or ()}
            assert all(map(is_setting, keys)), words
        preset = given.get("preset") or "default"
        assert preset in list_presets() or preset.endswith(".yaml"), words


def test_commands_are_found() -> None:
    found = list(
        _commands("```sh\nvsr probe a.mp4  # look\nx | vsr upscale - \\\n  -o - > b\n```\n```python\nvsr.probe\n```\n")
    )
    assert found == [["probe", "a.mp4"], ["upscale", "-", "-o", "-"]]
    assert len(list(_commands((ROOT / "docs" / "usage.md").read_text()))) > 50


def _anchors(page: Path) -> set[str]:
    """Headings of a page, as GitHub names them in addresses."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        there = page.parent / name if name else page
        assert there.exists(), target
        assert not anchor or anchor in _anchors(there), target


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def _pages(nav: Any) -> Iterator[str]:
    for entry in nav if isinstance(nav, list) else nav.values():
        if isinstance(entry, str):
            yield entry
        else:
            yield from _pages(entry)


def test_navigation_has_every_page() -> None:
    listed = set(_pages(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))
    decisions = re.compile(r"adr/\d{4}-")
    pages = {str(page.relative_to(ROOT / "docs")) for page in PAGES[2:]}
    assert {page for page in pages if not decisions.match(page)} <= listed


def test_every_decision_is_in_the_index_under_its_title() -> None:
    folder = ROOT / "docs" / "adr"
    rows = re.findall(r"^\| (\d+) \| \[(.*)\]\((\S+)\) \|", (folder / "index.md").read_text(), re.MULTILINE)
    records = sorted(folder.glob("[0-9]*.md"))
    titles = [re.fullmatch(r"# (\d+)\. (.*)", record.read_text().splitlines()[0]) for record in records]
    assert sorted((int(number), title, name) for number, title, name in rows) == [
        (int(title[1]), title[2], record.name) for title, record in zip(titles, records, strict=True) if title
    ]

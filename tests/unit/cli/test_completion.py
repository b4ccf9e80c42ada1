"""What shells offer: the real tables, quickly, and in a real bash at a terminal."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer._completion_shared import get_completion_script

from vsr.catalogue import METHOD_ENTRIES, PASS_ENTRIES
from vsr.cli import app, completion
from vsr.cli.console import run_guarded
from vsr.media.codecs import CODECS
from vsr.methods import METHODS, PASSES, is_network
from vsr.pipeline.presets import list_presets
from vsr.pipeline.settings import load_settings
from vsr.training.train import list_recipes

Offered = Callable[[str], list[str]]


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Offered:
    """What bash gets for a command line whose last word is to be completed."""

    def ask(line: str) -> list[str]:
        monkeypatch.setenv("_VSR_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
        with pytest.raises(SystemExit) as ended:
            run_guarded(app)
        assert ended.value.code == 0
        caught = capsys.readouterr()
        assert caught.err == ""
        return caught.out.split()

    return ask


def test_the_catalogue_is_what_there_is() -> None:
    assert list(METHOD_ENTRIES) == list(METHODS)
    assert list(PASS_ENTRIES) == list(PASSES)


def test_what_is_offered_can_be_chosen() -> None:
    assert all(name in METHODS or is_network(name) for name, _ in completion.methods())
    assert {"lite", "video"} <= {name for name, _ in completion.networks()}
    assert [name for name, _ in completion.recipes()] == list(list_recipes())
    for name, _ in completion.presets():
        load_settings(name, {})
    for key, offer in (
        ("to", completion.screens()),
        ("deinterlace", completion.DEINTERLACERS()),
        ("scale", completion.SCALES()),
        ("height", completion.HEIGHTS()),
        ("codec", completion.codecs()),
    ):
        for value, _ in offer:
            load_settings("default", {key: value})


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("vsr up", ["upscale"]),
        ("vsr models sh", ["show"]),
        ("vsr upscale --square", ["--square-pixels"]),
        ("vsr upscale in.mp4 --preset v", ["vhs"]),
        ("vsr upscale --to ", ["720p", "1080p", "1440p", "4k", "8k"]),
        ("vsr upscale in.mp4 -o out.mp4 --method m", ["multiframe"]),
        ("vsr upscale --pass d", ["deflicker", "dust", "degrain"]),
        ("vsr train lite-x", ["lite-x2", "lite-x3", "lite-x4"]),
        ("vsr upscale my-", []),
        ("vsr upscale in.mp4 -o my-", []),
    ],
)
def test_words_of_a_command_line(offered: Offered, line: str, expected: list[str]) -> None:
    assert offered(line) == expected


def test_all_of_a_table(offered: Offered) -> None:
    assert offered("vsr upscale --preset ") == list(list_presets())
    assert offered("vsr upscale --codec ") == list(CODECS)


def test_completion_loads_nothing_heavy() -> None:
    program = (
        "import sys; from vsr.cli import completion as offer;"
        "assert all([offer.methods(), offer.passes(), offer.presets(), offer.codecs(), offer.recipes()]);"
        "print(*[name for name in ('torch', 'ray', 'numpy', 'av', 'rich') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


class _Terminal:
    """A shell at a terminal of its own."""

    def __init__(self, words: list[str], folder: Path) -> None:
        self.end, other = pty.openpty()
        self.process = subprocess.Popen(
            words,
            stdin=other,
            stdout=other,
            stderr=other,
            cwd=folder,
            start_new_session=True,
            env={**os.environ, "HOME": str(folder), "TERM": "dumb", "PATH": f"{folder}/bin:{os.environ['PATH']}"},
        )
        os.close(other)

    def type(self, text: str) -> None:
        os.write(self.end, text.encode())

    def read_until(self, end: str, seconds: float = 60) -> str:
        """What it shows up to ``end``."""
        shown, deadline = "", time.monotonic() + seconds
        while end not in shown:
            ready, _, _ = select.select([self.end], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"{end!r} was not shown: {shown!r}"
            shown += os.read(self.end, 4096).decode(errors="replace")
        return shown

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.end)


SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], ""),
    "zsh": (["zsh", "-f", "-i"], "autoload -U compinit; compinit -u; "),
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with the program, scripts for the shells, and a video to name."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "vsr"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m vsr "$@"\n')
    program.chmod(0o755)
    (tmp_path / "my-holiday.mp4").touch()
    for shell in ("bash", "zsh", "fish"):
        script = get_completion_script(prog_name="vsr", complete_var="_VSR_COMPLETE", shell=shell)
        (tmp_path / f"completion.{shell}").write_text(script)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("shell", SHELLS)
def test_tab_at_a_prompt(shell: str, place: Path) -> None:
    """Commands, names of files, presets and methods, one after the other in one line."""
    words, first = SHELLS[shell]
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    terminal = _Terminal(words, place)
    try:
        terminal.type(f"{first}. ./completion.{shell}; PS1='pro''mpt> '\n")
        terminal.read_until("prompt> ")
        terminal.type("vsr upsc\tmy-h\t--preset vh\t--method multi\t")
        shown = terminal.read_until("frame ").replace(" \x08", "")  # zsh takes back the space that it has put
        assert "vsr upscale my-holiday.mp4 --preset vhs --method multiframe " in shown
    finally:
        terminal.close()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_offers_the_same(place: Path) -> None:
    asked = "; ".join(f"complete -C 'vsr upscale {end}'" for end in ("--preset vh", "--to 4", "my-"))
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"source completion.fish; {asked}"],
        cwd=place,
        env={**os.environ, "PATH": f"{place}/bin:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert [line.partition("\t")[0] for line in done.stdout.splitlines()] == ["vhs", "4k", "my-holiday.mp4"]

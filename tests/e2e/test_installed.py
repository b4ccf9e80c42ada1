"""The wheel, installed elsewhere: it holds all that vsr needs, the same from a checkout and from the sdist."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
MOST_BYTES = 13 << 20


def _build(source: Path, target: str, folder: Path) -> Path:
    words = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(folder)]
    subprocess.run(words, cwd=source, check=True, capture_output=True)
    [built] = folder.glob("*.whl" if target == "wheel" else "*.tar.gz")
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _build(ROOT, "wheel", tmp_path_factory.mktemp("wheel"))


def _names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def _sources(folder: str) -> set[str]:
    """What git has there, else what is there."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", folder], cwd=ROOT, capture_output=True)
    if listed.returncode == 0 and listed.stdout:
        return set(listed.stdout.decode().split())
    files = (path for path in (ROOT / folder).rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {path.relative_to(ROOT).as_posix() for path in files}


def test_it_holds_the_package_and_nothing_else(wheel: Path) -> None:
    package = _sources("vsr") | {f"vsr/{name}" for name in _sources("configs")}
    beside = {name for name in _names(wheel) if ".dist-info/" in name or ".data/" in name}
    assert _names(wheel) - beside == package
    assert {"vsr/studio/pages/index.html", "vsr/networks/weights/lite-x2.safetensors", "vsr/py.typed"} <= package
    assert [name.partition(".data/")[2] for name in beside if ".data/" in name] == ["data/share/man/man1/vsr.1"]
    assert wheel.stat().st_size < MOST_BYTES


def test_one_from_the_sdist_is_the_same(wheel: Path, tmp_path: Path) -> None:
    with tarfile.open(_build(ROOT, "sdist", tmp_path / "sdist")) as archive:
        archive.extractall(tmp_path)
    [unpacked] = [path for path in tmp_path.iterdir() if path.name.startswith("vsr-")]
    again = _build(unpacked, "wheel", tmp_path / "again")
    assert again.read_bytes() == wheel.read_bytes()


def test_the_demo_runs_from_it(wheel: Path, tmp_path: Path) -> None:
    """Installed into a folder of its own, beside the packages that are here, and run elsewhere."""
    site = tmp_path / "site"
    words = ["--quiet", "--no-deps", "--no-index", "--disable-pip-version-check", "--target", str(site), str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", "install", *words], check=True)
    (tmp_path / "here").mkdir()

    def run(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, site / "bin" / "vsr", *words],
            cwd=tmp_path / "here",
            env={**os.environ, "PYTHONPATH": str(site)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "lite" in run("demo", "--frames", "2", "--method", "lite", "-q")
    assert {path.name for path in (tmp_path / "here" / "demo-output").glob("*.png")} == {
        "side-by-side.png",
        "ordinary-side-by-side.png",
    }
    assert "vhs" in run("presets")
    found = subprocess.run(
        [sys.executable, "-c", "import vsr; print(vsr.__file__, vsr.__version__)"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.split() == [str(site / "vsr" / "__init__.py"), wheel.name.split("-")[1]]
    assert (site / "share" / "man" / "man1" / "vsr.1").read_bytes() == (ROOT / "man" / "vsr.1").read_bytes()

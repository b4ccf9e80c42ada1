"""Files of the user's that stand where vsr writes: replaced only where that was meant."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from program import Run
from videos import scene

import vsr
from vsr.pipeline import run as pipeline_run

Call = Callable[..., Run]
Clips = Callable[[str], Path]
pytestmark = pytest.mark.usefixtures("no_leaks")
QUICK = ("--method", "lanczos", "-q", "--scale", 2)


def _names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


@pytest.mark.parametrize("command", [("upscale", *QUICK), ("frames",)], ids=["upscale", "frames"])
def test_a_folder_of_images_with_other_things_is_never_replaced(
    call: Call, clips: Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[Any, ...]
) -> None:
    source = clips("plain")
    cases: dict[str, str] = {"holds": "holds the input", "other": "holds other things (precious.txt)"}
    for name, message in cases.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / "precious.txt").write_text("keep")
        given = shutil.copy(source, folder) if name == "holds" else source
        before = _names(folder)
        done = call(command[0], given, "-o", folder / "%06d.png", "--overwrite", *command[1:])
        assert done.code == 2
        assert message in done.one_line()
        assert _names(folder) == before
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    done = call(command[0], source, "-o", tmp_path / "link" / "%06d.png", *command[1:])
    assert (done.code, "symbolic link" in done.one_line()) == (2, True)
    monkeypatch.chdir(tmp_path / "real")
    for pattern in ("%06d.png", "./%06d.png", "../%06d.png", str(tmp_path / "real" / "%06d.png")):
        done = call(command[0], source, "-o", pattern, *command[1:])
        assert (done.code, "is the current one or holds it" in done.one_line()) == (2, True), done.err
    assert _names(tmp_path) == ["holds", "link", "other", "real"]


def test_images_of_an_earlier_run_are_replaced(clips: Clips, tmp_path: Path, quick: dict[str, Any]) -> None:
    settings = {**quick, "speed": None}
    vsr.upscale(clips("rich"), tmp_path / "f" / "%04d.png", end=9, settings=settings)
    vsr.upscale(clips("rich"), tmp_path / "f" / "%06d.png", end=5, settings=settings, overwrite=True)
    assert len(list((tmp_path / "f").glob("*.png"))) == 5


def test_an_output_that_comes_meanwhile_stays(
    clips: Clips, tmp_path: Path, quick: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what was done is kept: once the other file is away, the same command has nothing to restore."""
    output = tmp_path / "out.mp4"
    assemble = pipeline_run.assemble

    def meanwhile(*arguments: Any, **more: Any) -> Any:
        output.write_text("somebody's own")
        return assemble(*arguments, **more)

    monkeypatch.setattr(pipeline_run, "assemble", meanwhile)
    with pytest.raises(vsr.UsageError, match="has come to be while the run was at work"):
        vsr.upscale(clips("plain"), output, settings=quick)
    assert output.read_text() == "somebody's own"
    monkeypatch.undo()
    output.unlink()
    [outcome] = vsr.upscale(clips("plain"), output, settings=quick)
    assert outcome.manifest is not None
    assert all(segment["reused"] for segment in outcome.manifest["segments"])


def test_a_preview_replaces_previews_alone(call: Call, clips: Clips, tmp_path: Path) -> None:
    pillow = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    image, preview = tmp_path / "scan.png", tmp_path / "preview.png"
    pillow.fromarray(scene(1, 32, 24, seed=1)[0]).save(image)
    before = image.read_bytes()
    done = call("upscale", clips("plain"), "-o", tmp_path / "a.mp4", *QUICK, "--preview", image)
    assert done.code == 2
    assert "exists and is not a preview" in done.one_line()
    assert image.read_bytes() == before
    for name in ("a", "b"):
        done = call("upscale", clips("plain"), "-o", tmp_path / f"{name}.mp4", *QUICK, "--preview", preview)
        assert done.code == 0, done.err
        assert preview.is_file()


@pytest.mark.parametrize("letter", ["x", "ж"])
def test_names_as_long_as_they_get(call: Call, clips: Clips, tmp_path: Path, letter: str) -> None:
    fits = 255 - len(".mp4.input.framemd5")
    fine, long = (letter * (count // len(letter.encode())) + ".mp4" for count in (fits, fits + 2))
    done = call("upscale", clips("plain"), "-o", tmp_path / fine, *QUICK)
    assert done.code == 0, done.err
    assert call("verify", tmp_path / fine, "-q").code == 0
    before = _names(tmp_path)
    done = call("upscale", clips("plain"), "-o", tmp_path / long, *QUICK)
    assert done.code == 2
    assert "too long; shorten it" in done.one_line()
    assert _names(tmp_path) == before


def test_what_cannot_be_written_beside_one_output_does_not_stop_the_others(
    clips: Clips, tmp_path: Path, quick: dict[str, Any]
) -> None:
    out = tmp_path / "out"
    (out / "plain.mp4.vsr.json").mkdir(parents=True)
    outcomes = vsr.upscale([clips("plain"), clips("mpeg2_ts")], out, settings=quick)
    assert isinstance(outcomes[0].error, vsr.MachineError)
    assert "plain.mp4.vsr.json" in str(outcomes[0].error)
    assert outcomes[1].error is None
    (out / "plain.mp4.vsr.json").rmdir()
    [again, _] = vsr.upscale([clips("plain"), clips("mpeg2_ts")], out, settings=quick)
    assert again.error is None


def test_a_lock_that_cannot_be_taken(clips: Clips, tmp_path: Path, quick: dict[str, Any]) -> None:
    lock = tmp_path / ".b.mp4.vsr-work" / "lock"
    lock.mkdir(parents=True)
    with pytest.raises(vsr.MachineError, match="cannot be locked"):
        vsr.upscale(clips("plain"), tmp_path / "b.mp4", settings=quick)
    lock.rmdir()
    vsr.upscale(clips("plain"), tmp_path / "b.mp4", settings=quick)


def test_tables_and_pages_do_not_replace_videos_or_images(call: Call, clips: Clips, tmp_path: Path) -> None:
    victim, images = tmp_path / "victim.mp4", tmp_path / "images"
    shutil.copy(clips("plain"), victim)
    done = call("upscale", clips("plain"), "-o", tmp_path / "larger.mp4", *QUICK)
    assert done.code == 0, done.err
    assert call("frames", clips("plain"), "-o", images / "%06d.png", "--end", 3, "-q").code == 0
    image = images / "000002.png"
    before = {path: path.read_bytes() for path in (victim, *images.iterdir())}
    evaluate = ("evaluate", "--method", "bicubic", "--scale", 2, "-q", "--data")
    cases: list[tuple[tuple[Any, ...], str]] = [
        (("compare", "--blind", victim, clips("plain"), clips("plain")), "is named .html or .htm"),
        (("compare", "--csv", victim, clips("plain"), clips("plain"), "-q"), "is named .csv"),
        (("report", tmp_path / "larger.mp4", "-o", victim, "-q"), "is named .html or .htm"),
        ((*evaluate, image, "-o", image), "is what is read"),
        ((*evaluate, images, "-o", image), "is what is read"),
        ((*evaluate, image, "--resume", victim), "holds no results"),
        ((*evaluate, image, "-o", images), "is a folder"),
        (("report", tmp_path / "larger.mp4", "--max-mb", "inf", "-q"), "is not a size"),
        (("models", "convert", "lite", tmp_path / f"{'n' * 480}.safetensors", "--scale", 2), "cannot be a name"),
        (("still", images, "-o", image, "--at", 1, "--overwrite", "-q"), "one of the input's images"),
        (("still", images, "-o", images / "000004.png", "--at", 1, "-q"), "one of the input's images"),
        (("still", victim, "-o", tmp_path / f"{'n' * 245}.png", "--at", 1, "-q"), "cannot be a name"),
    ]
    for arguments, message in cases:
        done = call(*arguments)
        assert done.code == 2, (arguments, done.err)
        assert message in done.one_line(), arguments
    assert {path: path.read_bytes() for path in (victim, *images.iterdir())} == before
    table = tmp_path / f"{'n' * 240}.json"
    assert call(*evaluate, image, "-o", table, "--fresh").code == 0
    assert table.is_file()


def test_frames_name_what_they_drop(call: Call, clips: Clips, tmp_path: Path) -> None:
    done = call("frames", clips("rotated"), "-o", tmp_path / "f" / "%06d.png", "--end", 1, "-q")
    assert done.code == 0, done.err
    assert "dropped  rotation: images have no place for it" in done.out.splitlines()
    record = json.loads((tmp_path / "f.vsr.json").read_text())
    assert "rotation: images have no place for it" in record["output"]["dropped"]

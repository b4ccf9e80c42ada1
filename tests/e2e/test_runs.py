"""What goes around a run: inputs and outputs, refusals, what stays behind, manifest, verification."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from plain_reader import first_frames, with_records
from program import Run
from videos import X264, encode, ffmpeg, scene

import vsr
from vsr.pipeline.run import FileRun

Clips = Callable[[str], Path]
pytestmark = pytest.mark.usefixtures("no_leaks")


def test_several_inputs_into_a_folder(clips: Clips, tmp_path: Path, quick: dict[str, Any]) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"not a video at all" * 100)
    reported: list[vsr.Outcome] = []
    inputs = [clips("plain"), bad, clips("rich"), clips("mpeg2_ts")]
    outcomes = vsr.upscale(inputs, tmp_path / "done", settings=quick, on_outcome=reported.append)
    assert reported == outcomes
    assert [outcome.error is None for outcome in outcomes] == [True, False, True, True]
    assert isinstance(outcomes[1].error, vsr.InputError)
    assert [o.output.name for o in outcomes] == ["plain.mp4", "bad.mp4", "rich.mkv", "mpeg2.mp4"]
    found = {path.name for path in (tmp_path / "done").iterdir()}
    assert found == {"batch.json"} | with_records("plain.mp4", "rich.mkv", "mpeg2.mp4")


def test_a_summary_that_cannot_be_written(clips: Clips, tmp_path: Path, quick: dict[str, Any]) -> None:
    (tmp_path / "done" / "batch.json").mkdir(parents=True)
    reported: list[vsr.Outcome] = []
    with pytest.raises(vsr.MachineError, match=r"batch\.json: cannot be written"):
        vsr.upscale([clips("plain")], f"{tmp_path}/done/", settings=quick, on_outcome=reported.append)
    assert [(outcome.error, Path(outcome.output).is_file()) for outcome in reported] == [(None, True)]


def test_an_error_is_not_lost_for_the_summary(clips: Clips, tmp_path: Path, quick: dict[str, Any]) -> None:
    def stop(progress: vsr.Progress) -> None:
        (tmp_path / "done" / "batch.json").mkdir(exist_ok=True)
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        vsr.upscale([clips("plain")], f"{tmp_path}/done/", settings=quick, on_progress=stop)


def test_a_run_that_never_began_leaves_the_work_of_another(clips: Clips, tmp_path: Path) -> None:
    """Of a batch that is stopped, files that were looked at and not begun."""
    job = vsr.plan(clips("plain"), tmp_path / "out.mp4", settings={"method": "lanczos"})
    first, second = (FileRun(job, work_base=None, overwrite=False, on_progress=lambda progress: None) for _ in range(2))
    first.open()
    plan = first.work.path / "plan-0.json"
    plan.write_text("{}")
    second.abandon()
    assert plan.exists()
    with pytest.raises(vsr.WorkFolderBusy):
        second.open()
    second.abandon()
    assert plan.exists()
    first.abandon()
    assert not first.work.path.exists()


@pytest.mark.parametrize("flags", [[], ["--dry-run"]])
def test_a_work_folder_in_a_store(
    clips: Clips, tmp_path: Path, call: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, flags: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    done = call("upscale", clips("plain"), "-o", "out.mp4", "--work-dir", "s3://bucket/x", *flags)
    assert done.code == 2
    assert "--work-dir s3://bucket/x: must be a folder" in done.err
    assert not list(tmp_path.iterdir())


def test_a_folder_of_videos(clips: Clips, tmp_path: Path, quick: dict[str, Any]) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("plain", "gray"):
        (folder / clips(name).name).write_bytes(clips(name).read_bytes())
    (folder / "notes.txt").write_text("not a video")
    outcomes = vsr.upscale(folder, tmp_path / "out", settings=quick)
    assert [outcome.output.name for outcome in outcomes] == ["gray.mkv", "plain.mp4"]
    assert all(outcome.output.is_file() for outcome in outcomes)


def test_two_inputs_of_one_name_are_refused(clips: Clips, tmp_path: Path, quick: dict[str, Any]) -> None:
    copy = tmp_path / "plain.mp4"
    copy.write_bytes(clips("plain").read_bytes())
    with pytest.raises(vsr.UsageError, match="would both become"):
        vsr.upscale([clips("plain"), copy], tmp_path / "out", settings=quick)


def test_images_and_a_video_of_one_name_are_refused(clips: Clips, tmp_path: Path, quick: dict[str, Any]) -> None:
    """The images of a folder ``plain.mp4`` would become a folder of that name, too."""
    folder = tmp_path / "plain.mp4"
    folder.mkdir()
    ffmpeg("-i", str(clips("plain")), "-frames:v", "2", str(folder / "%04d.png"))
    with pytest.raises(vsr.UsageError, match="would both become"):
        vsr.upscale([clips("plain"), folder], tmp_path / "out", settings={"method": quick["method"], "fps": "24"})


def test_an_output_that_is_another_input_is_refused(clips: Clips, tmp_path: Path, quick: dict[str, Any]) -> None:
    """The one with alpha becomes MKV, so the other could have the name MP4: but that is the first one's own."""
    video = tmp_path / "one" / "a.avi"
    other = tmp_path / "two" / "a.mp4"
    for path in (video, other):
        path.parent.mkdir()
    encode(video, scene(4, 32, 24), *X264)
    encode(other.with_suffix(".mov"), scene(4, 32, 24), "-c:v", "qtrle", pix_fmt="argb").rename(other)
    before = other.read_bytes()
    with pytest.raises(vsr.UsageError, match=r"a\.avi would become .*a\.mp4, which is an input, too"):
        vsr.upscale([video, other], other.parent, overwrite=True, settings={"method": quick["method"]})
    assert other.read_bytes() == before


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("out.avi", {}, "unknown container '.avi'"),
    ("out.mp5", {}, "did you mean 'mp4'"),
    ("out", {}, "unknown container"),
    ("out.mp4", {"codec": "ffv1"}, r"\.mp4 cannot hold ffv1; name the output \.mkv"),
    ("out.mp4", {"codec": "prores"}, r"name the output \.mov"),
    ("out.mp4", {"crf": 52}, "--crf 52 is outside 0…51"),
    ("out.mp4", {"speed": "ultrafst"}, "did you mean 'ultrafast'"),
    ("out.mp4", {"size": "20000x20"}, "larger than h264 can hold"),
    ("out.mp4", {"codec": "av1", "speed": None, "size": "9000x20"}, "larger than av1 can hold"),
    ("out.mp4", {"device": "cuda:99"}, "is not here"),
    ("out.mov", {"codec": "prores", "speed": None, "lossless": True}, "no lossless mode"),
    ("out.png", {"speed": None}, "is one image, and the video has more"),
    ("%d%d/a%s.png", {"speed": None}, "%06d.png"),
    ("out.mp4", {"codec": "nonsense"}, "unknown codec"),
    ("out.mp4", {"pix_fmt": "yuv420p14le"}, "does not hold yuv420p14le"),
]


@pytest.mark.parametrize(("name", "changes", "message"), REFUSED)
def test_refusals_come_before_any_work(
    clips: Clips, tmp_path: Path, quick: dict[str, Any], name: str, changes: dict[str, Any], message: str
) -> None:
    (tmp_path / "%d%d").mkdir()
    with pytest.raises(vsr.UsageError, match=message):
        vsr.upscale(clips("plain"), tmp_path / name, settings=quick | changes)
    assert [path.name for path in tmp_path.iterdir()] == ["%d%d"]


def test_settings_that_mean_nothing_to_the_codec_are_named(run: Any) -> None:
    _, manifest = run("plain", "mkv", codec="ffv1", crf=3)
    assert any("crf 3 means nothing to ffv1" in text for text in manifest["assumptions"])


def test_an_output_that_exists_is_kept(clips: Clips, tmp_path: Path, quick: dict[str, Any]) -> None:
    target = tmp_path / "out.mp4"
    target.write_text("precious")
    with pytest.raises(vsr.UsageError, match="--overwrite"):
        vsr.upscale(clips("plain"), target, settings=quick)
    assert target.read_text() == "precious"
    vsr.upscale(clips("plain"), target, settings=quick, overwrite=True)
    assert len(first_frames(target)) == 30


def test_the_input_is_never_the_output(clips: Clips, tmp_path: Path, quick: dict[str, Any]) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(clips("plain").read_bytes())
    link = tmp_path / "link.mp4"
    link.symlink_to(path)
    for target in (path, link):
        with pytest.raises(vsr.UsageError, match="is the input"):
            vsr.upscale(path, target, settings=quick, overwrite=True)
    assert path.read_bytes() == clips("plain").read_bytes()


def test_only_output_and_records_remain(run: Any, tmp_path: Path) -> None:
    run("plain", "mp4")
    assert {path.name for path in tmp_path.iterdir()} == with_records("out.mp4")


def test_the_same_run_gives_the_same_bytes(run: Any, tmp_path: Path) -> None:
    for clip, extension in (("rich", "mkv"), ("cfr", "mp4"), ("vfr", "mov")):
        first, _ = run(clip, extension)
        kept = first.rename(tmp_path / f"first.{extension}")
        second, _ = run(clip, extension)
        assert second.read_bytes() == kept.read_bytes()


def test_outputs_verify_and_changed_ones_do_not(run: Any) -> None:
    output, _ = run("cfr", "mp4")
    assert all(check.passed for check in vsr.verify(output))
    data = bytearray(output.read_bytes())
    data[len(data) // 2] ^= 1
    output.write_bytes(bytes(data))
    assert not all(check.passed for check in vsr.verify(output))
    output.with_name("out.mp4.vsr.json").unlink()
    with pytest.raises(vsr.VerificationError, match="no manifest"):
        vsr.verify(output)


def test_a_changed_image_of_a_sequence_is_noticed(run: Any) -> None:
    output, _ = run("plain", "png", scale=1)
    assert all(check.passed for check in vsr.verify(output))
    (output.parent / "000003.png").write_bytes((output.parent / "000004.png").read_bytes())
    [failed] = [check for check in vsr.verify(output) if not check.passed]
    assert "000003.png" in failed.detail


def test_progress_counts_what_was_done(clips: Clips, tmp_path: Path, quick: dict[str, Any]) -> None:
    seen: list[vsr.Progress] = []
    vsr.upscale(clips("cfr"), tmp_path / "out.mp4", settings=quick, on_progress=seen.append)
    assert [p.frames_done for p in seen] == sorted(p.frames_done for p in seen)
    assert seen[-1].stage == "done"
    assert (seen[-1].frames_done, seen[-1].frames_total, seen[-1].total_is_exact) == (60, 60, True)
    assert {p.stage for p in seen} == {"restoring", "assembling", "verifying", "done"}


def test_the_manifest_says_what_was_done(run: Any, clips: Clips) -> None:
    import hashlib

    output, manifest = run("cfr", "mp4")
    written = json.loads(output.with_name("out.mp4.vsr.json").read_text())
    assert written == json.loads(json.dumps(manifest))
    assert manifest["input"]["sha256"] == hashlib.sha256(clips("cfr").read_bytes()).hexdigest()
    assert manifest["output"]["files"] == {"out.mp4": hashlib.sha256(output.read_bytes()).hexdigest()}
    assert manifest["method"]["name"] == "lanczos"
    assert manifest["method"]["generative"] is False
    assert manifest["segments"][0]["start"] == 0
    assert manifest["segments"][-1]["stop"] == 60

"""The demonstration: the whole way from photographs to a measured result."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import pytest
from program import Run

from vsr.demo import run as demo_run
from vsr.demo.run import run_demo

Call = Callable[..., Run]
BICUBIC = ("--frames", 2, "--method", "bicubic", "-q")


@pytest.mark.slow
def test_the_demo_beats_bicubic_clearly(tmp_path: Path) -> None:
    result = run_demo(tmp_path / "demo", num_frames=9)
    assert len(result.score.frames) == 9
    assert result.score.gain_db > 2.0
    assert result.score.worst_gain_db > 1.0
    assert result.score.mean.ssim_restored > result.score.mean.ssim_bicubic + 0.03
    with av.open(str(result.restored)) as restored, av.open(str(result.recorded)) as recorded:
        assert [stream.type for stream in restored.streams] == ["video", "audio"]
        assert restored.streams.video[0].width == 2 * recorded.streams.video[0].width
        sound = [[bytes(p) for p in file.demux(audio=0) if p.size] for file in (restored, recorded)]
    assert sound[0] == sound[1]
    assert result.picture.read_bytes().startswith(b"\x89PNG")


def test_a_named_method_is_not_judged_and_its_files_are_replaced_by_the_next(call: Call, tmp_path: Path) -> None:
    pytest.importorskip("skimage")
    for _ in range(2):
        done = call("demo", "-o", tmp_path, *BICUBIC)
        assert (done.code, done.err) == (0, "")


def test_files_of_the_users_own_stay(call: Call, clips: Callable[[str], Path], tmp_path: Path) -> None:
    shutil.copy(clips("plain"), tmp_path / "mine.mp4")
    mine = (tmp_path / "mine.mp4").read_bytes()
    for name in ("recorded.mp4", "restored.mp4", "side-by-side.png"):
        folder = tmp_path / name.partition(".")[0]
        folder.mkdir()
        (folder / name).write_bytes(mine)
        done = call("demo", "-o", folder, *BICUBIC)
        assert done.code == 2
        assert f"holds {name}, which no earlier vsr demo made" in done.one_line()
        assert [(path.name, path.read_bytes()) for path in folder.iterdir()] == [(name, mine)]
    done = call("demo", "-o", tmp_path / "mine.mp4", *BICUBIC)
    assert (done.code, "is a file; name a folder" in done.one_line()) == (2, True)


def test_a_file_put_over_the_demos_stays(call: Call, tmp_path: Path) -> None:
    pytest.importorskip("skimage")
    assert call("demo", "-o", tmp_path, *BICUBIC).code == 0
    (tmp_path / "recorded.mp4").write_bytes(b"mine")
    assert call("demo", "-o", tmp_path, *BICUBIC).code == 2
    assert (tmp_path / "recorded.mp4").read_bytes() == b"mine"


@pytest.mark.parametrize(("named", "code"), [((), 5), (("--method", "bicubic"), 0)])
def test_the_default_method_must_beat_bicubic(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: tuple[str, ...], code: int
) -> None:
    mean = SimpleNamespace(psnr_bicubic=30.0, ssim_bicubic=0.9, psnr_restored=29.0, ssim_restored=0.8)
    result: dict[str, Any] = {"score": SimpleNamespace(mean=mean, gain_db=-1.0), "description": "", "seconds": 1.0}
    result |= {"recorded": tmp_path, "restored": tmp_path, "picture": tmp_path, "num_frames": 2}
    monkeypatch.setattr(demo_run, "run_demo", lambda *_, **__: SimpleNamespace(**result))
    done = call("demo", "-o", tmp_path, "-q", *named)
    assert done.code == code
    assert ("does not beat bicubic" in done.err) == bool(code)

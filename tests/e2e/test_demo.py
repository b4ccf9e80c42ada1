"""The demonstration: the whole way from photographs to a measured result."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import av
import pytest
from program import Run

from vsr.demo import ClipScore, FrameScore
from vsr.demo import run as demo_run
from vsr.demo.run import DemoResult, run_demo

Call = Callable[..., Run]
BICUBIC = ("--frames", 2, "--method", "bicubic", "-q")
FILES = (
    *("recorded.mp4", "restored.mp4", "side-by-side.png"),
    *("ordinary.mp4", "ordinary-restored.mp4", "ordinary-side-by-side.png"),
)


@pytest.mark.nightly
def test_the_demo_beats_bicubic_clearly(tmp_path: Path) -> None:
    shaken, ordinary = run_demo(tmp_path / "demo", num_frames=9)
    assert shaken.score.gain_db > 2.0
    assert shaken.score.worst_gain_db > 1.0
    assert ordinary.score.gain_db > 1.0
    for result in (shaken, ordinary):
        assert len(result.score.frames) == 9
        assert list(result.psnrs) == ["lanczos", "multiframe", "lite", "vsr"]
        assert result.psnrs["vsr"] == result.score.mean.psnr_restored
        assert result.score.mean.ssim_restored > result.score.mean.ssim_bicubic + 0.02
        with av.open(str(result.restored)) as restored, av.open(str(result.recorded)) as recorded:
            assert [stream.type for stream in restored.streams] == ["video", "audio"]
            assert restored.streams.video[0].width == 2 * recorded.streams.video[0].width
            sound = [[bytes(p) for p in file.demux(audio=0) if p.size] for file in (restored, recorded)]
        assert sound[0] == sound[1]
        assert result.image.read_bytes().startswith(b"\x89PNG")
    made = {path.name for path in (tmp_path / "demo").iterdir() if path.suffix in {".mp4", ".png"}}
    assert made == set(FILES)


@pytest.mark.slow
@pytest.mark.nightly
def test_a_named_method_is_not_judged_and_its_files_are_replaced_by_the_next(call: Call, tmp_path: Path) -> None:
    pytest.importorskip("skimage")
    for _ in range(2):
        done = call("demo", "-o", tmp_path, *BICUBIC)
        assert (done.code, done.err) == (0, "")
    lines = [line.split() for line in done.out.splitlines()]
    assert ["bicubic", "bicubic"] in lines
    assert {"hand-held", "ordinary"} <= {line[0] for line in lines if len(line) == 3}
    assert "lanczos" not in done.out
    assert done.out.count("nothing helps; little difference with bicubic (") == 2


def test_files_of_the_users_own_stay(call: Call, clips: Callable[[str], Path], tmp_path: Path) -> None:
    shutil.copy(clips("plain"), tmp_path / "mine.mp4")
    mine = (tmp_path / "mine.mp4").read_bytes()
    for name in FILES:
        folder = tmp_path / name.partition(".")[0]
        folder.mkdir()
        (folder / name).write_bytes(mine)
        done = call("demo", "-o", folder, *BICUBIC)
        assert done.code == 2
        assert f"holds {name}, which no earlier vsr demo made" in done.one_line()
        assert [(path.name, path.read_bytes()) for path in folder.iterdir()] == [(name, mine)]
    done = call("demo", "-o", tmp_path / "mine.mp4", *BICUBIC)
    assert (done.code, "is a file; name a folder" in done.one_line()) == (2, True)


@pytest.mark.parametrize("name", ["recorded.mp4", "ordinary.mp4"])
def test_a_file_put_over_the_demos_stays(call: Call, tmp_path: Path, name: str) -> None:
    pytest.importorskip("skimage")
    assert call("demo", "-o", tmp_path, *BICUBIC).code == 0
    (tmp_path / name).write_bytes(b"mine")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert call("demo", "-o", tmp_path, *BICUBIC).code == 2
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(("named", "code"), [((), 5), (("--method", "bicubic"), 0)])
@pytest.mark.parametrize("gains", [(-1.0, 1.0), (1.0, -1.0)])
def test_the_default_method_must_beat_bicubic_on_both_clips(
    call: Call,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    gains: tuple[float, float],
    named: tuple[str, ...],
    code: int,
) -> None:
    results = [
        DemoResult(
            clip,
            *[tmp_path] * 3,
            description="",
            score=ClipScore([FrameScore(30.0 + gain, 30.0, 0.9, 0.9)], 8),
            psnrs={"lanczos": 30.2, "vsr": 30.0 + gain},
            seconds=1.0,
        )
        for clip, gain in zip(("hand-held", "ordinary"), gains, strict=True)
    ]
    monkeypatch.setattr(demo_run, "run_demo", lambda *_, **__: results)
    done = call("demo", "-o", tmp_path, "-q", *named)
    assert done.code == code
    assert ("does not beat bicubic" in done.err) == bool(code)
    assert "vsr (+1.00 dB) helps most; little difference with lanczos (+0.20 dB)." in done.out
    assert "nothing helps; little difference with lanczos (+0.20 dB); worse with vsr (-1.00 dB)." in done.out

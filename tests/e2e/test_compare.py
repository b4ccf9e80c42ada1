"""Two videos in numbers: against ffmpeg's filters, with frames missing, on other clocks, with and without reference."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from videos import X264, encode, ffmpeg, scene

import vsr
from vsr.errors import InputError, UsageError
from vsr.media.reading import probe
from vsr.media.vmaf import has_vmaf
from vsr.report.comparison import Part, Requested, as_csv, as_json, measure

pytestmark = pytest.mark.usefixtures("no_leaks")

Clips = Callable[[str], Path]


@pytest.fixture
def blurred(clips: Clips, tmp_path: Path) -> Path:
    """``plain`` encoded once more, worse."""
    path = tmp_path / "blurred.mp4"
    ffmpeg("-i", str(clips("plain")), "-vf", "gblur=0.8", *X264, "-crf", "35", str(path))
    return path


def _by_ffmpeg(first: Path, second: Path, filter_: str, folder: Path) -> list[dict[str, str]]:
    log = folder / "stats.log"
    graph = f"[0:v][1:v]{filter_}=stats_file={log.as_posix()}"
    ffmpeg("-i", str(first), "-i", str(second), "-lavfi", graph, "-f", "null", "-")
    return [dict(re.findall(r"(\w+):(\S+)", line)) for line in log.read_text().splitlines()]


def test_psnr_is_ffmpegs(clips: Clips, blurred: Path, tmp_path: Path) -> None:
    found = vsr.compare(clips("plain"), blurred)
    curve = found.curve("psnr")
    assert curve is not None
    stats = _by_ffmpeg(clips("plain"), blurred, "psnr", tmp_path)
    assert len(stats) == len(curve.values) == found.num_common == 30
    for value, line in zip(curve.values, stats, strict=True):
        assert value == pytest.approx(float(line["psnr_y"]), abs=0.006)
    total = np.mean([float(line["mse_y"]) for line in stats])
    assert curve.pooled == pytest.approx(10 * math.log10(255**2 / total), abs=0.01)


def test_every_curve_says_that_blur_is_worse(clips: Clips, blurred: Path) -> None:
    found = vsr.compare(blurred, clips("plain"), clips("plain"))
    for metric in ("psnr", "ssim", "temporal_psnr", "sharpness"):
        worse, better = found.curve(metric, "a"), found.curve(metric, "b")
        assert worse is not None
        assert better is not None
        assert worse.mean is not None
        assert better.mean is not None
        assert worse.mean < better.mean
    equal = found.curve("psnr", "b")
    assert equal is not None
    assert (equal.num_identical, equal.mean) == (30, math.inf)
    assert found.curve("ssim", "b").mean == pytest.approx(1)  # type: ignore[union-attr]


def test_missing_frames_are_named_and_the_rest_is_compared(clips: Clips, tmp_path: Path) -> None:
    gappy = tmp_path / "gappy.mp4"
    keep = "select='not(between(n,7,9))*lt(n,25)'"
    ffmpeg("-i", str(clips("plain")), "-vf", keep, "-fps_mode", "passthrough", *X264, "-qp", "0", str(gappy))
    found = vsr.compare(clips("plain"), gappy)
    assert found.curve("psnr").num_identical == found.num_common == 22  # type: ignore[union-attr]
    assert [side.num_unpaired for side in found.sides] == [8, 0]
    assert [int(place[0]) for place in found.ordinals] == [*range(7), *range(10, 25)]
    assert found.notes == ("8 of 30 frames of A have no partner (0:00:00.280 to 0:00:01.160)",)


def test_a_clock_of_milliseconds_pairs_with_an_exact_one(clips: Clips, tmp_path: Path) -> None:
    for name in ("ntsc", "vfr"):
        copy = tmp_path / f"{name}.mkv"
        ffmpeg("-i", str(clips(name)), "-c", "copy", "-an", str(copy))
        found = vsr.compare(clips(name), copy)
        assert [side.num_unpaired for side in found.sides] == [0, 0]
        assert found.curve("psnr").num_identical == found.num_common  # type: ignore[union-attr]


def test_a_broadcast_clock_follows_from_the_manifest(run: Callable[..., tuple[Path, dict]], clips: Clips) -> None:
    output, manifest = run("mpeg2_ts", scale=2)
    assert manifest["times"]["shift_seconds"] != "0/1"
    found = vsr.compare(clips("mpeg2_ts"), output)
    assert found.num_common == manifest["times"]["num_frames"]
    assert found.curve("lr_psnr").mean > 30  # type: ignore[union-attr,operator]
    swapped = vsr.compare(output, clips("mpeg2_ts"))
    assert swapped.curve("lr_psnr").values == found.curve("lr_psnr").values  # type: ignore[union-attr]
    Path(f"{output}.vsr.json").unlink()
    with pytest.raises(UsageError, match=r"no common times.*--offset"):
        vsr.compare(clips("mpeg2_ts"), output)
    by_hand = vsr.compare(clips("mpeg2_ts"), output, offset="start")
    assert by_hand.num_common == found.num_common


def test_lr_psnr_and_the_enlarged_input(tmp_path: Path) -> None:
    reference = encode(tmp_path / "reference.mkv", scene(8, 96, 64), "-c:v", "ffv1")
    small = tmp_path / "small.mkv"
    ffmpeg("-i", str(reference), "-vf", "scale=iw/2:ih/2:flags=bicubic", "-c:v", "ffv1", str(small))
    found = vsr.compare(small, reference, reference)
    assert found.curve("lr_psnr").mean > 40  # type: ignore[union-attr,operator]
    assert found.curve("psnr", "a").mean < 60  # type: ignore[union-attr,operator]
    assert any("enlarged" in note for note in found.notes)
    assert {side.num_frames for side in found.sides} == {8}
    sharp, soft = found.curve("sharpness", "b"), found.curve("sharpness", "a")
    assert sharp.mean > soft.mean  # type: ignore[union-attr,operator]


@pytest.mark.parametrize("settings", [{"method": "lanczos"}, {"method": "multiframe", "quality": "draft"}])
def test_lr_psnr_is_the_manifests(run: Callable[..., tuple[Path, dict]], clips: Clips, settings: dict) -> None:
    """The manifest measures what the method gives, a comparison what was stored: rounding to codes lies between."""
    output, manifest = run("plain", "mkv", codec="ffv1", end=1, scale=2, **settings)
    method = manifest["method"]
    parts = [Part("A", probe(clips("plain"))), Part("B", probe(output))]
    found = measure(parts, Requested(degradation=method["assumed_degradation"]))
    curve = found.curve("model_lr_psnr") or found.curve("lr_psnr")
    assert curve is not None
    assert curve.metric == ("lr_psnr" if method["assumed_degradation"] == "BI" else "model_lr_psnr")
    assert curve.values == pytest.approx([method["findings"]["lr_psnr_db"]], abs=0.3)


def test_one_in_every_few(clips: Clips, blurred: Path) -> None:
    whole, some = vsr.compare(clips("plain"), blurred), vsr.compare(clips("plain"), blurred, every=7)
    assert list(some.times) == list(whole.times)[::7]
    assert some.curve("psnr").values == whole.curve("psnr").values[::7]  # type: ignore[union-attr]
    assert (some.num_common, some.every) == (30, 7)


def test_depth_and_codec_may_differ(clips: Clips, tmp_path: Path) -> None:
    deep = tmp_path / "deep.mkv"
    ffmpeg("-i", str(clips("plain")), "-pix_fmt", "yuv420p10le", "-c:v", "ffv1", str(deep))
    found = vsr.compare(clips("plain"), deep)
    assert found.curve("psnr").num_identical == 30  # type: ignore[union-attr]
    assert any("10 bits" in note for note in found.notes)


@pytest.mark.slow
@pytest.mark.skipif(not has_vmaf(), reason="this ffmpeg has no libvmaf")
def test_vmaf_is_ffmpegs(clips: Clips, blurred: Path, tmp_path: Path) -> None:
    found = vsr.compare(clips("plain"), blurred, vmaf=True)
    log = tmp_path / "vmaf.json"
    graph = f"[0:v][1:v]libvmaf=log_fmt=json:log_path={log.as_posix()}"
    ffmpeg("-i", str(blurred), "-i", str(clips("plain")), "-lavfi", graph, "-f", "null", "-")
    theirs = [frame["metrics"]["vmaf"] for frame in json.loads(log.read_text())["frames"]]
    assert found.curve("vmaf").values == pytest.approx(theirs, abs=0.01)  # type: ignore[union-attr]
    assert found.curve("vmaf_neg") is not None
    with pytest.raises(UsageError, match="one size"):
        vsr.compare(clips("plain"), encode(tmp_path / "large.mkv", scene(3, 192, 128), "-c:v", "ffv1"), vmaf=True)


def test_files(clips: Clips, blurred: Path) -> None:
    found = vsr.compare(clips("plain"), blurred, clips("plain"))
    data = json.loads(as_json(found))
    assert data["summary"]["psnr_a"]["mean"] == "identical"
    assert data["summary"]["psnr_b"]["least"] == min(data["frames"]["psnr_b"])
    assert data["frames"]["temporal_psnr_b"][0] is None
    assert [video["num_frames"] for video in data["videos"]] == [30, 30, 30]
    rows = list(csv.DictReader(as_csv(found).splitlines()))
    assert len(rows) == 30
    assert [float(row["psnr_b"]) for row in rows] == pytest.approx(data["frames"]["psnr_b"], rel=1e-5)
    assert (rows[0]["temporal_psnr_b"], rows[1]["psnr_a"], rows[3]["seconds"]) == ("", "inf", "0.120000")


def test_of_several_that_cannot_be_read_the_first_is_named(clips: Clips, tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no video" * 100_000)  # takes longer to refuse than what is missing
    gone = tmp_path / "gone.mp4"
    for paths in ((clips("plain"), bad, gone), (bad, gone), (gone, bad)):
        first = next(path for path in paths if path.parent == tmp_path)
        with pytest.raises(InputError, match=f"^{re.escape(str(first))}: "):
            vsr.compare(*paths)


def test_refusals(clips: Clips, tmp_path: Path) -> None:
    plain = clips("plain")
    film = encode(tmp_path / "film.mp4", scene(48), *X264, rate="24")
    with pytest.raises(UsageError, match=r"only 2 of 30 frames .*25.*24 fps"):
        vsr.compare(plain, film)
    wide = encode(tmp_path / "wide.mp4", scene(5, 128, 64), *X264)
    with pytest.raises(UsageError, match="neither one size nor one shape"):
        vsr.compare(plain, wide)
    with pytest.raises(UsageError, match="neither one size nor one shape"):
        vsr.compare(plain, plain, wide)
    with pytest.raises(InputError, match="changes from 64x48 to 96x64"):
        vsr.compare(clips("size_change"), clips("size_change"))
    with pytest.raises(UsageError, match="--every"):
        vsr.compare(plain, plain, every=0)
    with pytest.raises(UsageError, match=r"only 2 of 30 frames .*film.mp4 24 fps"):
        vsr.compare(plain, plain, film)
    other = encode(tmp_path / "short.mp4", scene(12, 96, 64), *X264)
    shorter = vsr.compare(plain, plain, other)
    assert shorter.num_common == 12
    assert [note.split(" frames")[0] for note in shorter.notes] == ["18 of 30", "18 of 30"]
    late = vsr.compare(plain, plain, offset=Fraction(1, 5))
    assert (late.num_common, late.ordinals[0]) == (25, (5, 0))
    with pytest.raises(
        UsageError, match=r"no common times: .* 0\.000 s, .* starts at 500\.000 s with \+500\.000 s added"
    ):
        vsr.compare(plain, plain, offset=Fraction(500))

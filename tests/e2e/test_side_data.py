"""What files attach to their frames ends no process: every kind is read in a child, whose end is seen."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, ImageCms
from program import Run
from videos import X264, encode, ffmpeg, scene

Call = Callable[..., Run]
Clips = Callable[[str], Path]

_LIST_KINDS = """
import gc, sys
import av
from vsr.media.side_data import side_data
kinds = set()
with av.open(sys.argv[1]) as container:
    if sys.argv[2]:
        container.streams.video[0].codec_context.options = {"export_side_data": sys.argv[2]}
    for number, frame in enumerate(container.decode(video=0)):
        kinds |= {item.kind for item in side_data(frame)} | {item.kind for item in side_data(frame)}
        del frame
        gc.collect()
        if number == 20:
            break
print(*sorted(kinds))
"""


def _profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _images(folder: Path, suffix: str, count: int = 3) -> Path:
    folder.mkdir()
    for number, image in enumerate(scene(count, 48, 32), 1):
        Image.fromarray(image).save(folder / f"{number:04d}.{suffix}", icc_profile=_profile())
    return folder


def _child(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, text=True, check=False)


def _video(folder: Path, suffix: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"icc.{suffix}"
    codec = ("-c:v", "apng", "-f", "apng") if suffix == "apng" else ("-c", "copy")
    ffmpeg("-framerate", "25", "-i", str(_images(folder / suffix, "png") / "%04d.png"), *codec, str(path))
    return path


_RESTORE_ALL = """
import sys
import vsr
for path in sys.argv[1:]:
    settings = {"method": "bicubic", "scale": 1, "codec": "ffv1"} | ({} if "." in path[-5:] else {"fps": "25"})
    vsr.probe(path, fps=settings.get("fps"))
    vsr.upscale(path, path + ".out.mkv", settings=settings)
    print(path, flush=True)
"""


def test_a_profile_ends_no_process(tmp_path: Path) -> None:
    """PNG, wherever it is, gives the profile a name, and with it the dictionary that PyAV frees twice."""
    folders = [_images(tmp_path / suffix, suffix) for suffix in ("png", "tif", "jpg")]
    videos = [_video(tmp_path / "videos", suffix) for suffix in ("mov", "mkv", "avi", "apng")]
    sources = [str(path) for path in [*folders, *videos]]
    done = _child("-c", _RESTORE_ALL, *sources)
    assert done.stdout.splitlines() == sources, done.stderr
    assert done.returncode == 0, done.stderr
    for source in sources:
        with av.open(f"{source}.out.mkv") as container:
            assert sum(1 for _ in container.decode(video=0)) == 3


def test_a_batch_a_still_and_a_comparison_live_on(call: Call, tmp_path: Path) -> None:
    """In this process, as an embedding program has it."""
    source = _video(tmp_path, "mov")
    folder = _images(tmp_path / "images", "png")
    quick = ("--method", "bicubic", "--scale", 1, "-q")
    batch = tmp_path / "batch"
    batch.mkdir()
    shutil.copy(source, batch)
    assert call("upscale", batch, "-o", tmp_path / "batch-out", *quick).code == 0
    assert call("compare", source, folder, "--fps", 25, "--json", "-q").code == 0
    assert call("still", source, "-o", tmp_path / "still.png", "--at", 0).code == 0


@pytest.mark.parametrize(
    ("clip", "exports", "expected"),
    [
        ("hdr", "", {"MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL"}),
        ("rotated", "", {"DISPLAYMATRIX"}),
        ("plain", "", {"SEI_UNREGISTERED"}),
        ("plain", "mvs", {"MOTION_VECTORS"}),
        ("plain", "venc_params", {"VIDEO_ENC_PARAMS"}),
    ],
)
def test_kinds_of_ordinary_files(clips: Clips, clip: str, exports: str, expected: set[str]) -> None:
    done = _child("-c", _LIST_KINDS, clips(clip), exports)
    assert done.returncode == 0, done.stderr
    assert expected <= set(done.stdout.split())


def _framed(path: Path) -> Path:
    return encode(path, scene(6), *X264, "-x264-params", "frame-packing=3")


def _gop_timecode(path: Path) -> Path:
    return encode(path, scene(6), "-c:v", "mpeg2video", "-timecode", "01:02:03:04")


def _grainy(path: Path) -> Path:
    return encode(path, scene(6), "-c:v", "libsvtav1", "-preset", "13", "-svtav1-params", "film-grain=20")


def _camera(path: Path) -> Path:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(scene(1)[0]).save(path, exif=exif, icc_profile=_profile())
    return path


@pytest.mark.parametrize(
    ("make", "name", "exports", "expected"),
    [
        (_framed, "framed.mp4", "", "STEREO3D"),
        (_gop_timecode, "gop.mpg", "", "GOP_TIMECODE"),
        (_grainy, "grain.mp4", "film_grain", "FILM_GRAIN_PARAMS"),
        (_camera, "camera.jpg", "", "DISPLAYMATRIX"),
        (_camera, "camera.png", "", "FFMPEG_31"),  # EXIF, beside a profile with a name
    ],
)
def test_kinds_of_other_files(
    tmp_path: Path, make: Callable[[Path], Path], name: str, exports: str, expected: str
) -> None:
    done = _child("-c", _LIST_KINDS, make(tmp_path / name), exports)
    assert done.returncode == 0, done.stderr
    assert expected in done.stdout.split()
    assert "ICC_PROFILE" not in done.stdout


def test_the_frame_is_left_as_it_was(tmp_path: Path) -> None:
    from vsr.media.side_data import side_data

    with av.open(str(_camera(tmp_path / "camera.jpg"))) as container:
        frame = next(container.decode(video=0))
    frame.pts, frame.time_base = 77, Fraction(1, 90000)
    before = frame.to_ndarray()
    side_data(frame)
    assert (frame.pts, frame.time_base) == (77, Fraction(1, 90000))
    assert np.array_equal(frame.to_ndarray(), before)
    assert "ICC_PROFILE" in {item.type.name for item in frame.side_data}  # type: ignore[attr-defined]


def _dated(path: Path) -> Path:
    exif = Image.Exif()
    exif[0x010F], exif[0x0132] = "A camera", "2026:01:02 03:04:05"
    Image.fromarray(scene(1)[0]).save(path, exif=exif)
    return path


def _with_user_data(path: Path) -> Path:
    """As surveillance cameras and drones write their own clock and place into the stream."""
    uuid = "0123456789abcdef0123456789abcdef"
    bsf = ("-bsf:v", f"h264_metadata=sei_user_data={uuid}+camera 7 at noon")
    return encode(path, scene(4), *X264, *bsf)


@pytest.mark.parametrize(
    ("make", "name", "said"),
    [
        (_with_user_data, "user.mp4", "user data in SEI messages (0123456789abcdef0123456789abcdef)"),
        (_dated, "1.jpg", "EXIF (camera, date, place)"),
        (_dated, "1.png", "EXIF (camera, date, place)"),
    ],
)
def test_what_new_images_lose_is_named(
    call: Call, tmp_path: Path, make: Callable[[Path], Path], name: str, said: str
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    made = make(folder / name)
    is_video = made.suffix == ".mp4"
    source = made if is_video else folder
    rest = () if is_video else ("--fps", 25)
    done = call("upscale", source, "-o", tmp_path / "out.mkv", *rest, "--dry-run", "-q")
    assert f"{said}: part of the old frames" in done.out, done.err
    assert f"{said}: cannot be kept" in call("probe", source, *rest).out


def test_tags_of_tiff_are_named_where_they_do_not_go_on(call: Call, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    _dated(tmp_path / "in" / "1.tif")
    done = call("upscale", tmp_path / "in", "-o", tmp_path / "out.mkv", "--fps", 25, "--dry-run", "-q")
    assert "make A camera: only TIFF has a place for it" in done.out, done.err
    done = call("upscale", tmp_path / "in", "-o", tmp_path / "out" / "%d.tif", "--fps", 25, "--dry-run", "-q")
    assert "A camera" not in done.out, done.err


@pytest.mark.parametrize("clip", ["plain", "hdr", "mpeg2_ts", "interlaced"])
def test_settings_of_encoders_are_no_loss(call: Call, clips: Clips, tmp_path: Path, clip: str) -> None:
    done = call("upscale", clips(clip), "-o", tmp_path / "out.mkv", "--dry-run", "-q")
    assert "part of the old frames" not in done.out


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_an_orientation_that_is_followed_and_the_tags_of_a_tiff_are_none_either(
    call: Call, tmp_path: Path, suffix: str
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    _camera(folder / f"1.{suffix}")
    done = call("upscale", folder, "-o", tmp_path / "out.mkv", "--fps", 25, "--dry-run", "-q")
    assert (done.code, "part of the old frames" in done.out) == (0, False)

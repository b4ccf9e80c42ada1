"""Files that are no videos, half videos or hostile ones: one line says why, and nothing else happens."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from plain_reader import first_frames, with_records
from videos import AAC, ffmpeg, tone

import vsr

Clips = Callable[[str], Path]
pytestmark = pytest.mark.usefixtures("no_leaks")


def _refused(source: Path, quick: dict[str, Any], error: type[vsr.VsrError] = vsr.InputError) -> str:
    """Both probing and upscaling refuse, with one line that names the file."""
    target = source.parent / "result.mkv"
    with pytest.raises(error) as raised:
        vsr.upscale(source, target, settings=quick)
    message = str(raised.value)
    assert "\n" not in message
    assert source.name in message
    assert not target.exists()
    with pytest.raises(error):
        vsr.probe(source)
    return message


def test_a_missing_file(tmp_path: Path, quick: dict[str, Any]) -> None:
    assert "no such file" in _refused(tmp_path / "none.mp4", quick)


def test_a_folder_without_videos(tmp_path: Path, quick: dict[str, Any]) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(vsr.InputError, match="holds no videos"):
        vsr.upscale(tmp_path / "empty", tmp_path / "out.mp4", settings=quick)


def test_an_empty_file(tmp_path: Path, quick: dict[str, Any]) -> None:
    path = tmp_path / "empty.mp4"
    path.touch()
    assert "is empty" in _refused(path, quick)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_not_waited_for(tmp_path: Path, quick: dict[str, Any]) -> None:
    path = tmp_path / "pipe.mp4"
    os.mkfifo(path)
    assert "not a regular file" in _refused(path, quick)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
@pytest.mark.parametrize("form", ["/dev/fd/{}", "/proc/self/fd/{}", "link.mp4"])
def test_a_handle_is_no_input(clips: Clips, tmp_path: Path, quick: dict[str, Any], form: str) -> None:
    """As ``/dev/stdin`` is: programs that vsr starts would find another file there, or none."""
    with clips("plain").open("rb") as file:
        (tmp_path / "link.mp4").symlink_to(f"/dev/fd/{file.fileno()}")
        assert "name the file itself" in _refused(tmp_path / form.format(file.fileno()), quick)
    (tmp_path / "other.mp4").symlink_to(clips("plain"))
    assert vsr.probe(tmp_path / "other.mp4").video.width == 96


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "txt", "bin"])
def test_text(tmp_path: Path, quick: dict[str, Any], suffix: str) -> None:
    path = tmp_path / f"text.{suffix}"
    path.write_text("Once upon a time there was no video.\n" * 300)
    assert "not a video file" in _refused(path, quick)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "avi", "h264", "yuv"])
def test_random_bytes(tmp_path: Path, quick: dict[str, Any], suffix: str) -> None:
    path = tmp_path / f"noise.{suffix}"
    path.write_bytes(np.random.default_rng(1).bytes(200_000))
    _refused(path, quick)


def test_sound_alone(tmp_path: Path, quick: dict[str, Any]) -> None:
    path = tmp_path / "sound.mp4"
    ffmpeg(*tone(1), *AAC, str(path))
    assert "has no video stream (it holds 1 audio)" in _refused(path, quick)


def test_sound_with_a_cover_image(tmp_path: Path, clips: Clips, quick: dict[str, Any]) -> None:
    path = tmp_path / "album.mp4"
    cover = tmp_path / "cover.png"
    ffmpeg("-i", str(clips("plain")), "-frames:v", "1", "-update", "1", str(cover))
    both = ("-i", str(cover), *tone(1), "-map", "0", "-map", "1")
    ffmpeg(*both, "-c:v", "copy", *AAC, "-disposition:v:0", "attached_pic", str(path))
    assert "has no video stream" in _refused(path, quick)


def test_no_frames(tmp_path: Path, clips: Clips, quick: dict[str, Any]) -> None:
    path = tmp_path / "no-frames.mkv"
    ffmpeg("-i", str(clips("plain")), "-c", "copy", "-frames:v", "0", str(path))
    _refused(path, quick)


def test_an_mp4_without_its_index(tmp_path: Path, clips: Clips, quick: dict[str, Any]) -> None:
    """A recording that was cut off before the moov box was written."""
    data = clips("cfr").read_bytes()
    path = tmp_path / "cut-off.mp4"
    path.write_bytes(data[: data.index(b"moov") - 4])
    assert "not a video file" in _refused(path, quick)


@pytest.mark.parametrize(("name", "share"), [("mpeg2_ts", 0.6), ("rich", 0.5), ("open_gop_ts", 0.31)])
def test_a_truncated_tail(tmp_path: Path, clips: Clips, quick: dict[str, Any], name: str, share: float) -> None:
    """What is there is restored, all of it."""
    data = clips(name).read_bytes()
    path = tmp_path / f"short{clips(name).suffix}"
    path.write_bytes(data[: int(len(data) * share)])
    expected = len(first_frames(path))
    assert 0 < expected < len(first_frames(clips(name)))
    [outcome] = vsr.upscale(path, tmp_path / "out.mkv", settings=quick)
    assert len(first_frames(outcome.output)) == expected


def test_a_truncated_mp4_with_its_index(tmp_path: Path, clips: Clips, quick: dict[str, Any]) -> None:
    """The index promises frames that are not there: counted as damage, refused by strict."""
    whole = tmp_path / "fast.mp4"
    ffmpeg("-i", str(clips("cfr")), "-c", "copy", "-movflags", "+faststart", str(whole))
    path = tmp_path / "short.mp4"
    path.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * 0.6)])
    [outcome] = vsr.upscale(path, tmp_path / "out.mkv", settings=quick)
    assert outcome.manifest is not None
    count = len(first_frames(outcome.output))
    assert 10 < count < 60
    assert outcome.manifest["times"]["num_frames"] == count


def _patched(path: Path, clips: Clips, old: bytes, new: bytes, *, count: int = 1) -> Path:
    data = clips("plain").read_bytes()
    assert data.count(old) >= 1
    path.write_bytes(data.replace(old, new, count))
    return path


def test_an_encrypted_mp4(tmp_path: Path, clips: Clips, quick: dict[str, Any]) -> None:
    path = _patched(tmp_path / "secret.mp4", clips, b"avc1\x00\x00\x00\x00\x00\x00", b"encv\x00\x00\x00\x00\x00\x00")
    assert "encrypted" in _refused(path, quick)


def test_a_header_that_claims_a_giant_image(tmp_path: Path, clips: Clips, quick: dict[str, Any]) -> None:
    data = bytearray(clips("plain").read_bytes())
    entry = data.index(b"avc1", data.index(b"stsd"))
    assert struct.unpack_from(">HH", data, entry + 28) == (96, 64)
    struct.pack_into(">HH", data, entry + 28, 50000, 50000)
    avcc = data.index(b"avcC")
    data[avcc + 4 : avcc + 30] = bytes(26)  # without parameter sets only the container's claim is left
    path = tmp_path / "giant.mp4"
    path.write_bytes(bytes(data))
    _refused(path, quick)


def test_a_giant_image_is_refused_before_it_is_decoded(tmp_path: Path, quick: dict[str, Any]) -> None:
    path = tmp_path / "giant.avi"
    ffmpeg("-f", "lavfi", "-i", "color=s=64x64:d=0.2", "-c:v", "rawvideo", "-pix_fmt", "bgr24", str(path))
    data = bytearray(path.read_bytes())
    place = data.index(b"strf") + 8
    assert struct.unpack_from("<ii", data, place + 4)[0] == 64
    struct.pack_into("<ii", data, place + 4, 50000, 50000)
    path.write_bytes(bytes(data))
    _refused(path, quick)


HOSTILE = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{other}\n#EXT-X-ENDLIST\n",
    "hls after a mark": "\ufeff#EXTM3U\n#EXTINF:10,\n{other}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile '{other}'\n",
    "dash": (
        '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" profiles="urn:mpeg:dash:'
        'profile:isoff-on-demand:2011"><Period><AdaptationSet mimeType="video/mp4"><Representation id="1" '
        'bandwidth="1"><BaseURL>{other}</BaseURL></Representation></AdaptationSet></Period></MPD>\n'
    ),
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
    "concat without version": "file '{other}'\nfile '{other}'\n",
    "ffmetadata": ";FFMETADATA1\ntitle={other}\n",
    "imf": '<?xml version="1.0"?><CompositionPlaylist xmlns="http://www.smpte-ra.org/schemas/2067-3/2013"/>\n',
}


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "m3u8", "ts"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_playlists_and_scripts_are_refused(
    tmp_path: Path, clips: Clips, quick: dict[str, Any], kind: str, suffix: str
) -> None:
    path = tmp_path / f"movie.{suffix}"
    path.write_text(HOSTILE[kind].format(other=clips("plain")), encoding="utf-8")
    _refused(path, quick)


@pytest.mark.parametrize("kind", ["hls", "concat", "dash"])
def test_the_file_that_a_playlist_names_is_not_opened(tmp_path: Path, kind: str) -> None:
    """Watched from outside: a named pipe would block whoever opens it."""
    trap = tmp_path / "trap.ts"
    os.mkfifo(trap)
    path = tmp_path / "movie.mp4"
    path.write_text(HOSTILE[kind].format(other=trap))
    probe = f"import vsr\ntry:\n vsr.probe({str(path)!r})\nexcept vsr.InputError as e:\n print('refused')"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout == "refused\n", done.stderr


def test_the_trap_would_work(tmp_path: Path, clips: Clips) -> None:
    """Plain PyAV, without vsr's whitelists, does follow a concat script: so the tests above can fail."""
    import av

    path = tmp_path / "movie.mp4"
    path.write_text(HOSTILE["concat"].format(other=clips("plain")))
    with av.open(str(path), options={"safe": "0"}) as container:
        assert container.format.name == "concat"
        assert len(list(container.decode(video=0))) == 30


NAMES = [
    *("with space.mp4", "it's.mp4", 'double"quote.mp4', "-i.mp4", "--overwrite.mp4", "名前.mp4", "é.mp4"),
    *("T12:30.mp4", "concat:a.mp4", "100%.mp4", "%d.mp4", "%06d.mp4", "a,b;c.mp4", "[brackets].mp4", "#hash?.mp4"),
    *("back\\slash.mp4", "dollar$HOME.mp4", "tab\there.mp4", "file:x.mp4", "pipe:0.mp4", "|x.mp4", "new\nline.mp4"),
]


@pytest.mark.parametrize("name", NAMES)
def test_any_file_name_works(
    tmp_path: Path, clips: Clips, quick: dict[str, Any], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As input and as output, named relative to the folder, as users do."""
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "in" / name).write_bytes(clips("plain").read_bytes())
    monkeypatch.chdir(tmp_path / "in")
    vsr.upscale(name, Path("..") / "out" / name, settings=quick)
    assert {p.name for p in (tmp_path / "out").iterdir()} == with_records(name)
    monkeypatch.chdir(tmp_path / "out")
    assert all(check.passed for check in vsr.verify(name))
    assert len(first_frames(tmp_path / "out" / name)) == 30


def test_a_name_that_is_not_unicode(tmp_path: Path, clips: Clips, quick: dict[str, Any]) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4"))
    try:
        path.write_bytes(clips("plain").read_bytes())
    except OSError:
        pytest.skip("this file system takes only Unicode names")
    [outcome] = vsr.upscale(path, tmp_path / "out.mp4", settings=quick)
    assert len(first_frames(outcome.output)) == 30


def test_timing_files_that_lie(tmp_path: Path, clips: Clips, quick: dict[str, Any]) -> None:
    folder = tmp_path / "frames"
    vsr.upscale(clips("plain"), folder / "%06d.png", settings={"method": "lanczos", "scale": 1})
    timing = folder / "timing.json"
    good = timing.read_text()
    one_more = good.replace('"pts": [', '"pts": [-5,')
    no_clock = re.sub(r'"1/\d+"', '"1/0"', good)
    backward = re.sub(r'"pts": \[\s*0', '"pts": [ 999999', good)
    assert len({good, one_more, no_clock, backward}) == 4
    for text in ("", "{}", "[]", "null", one_more, no_clock, backward):
        timing.write_text(text)
        with pytest.raises(vsr.InputError, match=r"timing\.json"):
            vsr.upscale(folder, tmp_path / "out.mkv", settings=quick)

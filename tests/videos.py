"""Small videos made from nothing but a seed.

`CLIPS` is the table of clips: a name, and the function that writes it. The ``clips`` fixture makes each at most once
a session. Images move every frame, so no two frames of a clip are equal and a wrong frame is always noticed.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from vsr.media.ffmpeg import ffmpeg_path

__all__ = [
    "AWKWARD",
    "CLIPS",
    "MASTER_DISPLAY",
    "broadcast",
    "damage_packets",
    "encode",
    "ffmpeg",
    "late_sound",
    "scene",
    "tone",
]

Images = NDArray[np.uint8]

X264 = ("-c:v", "libx264", "-preset", "veryfast", "-threads", "2", "-bf", "2")
X265 = ("-c:v", "libx265", "-preset", "ultrafast", "-threads", "2")
MASTER_DISPLAY = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
"""BT.2020-like primaries in a P3 volume, 1000 cd/m², as x265 takes it."""


def scene(num_frames: int, width: int = 96, height: int = 64, *, cuts: Sequence[int] = (), seed: int = 1) -> Images:
    """Moving coloured texture, ``(N, H, W, 3)`` uint8 RGB; a new image with other colours from each cut on."""
    rng = np.random.default_rng(seed)
    frames = np.empty((num_frames, height, width, 3), np.uint8)
    tints = [(255, 150, 60), (40, 90, 255), (90, 255, 70), (250, 250, 250), (200, 30, 200)]
    bounds = [0, *cuts, num_frames]
    for shot, (start, stop) in enumerate(pairwise(bounds)):
        coarse = rng.random((height // 8 + 2, width // 8 + 2))
        image = np.kron(coarse, np.ones((8, 8)))[: height + 8, : width + 8]
        image = sum(np.roll(image, (y, x), (0, 1)) for y in range(4) for x in range(4)) / 16
        tint = np.array(tints[shot % len(tints)])
        for number in range(start, stop):
            moved = np.roll(image, (number - start, 2 * (number - start)), (0, 1))[:height, :width, None]
            frames[number] = np.clip(moved * tint + 12 + (number * 5) % 23, 0, 255)
    return frames


def ffmpeg(*arguments: str, data: bytes | None = None) -> None:
    """Run the bundled ffmpeg; a failure fails the test with its message."""
    command = [ffmpeg_path(), "-hide_banner", "-v", "error", "-y", *arguments]
    stdin = {"stdin": subprocess.DEVNULL} if data is None else {"input": data}
    done = subprocess.run(command, capture_output=True, check=False, **stdin)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr.decode(errors="replace")


def encode(
    path: Path,
    images: Images,
    *options: str,
    rate: str = "25",
    inputs: Sequence[str] = (),
    times: str | None = None,
    pix_fmt: str = "yuv420p",
    vf: str = "",
) -> Path:
    """Encode ``images`` to ``path``. ``times`` is a setpts expression; ``inputs`` are further ffmpeg inputs."""
    _, height, width, _ = images.shape
    filters = [part for part in (vf, f"settb=1/90000,setpts={times}" if times else "") if part]
    ffmpeg(
        *("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", rate, "-i", "pipe:0"),
        *inputs,
        *(("-vf", ",".join(filters)) if filters else ()),
        *(("-fps_mode", "passthrough", "-enc_time_base", "1:90000") if times else ()),
        *("-pix_fmt", pix_fmt, *options, path.as_posix() if path.is_absolute() else f"./{path}"),
        data=images.tobytes(),
    )
    return path


def broadcast(path: Path, codec: str) -> Path:
    """A transport stream with a data stream; returns its path."""
    with av.open(str(path), "w", format="mpegts") as container:
        video = container.add_stream("mpeg2video", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        data = container.add_data_stream(codec)
        for number, image in enumerate(scene(10, 64, 48)):
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            frame.pts = number
            container.mux(video.encode(frame))
            packet = av.Packet(bytes([6, 14, 43, 52, number] * 4))
            packet.stream, packet.time_base = data, Fraction(1, 90_000)
            packet.pts = packet.dts = number * 3600
            container.mux(packet)
        container.mux(video.encode(None))
    return path


def tone(seconds: float, frequency: int = 440) -> tuple[str, ...]:
    """An ffmpeg input: a sine with a little vibrato, so that no two audio packets are alike."""
    expression = f"0.4*sin(2*PI*{frequency}*t+9*sin(3*t))+0.1*sin(2*PI*97*t*t)"
    return ("-f", "lavfi", "-t", f"{seconds}", "-i", f"aevalsrc='{expression}':s=48000")


AAC = ("-c:a", "aac", "-b:a", "64k")


def late_sound(path: Path, seconds: int, late: int, *options: str) -> Path:
    """Video that fills what FFmpeg searches for streams, and sound that begins ``late`` seconds in; its path."""
    image = f"nullsrc=s=128x96:r=25:d={seconds},geq=random(1)*255:128:128"
    ffmpeg(
        *("-f", "lavfi", "-i", image, "-itsoffset", str(late), *tone(1), "-map", "0", "-map", "1", *options),
        *("-max_interleave_delta", "0", str(path)),
    )
    return path


def _cfr(path: Path) -> None:
    encode(path, scene(60), *X264, "-g", "20", *AAC, "-metadata", "title=A small clip", inputs=tone(2.4))


def _plain(path: Path) -> None:
    encode(path, scene(30), *X264, "-g", "12")


def _long(path: Path) -> None:
    encode(path, scene(150, cuts=(70,)), *X264, "-g", "40", *AAC, inputs=tone(6))


def _ntsc(path: Path) -> None:
    encode(path, scene(50), *X264, "-g", "25", rate="30000/1001")


_JITTER = "'(N*3600+mod(N*N*37,5)*700+if(gt(N,40),90000,0))/90000/TB'"


def _vfr(path: Path) -> None:
    encode(path, scene(90), *X264, "-g", "30", *AAC, "-video_track_timescale", "90000", inputs=tone(4), times=_JITTER)


def _vfr_mkv(path: Path) -> None:
    encode(path, scene(60), *X264, "-g", "30", times="'(N*40+mod(N*N*7,11))/1000/TB'")


def _open_gop_hevc(path: Path) -> None:
    encode(path, scene(150), *X265, "-x265-params", "open-gop=1:keyint=24:min-keyint=24:bframes=3:b-adapt=0")


def _open_gop_h264(path: Path) -> None:
    encode(path, scene(150), *X264, "-x264-params", "open-gop=1:keyint=24:bframes=3:b-adapt=0:scenecut=0")


def _intra_refresh(path: Path) -> None:
    encode(path, scene(150), *X264, "-x264-params", "intra-refresh=1:keyint=30")


_MPEG2 = ("-c:v", "mpeg2video", "-g", "15", "-bf", "2", "-b:v", "900k", "-threads", "1")


def _mpeg2_ts(path: Path) -> None:
    audio = ("-c:a", "mp2", "-b:a", "96k")
    encode(path, scene(150), *_MPEG2, *audio, "-output_ts_offset", "36001.2", inputs=tone(6))


def _mpeg2_ps(path: Path) -> None:
    encode(path, scene(100), *_MPEG2)


def _av1(path: Path) -> None:
    encode(path, scene(60), "-c:v", "libsvtav1", "-preset", "12", "-g", "20", "-svtav1-params", "lp=1")


def _vp9(path: Path) -> None:
    options = ("-auto-alt-ref", "1", "-lag-in-frames", "16", "-g", "25", "-b:v", "300k", "-threads", "1")
    encode(path, scene(80), "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "6", *options)


def _mpeg4_avi(path: Path) -> None:
    encode(path, scene(80), "-c:v", "mpeg4", "-q:v", "4", "-bf", "2", "-g", "20", "-threads", "1")


def _ten_bit(path: Path) -> None:
    tags = "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv"
    encode(path, scene(24), *X265, "-x265-params", "bframes=2:crf=12", vf=tags, pix_fmt="yuv420p10le")


def _four_two_two(path: Path) -> None:
    encode(path, scene(24), *X264, pix_fmt="yuv422p")


def _interlaced(path: Path) -> None:
    flags = ("-flags", "+ildct+ilme", "-x264-params", "tff=1", "-g", "12")
    encode(path, scene(48, 96, 64), *X264, *flags, vf="interlace=scan=tff:lowpass=off", rate="50")


def _rotated(path: Path) -> None:
    plain = path.with_name("to-rotate.mp4")
    _plain(plain)
    ffmpeg("-display_rotation", "90", "-i", str(plain), "-c", "copy", str(path))


def _mirrored(path: Path) -> None:
    plain = path.with_name("to-mirror.mp4")
    _plain(plain)
    ffmpeg("-display_rotation", "90", "-display_hflip", "-i", str(plain), "-c", "copy", str(path))


def _sar(path: Path) -> None:
    encode(path, scene(20), *X264, vf="setsar=16/11")


def _edit_list(path: Path) -> None:
    """Cut by copy: the first frames are decoded and not shown, sound and video start apart."""
    whole = path.with_name("to-cut.mp4")
    _cfr(whole)
    ffmpeg("-ss", "0.5", "-i", str(whole), "-c", "copy", str(path))


def _late_video(path: Path) -> None:
    """Video starts 0.4 s after the sound."""
    whole = path.with_name("to-delay.mp4")
    _cfr(whole)
    both = ("-itsoffset", "0.4", "-i", str(whole), "-i", str(whole))
    ffmpeg(*both, "-map", "0:v", "-map", "1:a", "-c", "copy", str(path))


_SRT = "1\n00:00:00,200 --> 00:00:01,000\nFirst {words}\n\n2\n00:00:01,200 --> 00:00:02,000\nThe <i>second</i> line\n"
_ASS = (
    "[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name, Fontname, Fontsize\nStyle: Default,Arial,20\n\n"
    "[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
    "Dialogue: 0,0:00:00.50,0:00:01.50,Default,,0,0,0,,{\\b1}Bold{\\b0}, and plain\n"
)
_CHAPTERS = (
    ";FFMETADATA1\ntitle=All sorts\nartist=Nobody in particular\n"
    "[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1200\ntitle=Opening\n"
    "[CHAPTER]\nTIMEBASE=1/1000\nSTART=1200\nEND=2400\ntitle=Ending\n"
)


def _rich(path: Path) -> None:
    """Two sound tracks, two kinds of subtitles, chapters, an attachment, tags: all that Matroska holds."""
    folder = path.with_suffix(".parts")
    folder.mkdir()
    video = encode(folder / "video.mkv", scene(60), *X264, "-g", "20")
    for name, text in (("a.srt", _SRT), ("b.ass", _ASS), ("c.txt", _CHAPTERS)):
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "face.ttf").write_bytes(np.random.default_rng(3).bytes(3000))
    ffmpeg(
        *("-i", str(video), *tone(2.4), *tone(2.4, 660), "-i", str(folder / "a.srt"), "-i", str(folder / "b.ass")),
        *("-f", "ffmetadata", "-i", str(folder / "c.txt"), "-map_metadata", "5", "-map_chapters", "5"),
        *("-map", "0:v", "-map", "1:a", "-map", "2:a", "-map", "3", "-map", "4", "-c:v", "copy"),
        *("-c:a:0", "aac", "-c:a:1", "flac", "-c:s", "copy"),
        *("-attach", str(folder / "face.ttf"), "-metadata:s:t", "mimetype=application/x-truetype-font"),
        *("-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu", "-metadata:s:s:0", "language=fra"),
        *("-metadata:s:v:0", "title=The image", str(path)),
    )


def _cuts(path: Path) -> None:
    encode(path, scene(130, cuts=(37, 90)), *X264, "-crf", "12", "-g", "50")


def _hdr(path: Path) -> None:
    params = f"bframes=2:master-display={MASTER_DISPLAY}:max-cll=987,321:repeat-headers=1:hdr10=1"
    tags = "setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc:range=tv:chroma_location=topleft"
    options = (*X265, "-x265-params", f"{params}:chromaloc=2", "-tag:v", "hvc1")
    encode(path, scene(24), *options, vf=f"format=yuv420p10le,{tags}", pix_fmt="yuv420p10le")


def _timecode(path: Path) -> None:
    encode(path, scene(25), *X264, "-timecode", "01:02:03:04", *AAC, inputs=tone(1))


def _gray(path: Path) -> None:
    encode(path, scene(20), "-c:v", "ffv1", "-level", "3", pix_fmt="gray10le")


def _rgb(path: Path) -> None:
    encode(path, scene(20), "-c:v", "ffv1", "-level", "3", pix_fmt="gbrp")


def _alpha(path: Path) -> None:
    options = ("-c:v", "prores_ks", "-profile:v", "4444", "-alpha_bits", "16")
    encode(path, scene(8), *options, pix_fmt="yuva444p10le", vf="format=rgba,colorchannelmixer=aa=0.6")


def _full_range(path: Path) -> None:
    encode(path, scene(20), *X264, "-color_range", "pc", vf="scale=out_range=pc")


def _size_change(path: Path) -> None:
    """The image becomes larger in mid-stream, as broadcasts do."""
    parts = []
    for number, (width, height) in enumerate(((64, 48), (96, 64))):
        part = path.with_name(f"size-{number}.ts")
        images = scene(40, width, height, seed=number + 5)
        encode(part, images, *X264, "-g", "20", "-output_ts_offset", f"{number * 1.6}")
        parts.append(part.read_bytes())
    path.write_bytes(b"".join(parts))


def _damaged(path: Path) -> None:
    whole = path.with_name("to-damage.mp4")
    encode(whole, scene(150), *X264, "-g", "30", *AAC, inputs=tone(6))
    path.write_bytes(damage_packets(whole, (40, 41, 42, 77, 110)))


def _damaged_ts(path: Path) -> None:
    whole = path.with_name("to-damage.ts")
    encode(whole, scene(150), *_MPEG2)
    data = bytearray(whole.read_bytes())
    rng = np.random.default_rng(5)
    for place in (len(data) // 3, len(data) // 2, 3 * len(data) // 4):
        start = place - place % 188
        data[start + 4 : start + 500] = rng.bytes(496)
    path.write_bytes(bytes(data))


def damage_packets(path: Path, which: Sequence[int]) -> bytes:
    """The file with the payload of these video packets (in file order) overwritten with noise, lengths kept."""
    data = bytearray(path.read_bytes())
    rng = np.random.default_rng(11)
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        for number in which:
            packet = packets[number]
            assert packet.pos is not None
            start = packet.pos + min(12, packet.size // 2)
            stop = packet.pos + packet.size
            data[start:stop] = rng.bytes(stop - start)
    return bytes(data)


@dataclass(frozen=True)
class Clip:
    """How to make one clip."""

    file_name: str
    write: Callable[[Path], None]


CLIPS: dict[str, Clip] = {
    "cfr": Clip("cfr.mp4", _cfr),
    "plain": Clip("plain.mp4", _plain),
    "long": Clip("long.mp4", _long),
    "ntsc": Clip("ntsc.mp4", _ntsc),
    "vfr": Clip("vfr.mp4", _vfr),
    "vfr_mkv": Clip("vfr.mkv", _vfr_mkv),
    "open_gop_hevc": Clip("open-gop-hevc.mp4", _open_gop_hevc),
    "open_gop_h264": Clip("open-gop-h264.mp4", _open_gop_h264),
    "open_gop_ts": Clip("open-gop-h264.ts", _open_gop_h264),
    "intra_refresh": Clip("intra-refresh.mp4", _intra_refresh),
    "mpeg2_ts": Clip("mpeg2.ts", _mpeg2_ts),
    "mpeg2_ps": Clip("mpeg2.mpg", _mpeg2_ps),
    "av1": Clip("av1.mp4", _av1),
    "vp9": Clip("vp9.webm", _vp9),
    "mpeg4_avi": Clip("mpeg4.avi", _mpeg4_avi),
    "ten_bit": Clip("ten-bit.mkv", _ten_bit),
    "four_two_two": Clip("422.mp4", _four_two_two),
    "interlaced": Clip("interlaced.mp4", _interlaced),
    "rotated": Clip("rotated.mp4", _rotated),
    "mirrored": Clip("mirrored.mp4", _mirrored),
    "sar": Clip("sar.mp4", _sar),
    "edit_list": Clip("edit-list.mp4", _edit_list),
    "late_video": Clip("late-video.mp4", _late_video),
    "rich": Clip("rich.mkv", _rich),
    "cuts": Clip("cuts.mp4", _cuts),
    "hdr": Clip("hdr.mp4", _hdr),
    "timecode": Clip("timecode.mov", _timecode),
    "gray": Clip("gray.mkv", _gray),
    "rgb": Clip("rgb.mkv", _rgb),
    "alpha": Clip("alpha.mov", _alpha),
    "full_range": Clip("full-range.mp4", _full_range),
    "size_change": Clip("size-change.ts", _size_change),
    "damaged": Clip("damaged.mp4", _damaged),
    "damaged_ts": Clip("damaged.ts", _damaged_ts),
}

AWKWARD = (
    *("open_gop_hevc", "open_gop_h264", "open_gop_ts", "intra_refresh", "mpeg2_ts", "mpeg2_ps", "vfr", "av1"),
    *("vp9", "mpeg4_avi", "interlaced", "edit_list", "size_change", "damaged", "damaged_ts"),
)
"""Clips in which a seek alone finds wrong frames, or could."""

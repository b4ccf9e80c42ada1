"""Writing the file that a recipe of `many_files` asks for: images, other streams, tags and faults."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from boxes import clap, with_boxes
from faulty_files import AT_ONCE, LATER, copy_of
from many_files import VIDEO, Recipe
from videos import MASTER_DISPLAY, encode, ffmpeg, scene, tone

__all__ = ["make"]


def make(recipe: Recipe, folder: Path) -> Path:
    """Write the file of ``recipe`` into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"in.{recipe.container}"
    _encode(recipe, path, recipe.number, recipe.size)
    if "turned" in recipe.tags:
        upright = path.rename(path.with_stem("upright"))
        copy_of(upright, path, before=("-display_rotation", "90"))
    if "crop" in recipe.extras:
        whole = path.rename(path.with_stem("whole"))
        with_boxes(whole, path, clap(recipe.size[0] - 8, recipe.size[1] - 4, 0, 0))
    if recipe.fault not in LATER:
        return path

    def another(seed: int, size: tuple[int, int] | None = None) -> Path:
        other = path.with_stem(f"other{seed}")
        _encode(recipe, other, recipe.number + 1000 * seed, size or recipe.size)
        return other

    return LATER[recipe.fault](path, random.Random(recipe.number), another)


def _encode(recipe: Recipe, path: Path, seed: int, size: tuple[int, int]) -> None:
    seconds = max(1.0, recipe.num_frames / 12)
    inputs: list[str] = []
    maps, options, place = ["-map", "0:v"], [], 1

    def add(*given: str, chosen: str, coded: Sequence[str] = ()) -> None:
        nonlocal place
        inputs.extend(given)
        maps.extend(("-map", f"{place}{chosen}"))
        options.extend(coded)
        place += 1

    late = ("-itsoffset", "0.4") if recipe.fault == "late sound" else ()
    for number, codec in enumerate(recipe.audio):
        strict = ("-strict", "-2") if codec == "dca" else ()
        add(*late, *tone(seconds, 440 + 110 * number), chosen=":a", coded=(f"-c:a:{number}", codec, *strict))
    options += ["-ar", "44100"] if recipe.container == "f4v" else ["-ar", "48000", "-ac", "2"]
    words = path.with_suffix(".srt")
    words.write_text(
        "1\n00:00:00,040 --> 00:00:00,200\nFirst line\n\n2\n00:00:00,240 --> 00:00:00,600\n<i>Second</i>\n"
    )
    kinds = {
        "subtitle": "mov_text" if recipe.container in ("mp4", "mov") else "subrip",
        "ass": "ass",
        "webvtt": "webvtt",
    }
    texts = [name for name in recipe.extras if name in kinds]
    for number, name in enumerate(texts):
        add("-i", str(words), chosen=":s", coded=(f"-c:s:{number}", kinds[name]))
    video = 1
    if "second" in recipe.extras:
        source = f"testsrc2=s=64x48:r={recipe.rate}:d={recipe.num_frames / 25:.3f}"
        coded = ("libx264", "yuv420p") if recipe.container == "ts" else ("mjpeg", "yuvj420p")
        add(
            "-f",
            "lavfi",
            "-i",
            source,
            chosen=":v",
            coded=("-c:v:1", coded[0], "-bf:v:1", "0", "-pix_fmt:v:1", coded[1]),
        )
        video += 1
    if "cover" in recipe.extras and recipe.container == "mp4":
        source = ("-f", "lavfi", "-i", "color=red:s=32x32:d=0.04:r=25")
        add(*source, chosen=":v", coded=(f"-c:v:{video}", "png", f"-disposition:v:{video}", "attached_pic"))
    options += _attached(recipe, path)
    if (recipe.container, recipe.codec) == ("mkv", "rawvideo"):
        options += ["-allow_raw_vfw", "1"]
    if "chapters" in recipe.extras:
        listed = path.with_suffix(".txt")
        listed.write_text(
            ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=200\ntitle=Opening\n"
            "[CHAPTER]\nTIMEBASE=1/1000\nSTART=200\nEND=400\ntitle=Ending\n"
        )
        inputs += ["-f", "ffmetadata", "-i", str(listed)]
        options += ["-map_chapters", str(place)]
        place += 1
    if "klv" in recipe.extras:
        packets = path.with_suffix(".bin")
        packets.write_bytes(bytes([6, 14, 43, 52]) * 30)
        add("-f", "data", "-i", str(packets), chosen=":d", coded=("-c:d", "copy"))
    at_once = AT_ONCE.get(recipe.fault)
    filters = [at_once.filters] if at_once and at_once.filters else []
    if "sar" in recipe.tags:
        filters.append("setsar=16/11")
    if "colour" in recipe.tags:
        filters.append("setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv")
    if "a" in recipe.pix_fmt.replace("gray", "").replace("gbrp", "") or recipe.pix_fmt == "gbrap":
        filters.append("format=rgba,colorchannelmixer=aa=0.6")
    width, height = size
    encode(
        path,
        scene(recipe.num_frames, width, height, seed=seed),
        *("-c:v:0", *VIDEO[recipe.codec][0], *_hdr(recipe), *maps, *options),
        *(at_once.options if at_once else ()),
        *_tags(recipe),
        rate="50" if recipe.fault == "interlaced" else recipe.rate,
        inputs=inputs,
        times=at_once.times if at_once and at_once.times else None,
        pix_fmt=recipe.pix_fmt,
        vf=",".join(filters),
    )


def _attached(recipe: Recipe, path: Path) -> list[str]:
    """Files inside Matroska, and the start timecode."""
    options: list[str] = []
    attached = [name for name in ("attachment", "cover") if name in recipe.extras and recipe.container == "mkv"]
    for number, name in enumerate(attached):
        if name == "attachment":
            file, kind = path.with_suffix(".ttf"), "application/x-truetype-font"
            file.write_bytes(random.Random(recipe.number).randbytes(3000))
        else:
            file, kind = path.with_suffix(".png"), "image/png"
            ffmpeg("-f", "lavfi", "-i", "color=red:s=32x32:d=0.04:r=25", "-frames:v", "1", str(file))
        options += ["-attach", str(file), f"-metadata:s:t:{number}", f"mimetype={kind}"]
        options += [f"-metadata:s:t:{number}", f"filename={'cover.png' if name == 'cover' else 'face.ttf'}"]
    if "timecode" in recipe.extras:
        options += ["-timecode", "01:02:03:04"]
    if "stereo" in recipe.extras:
        options += ["-metadata:s:v:0", "stereo_mode=left_right"]
    return options


def _tags(recipe: Recipe) -> list[str]:
    options = []
    if "title" in recipe.tags:
        options += ["-metadata", "title=Überall ein Titel", "-metadata", "artist=Nobody"]
    if "custom" in recipe.tags:
        options += ["-metadata", "reel=A 17", "-metadata", "comment=seen twice"]
        options += ["-movflags", "use_metadata_tags"] if recipe.container in ("mp4", "mov") else []
    if "language" in recipe.tags:
        options += ["-metadata:s:a", "language=deu", "-metadata:s:v:0", "language=fra"]
        options += ["-metadata:s:s", "language=nld"]
    return options


def _hdr(recipe: Recipe) -> list[str]:
    if "hdr" not in recipe.tags:
        return []
    params = f"{VIDEO['hevc'][0][4]}:hdr10=1:repeat-headers=1:master-display={MASTER_DISPLAY}:max-cll=987,321"
    return ["-x265-params", f"{params}:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc"]

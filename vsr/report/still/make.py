"""Making the page of a still: check it against its record, look at the input again, write."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Any

from vsr.errors import InputError, VerificationError
from vsr.media.display import resized
from vsr.media.probe import MediaInfo
from vsr.pipeline.manifest import manifest_path
from vsr.pipeline.seal import read_sealed
from vsr.pipeline.sidecar import file_digest
from vsr.report.encode import Encoded, data_uri, encode_images, jpeg
from vsr.report.files import PAGE_SUFFIXES, check_place, write_text
from vsr.report.page.facts import describe_evidence
from vsr.report.page.inputs import find_input
from vsr.report.render import render
from vsr.report.still import words
from vsr.report.still.images import (
    Glance,
    Image,
    Looked,
    difference,
    look,
    map_in_color,
    sharpened,
    still_image,
)

__all__ = ["make_still_page"]

OnStep = Callable[[str, int], None]
"""Called with the stage and the number of frames looked at."""

_MOST_GLANCES = 48  # frames that are shown; the table has all
_GLANCE_PX, _WHOLE_PX = 260, 1000  # longer sides of images
_LARGEST = (1920, 1200)  # width and height that larger stills are shrunk to, on the page
_TEXT_BYTES, _BASE64 = 400_000, 4 / 3
_LEFT, _RIGHT = "one frame, enlarged", "the still"


def make_still_page(output: Path, target: Path, *, most_bytes: int, on_step: OnStep) -> Path:
    """Write the page of the still ``output``, whose record and maps lie beside it, to ``target``; returns where.

    The input's frames are shown where it still is what it was. Raises `VerificationError` where the record or a file
    is not what it was, `MachineError` where the page cannot be written.
    """
    check_place(target, [output, manifest_path(output)], PAGE_SUFFIXES)
    record, problem = read_sealed(manifest_path(output))
    if problem:
        raise VerificationError(f"{manifest_path(output)}: {problem}")
    places = _check_files(output, record)
    notes, info = _find(output, record)
    if info is not None:
        check_place(target, [info.path])
    on_step("gathering", 0)
    shown = _spread(record["frames"], int(record["reference"]["ordinal"]))
    looked = _look(info, record, shown, notes)
    on_step("writing", len(looked.glances))
    page = _Page(output, record, looked, shown, _aspect(record))
    write_text(target, page.html(places, notes, most_bytes))
    return target


def _check_files(output: Path, record: Mapping[str, Any]) -> dict[str, Path]:
    """The still's files by what they are: ``still`` and the maps."""
    recorded = Path(record["output"]["path"])
    places = {}
    for name, digest in record["output"]["files"].items():
        place = output if name == recorded.name else output.with_name(output.stem + name.removeprefix(recorded.stem))
        if not place.is_file() or file_digest(place) != digest:
            raise VerificationError(f"{place}: is not the file that its record describes; see vsr verify {output}")
        places["still" if place == output else name.removeprefix(f"{recorded.stem}.").partition(".")[0]] = place
    return places


def _find(output: Path, record: Mapping[str, Any]) -> tuple[list[str], MediaInfo | None]:
    """The input, if it is there and what it was, and what is to be said of it."""
    found = find_input(output, {**record, "settings": record["request"]}, check_output=False)
    return list(found.notes), found.info


def _look(info: MediaInfo | None, record: Mapping[str, Any], shown: Sequence[int], notes: list[str]) -> Looked:
    if info is None:
        return Looked()
    try:
        looked = look(info, record, shown)
    except InputError as error:
        notes.append(f"the input is not shown: {error}")
        return Looked()
    if looked.changed:
        notes.append(f"the input is not shown: {looked.changed} of its frames decode differently now")
        return Looked()
    return looked


def _spread(frames: Sequence[Mapping[str, Any]], reference: int) -> list[int]:
    """Ordinals of the frames that are shown: all, or some of each kind where they are many."""
    ordinals = [int(frame["ordinal"]) for frame in frames]
    if len(ordinals) <= _MOST_GLANCES:
        return ordinals
    used = [int(frame["ordinal"]) for frame in frames if frame["used"]]
    others = sorted(set(ordinals) - set(used))
    share = min(len(others), _MOST_GLANCES // 3)
    return sorted({reference, *_some(used, _MOST_GLANCES - share - 1), *_some(others, share)})


def _some(ordinals: Sequence[int], count: int) -> list[int]:
    return [ordinals[place * len(ordinals) // count] for place in range(min(count, len(ordinals)))]


def _aspect(record: Mapping[str, Any]) -> float:
    """Width of a pixel over its height."""
    return float(Fraction(str(record["input"]["video"]["sample_aspect_ratio"])))


@dataclass(frozen=True)
class _Page:
    """Everything that goes into the template."""

    output: Path
    record: Mapping[str, Any]
    looked: Looked
    shown: Sequence[int]
    aspect: float

    def html(self, places: Mapping[str, Path], notes: Sequence[str], most_bytes: int) -> str:
        """The page."""
        record, method = self.record, self.record["method"]
        versions = self._versions(places)
        ratio = self.aspect * versions[_RIGHT].shape[1] / versions[_RIGHT].shape[0]
        room = int((most_bytes - _TEXT_BYTES) / _BASE64)
        encoded = encode_images({name: {0: image} for name, image in versions.items()}, room // 2)
        return render(
            "still",
            base="report",
            style=_stage_style(ratio),
            version=version("vsr"),
            made=datetime.now(UTC).strftime("%d %B %Y, %H:%M UTC"),
            name=self.output.name,
            source=Path(record["input"]["path"]).name,
            head=words.head(record),
            evidence=describe_evidence(method["evidence"], bool(method["generative"])),
            warnings=record.get("warnings", []),
            notes=[*record["notes"], *notes],
            versions=[{"name": n, "uri": _uri(encoded, n), "says": words.says(n, record)} for n in versions],
            left=_LEFT if _LEFT in versions else "support",
            right=_RIGHT,
            caption=words.caption(record),
            whole=self._whole(),
            used=self._glances(is_used=True),
            left_out=self._glances(is_used=False),
            more=len(record["frames"]) - len(self.shown),
            agreement=words.agreement(record),
            found=words.found(record),
            request=words.request(record),
            frames=words.frames(record),
            steps=record["steps"],
            assumptions=record["assumptions"],
            files=words.files(record),
            software=[("Processor", str(record["device"])), *((str(n), str(v)) for n, v in record["versions"].items())],
            json=json.dumps(record, indent=1, ensure_ascii=False),
            image_note=f"Images are WebP of quality {encoded.quality}",
        )

    def _versions(self, places: Mapping[str, Path]) -> dict[str, Image]:
        still = still_image(places["still"], self.record)
        height, width = still.shape[:2]
        versions: dict[str, Image] = {}
        if self.looked.own is not None:
            own = self.looked.own
            large = resized(own, height, width)
            psf = float(self.record["found"]["psf_sigma_px"]) * float(self.record["request"]["scale"])
            versions[_LEFT] = large
            versions["one frame, sharpened"] = sharpened(large, psf)
            versions[_RIGHT] = still
            versions["difference"] = resized(difference(own, still, self.record), height, width)
        else:
            versions[_RIGHT] = still
        for what in self.record["output"]["maps"]:
            versions[what] = map_in_color(places[what], (height, width))
        return {name: _fitted(image) for name, image in versions.items()}

    def _whole(self) -> dict[str, Any] | None:
        """The reference with the region, and the way of the region's middle through the frames used."""
        if self.looked.whole is None:
            return None
        height, width = self.looked.whole.shape[:2]
        small = _within(self.looked.whole, _WHOLE_PX)
        outlines = words.outlines(self.record)
        middles = [(sum(x for x, _ in outline) / 4, sum(y for _, y in outline) / 4) for outline in outlines.values()]
        own = outlines[int(self.record["reference"]["ordinal"])]
        return {
            "uri": data_uri("image/jpeg", jpeg(small, 85)),
            "width": width,
            "height": height,
            "shown_height": round(height / self.aspect, 2),
            "outline": _points(own, 1 / self.aspect),
            "way": _points(middles, 1 / self.aspect),
        }

    def _glances(self, *, is_used: bool) -> list[dict[str, Any]]:
        reference = int(self.record["reference"]["ordinal"])
        return [
            {
                **self._drawn(self.looked.glances[int(frame["ordinal"])]),
                "where": f"frame {frame['ordinal']}",
                "clock": frame["time"],
                "reason": frame["reason"],
                "is_own": frame["ordinal"] == reference,
            }
            for frame in self.record["frames"]
            if bool(frame["used"]) == is_used and int(frame["ordinal"]) in self.looked.glances
        ]

    def _drawn(self, glance: Glance) -> dict[str, Any]:
        height, width = glance.image.shape[:2]
        small = _within(glance.image, _GLANCE_PX)
        return {
            "uri": data_uri("image/jpeg", jpeg(small, 80)),
            "width": width,
            "shown_height": round(height / self.aspect, 2),
            "outline": _points(glance.outline, 1 / self.aspect),
        }


def _points(points: Sequence[tuple[float, float]], stretch: float) -> str:
    """As SVG has them; rows are stretched to square pixels."""
    return " ".join(f"{x:.2f},{y * stretch:.2f}" for x, y in points)


def _uri(encoded: Encoded, name: str) -> str:
    return data_uri("image/webp", encoded.files[name][0])


def _fitted(image: Image) -> Image:
    height, width = image.shape[:2]
    factor = min(1.0, _LARGEST[0] / width, _LARGEST[1] / height)
    return resized(image, max(1, round(height * factor)), max(1, round(width * factor)))


def _within(image: Image, side: int) -> Image:
    """``image`` with its longer side of ``side`` pixels, or less where it is small: at most three times as large."""
    height, width = image.shape[:2]
    factor = min(3.0, side / max(height, width))
    return resized(image, max(1, round(height * factor)), max(1, round(width * factor)))


def _stage_style(ratio: float) -> str:
    return (
        f".pane{{aspect-ratio:{ratio:.5f}}}"
        f'.live[data-mode="slider"] .stage,.live[data-mode="blink"] .stage'
        f"{{aspect-ratio:{ratio:.5f};max-width:calc(70vh*{ratio:.5f});margin:0 auto}}"
        f'.live[data-mode="side"] .stage{{max-width:calc(140vh*{ratio:.5f});margin:0 auto}}'
        f".slider{{max-width:calc(70vh*{ratio:.5f})}}"
    )

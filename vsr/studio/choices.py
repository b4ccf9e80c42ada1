"""What the page asks for, checked: as settings for previews and plans, and as the command that a job runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from vsr.api.commands import upscale_words
from vsr.api.inputs import pair_outputs
from vsr.errors import UsageError
from vsr.media.transfers import TRANSFERS
from vsr.networks.blending import parse_blend
from vsr.networks.locating import is_path
from vsr.pipeline.presets import list_presets
from vsr.report.page.make import page_path
from vsr.studio.places import Root

__all__ = ["CHOICES", "Choice", "Order", "StillChoice", "TryChoice", "UpscaleChoice", "parse_choice"]

Kind = Literal["upscale", "still", "try"]


def _known_transfer(name: str) -> str:
    if name not in TRANSFERS:
        raise ValueError(f"is none of {', '.join(TRANSFERS)}")
    return name


_Name = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
_Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
_Position = Annotated[str, StringConstraints(pattern=r"^[0-9][0-9:.sf]{0,31}$")]
_Region = Annotated[str, StringConstraints(pattern=r"^\d{1,5},\d{1,5},\d{1,5},\d{1,5}$")]
_Rate = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,9}([.][0-9]{1,12})?(/[0-9]{1,9})?$")]
_Transfer = Annotated[str, AfterValidator(_known_transfer)]
_MOST_NUMBERED = 1000


@dataclass(frozen=True)
class Order:
    """A command to run."""

    kind: Kind
    words: tuple[str, ...]
    """What stands behind ``vsr``."""
    input: Path
    output: Path
    """What it makes."""
    page: Path | None
    """The page that shows it, where it makes one."""


class Choice(BaseModel, ABC):
    """One kind of job, as the page describes it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: _Name
    """Name in the folder."""
    output: _Name | None = None
    """Name in the folder; None: a free one beside the input."""
    fps: _Rate | None = None
    """Frame rate of images."""

    @abstractmethod
    def order(self, root: Root) -> Order:
        """The command, once the output is named. Raises `UsageError`."""

    @abstractmethod
    def _usual(self, path: Path) -> Path:
        """Default name of an output of ``path``."""

    def resolve(self, root: Root, taken: frozenset[Path] = frozenset()) -> Self:
        """The same with an output that is free; ``taken`` are those of others. Raises `UsageError`, `InputError`."""
        root.source(self.input)
        target = self._target(root, root.find(self.input), taken)
        return self.model_copy(update={"output": root.name_of(target)})

    def _places(self, root: Root) -> tuple[Path, Path]:
        assert self.output is not None, "resolved"
        return root.source(self.input), root.place(self.output)

    def _target(self, root: Root, path: Path, taken: frozenset[Path]) -> Path:
        """The output: the one named, which is to be free, or one like the usual one that is."""
        if self.output is not None:
            place = root.target(self.output)
            if place in taken:
                raise UsageError(f"{self.output}: another job in the queue makes it; name another file")
            if place.exists():
                raise UsageError(f"{self.output}: is there already; name another file")
            return place
        usual = self._usual(path)
        for number in range(1, _MOST_NUMBERED):
            place = usual if number == 1 else usual.with_stem(f"{usual.stem}-{number}")
            if place not in taken and not place.exists():
                return root.target(root.name_of(place))
        raise UsageError(f"{usual.name}: name the output; there are too many like it")


class _Sized(Choice):
    preset: str = "default"
    scale: float | None = None
    height: int | None = None
    to: _Word | None = None

    def _sizes(self) -> dict[str, Any]:
        if self.preset not in list_presets():
            raise UsageError(f"no preset {self.preset!r}; known: {', '.join(list_presets())}")
        return {"scale": self.scale, "height": self.height, "to": self.to}


class UpscaleChoice(_Sized):
    """A video."""

    method: _Name | None = None
    passes: tuple[_Word, ...] = ()
    codec: _Word | None = None
    crf: int | None = None
    deinterlace: _Word | None = None
    consistent: bool = False
    evidence: bool = False
    drop_streams: bool = False
    input_transfer: _Transfer | None = None
    start: _Position | None = None
    end: _Position | None = None
    report: bool = True
    """Whether a page about the output is made, too."""

    def settings(self, root: Root) -> dict[str, Any]:
        """As `vsr.upscale` takes them, on top of the preset."""
        said = {
            **self._sizes(),
            "method": None if self.method is None else _checked_method(root, self.method),
            "passes": self.passes or None,
            "codec": self.codec,
            "crf": self.crf,
            "deinterlace": self.deinterlace,
            "consistent": self.consistent or None,
            "evidence": self.evidence or None,
            "drop_streams": self.drop_streams or None,
            "fps": self.fps,
            "input_transfer": self.input_transfer,
        }
        return {key: value for key, value in said.items() if value is not None}

    def order(self, root: Root) -> Order:
        """See `Choice.order`."""
        path, output = self._places(root)
        words = upscale_words(path, output, self.preset, self.settings(root))
        for name, value in (("--start", self.start), ("--end", self.end)):
            if value is not None:
                words += [name, value]
        page = page_path(output) if self.report else None
        return Order("upscale", (*words, *(["--report"] if self.report else [])), path, output, page)

    def places(self, root: Root) -> tuple[Path, Path]:
        """Input and output, for previews: whatever is at the latter now."""
        root.source(self.input)
        path = root.find(self.input)
        return path, self._usual(path) if self.output is None else root.target(self.output)

    def _usual(self, path: Path) -> Path:
        [(_, target)] = pair_outputs([path], f"{path.parent}/", make_folder=False, codec=self.codec, fps=self.fps)
        place = Path(target)
        if "%" in place.name:  # a video of images can be looked at
            place = path.with_name(f"{path.name}.mkv")
        larger = f"{self.scale:g}x" if self.scale else f"{self.height}p" if self.height else self.to or "2x"
        return place.with_stem(f"{place.stem}-{larger}")


class StillChoice(Choice):
    """One image made of many frames."""

    at: _Position
    roi: _Region | None = None
    frames: int = Field(30, ge=1, le=250)
    scale: float = Field(4.0, ge=1, le=8)
    motion: Literal["auto", "translation", "affine", "homography"] = "auto"
    input_transfer: _Transfer | None = None
    report: bool = True
    """Whether a page about the still is made, too."""

    def _usual(self, path: Path) -> Path:
        return path.with_name(f"{path.stem}-still-{self.at.replace(':', '-')}.png")

    def order(self, root: Root) -> Order:
        """See `Choice.order`."""
        path, output = self._places(root)
        words = ["still", str(path), "-o", str(output), "--at", self.at, "--frames", str(self.frames)]
        words += ["--scale", f"{self.scale:g}", "--motion", self.motion]
        given = {"--roi": self.roi, "--fps": self.fps, "--input-transfer": self.input_transfer}
        words += [word for name, value in given.items() if value is not None for word in (name, value)]
        page = page_path(output) if self.report else None
        return Order("still", (*words, *(["--report"] if self.report else [])), path, output, page)


class TryChoice(_Sized):
    """Several methods on two seconds, on a page."""

    at: _Position | None = None
    roi: _Region | None = None
    methods: tuple[_Word, ...] = ()

    def _usual(self, path: Path) -> Path:
        return path.with_name(f"{path.stem}.try.html")

    def order(self, root: Root) -> Order:
        """See `Choice.order`."""
        path, output = self._places(root)
        words = ["try", str(path), "-o", str(output)]
        if self.preset != "default":
            words += ["--preset", self.preset]
        given = {"at": self.at, "roi": self.roi, "fps": self.fps, **self._sizes()}
        for key, value in given.items():
            if value is not None:
                words += [f"--{key}", f"{value:g}" if isinstance(value, float) else str(value)]
        if self.methods:
            words += ["--methods", *(_checked_method(root, name) for name in self.methods)]
        return Order("try", tuple(words), path, output, output)


CHOICES: dict[str, type[Choice]] = {"upscale": UpscaleChoice, "still": StillChoice, "try": TryChoice}


def _checked_method(root: Root, name: str) -> str:
    """A name, or the path of a file of weights in the folder: no other file of this machine is looked at."""
    blend = parse_blend(name)
    if blend is not None:
        share = name.rpartition("@")[2]
        return f"{_checked_method(root, blend.first)}:{_checked_method(root, blend.second)}@{share}"
    return str(root.place(name)) if is_path(name) else name


_C = TypeVar("_C", bound=Choice)


def parse_choice(kind: type[_C], said: Any) -> _C:
    """A choice from what the page sent. Raises `UsageError`."""
    try:
        return kind.model_validate(said)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "request"
        raise UsageError(f"{where}: {first['msg']}") from error

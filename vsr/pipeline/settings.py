"""Settings: one flat set of keys, filled from a preset and from what the user sets.

The keys of the pipeline are declared here; those of a method are the fields of its options class
(``find_method(name).options_type``). A preset is a flat YAML file of any of them.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import math
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from vsr.errors import UsageError, nearest
from vsr.methods import OPTION_TYPES, find_method
from vsr.timeline import parse_rate

__all__ = [
    "Key",
    "Settings",
    "describe_keys",
    "known_keys",
    "list_presets",
    "load_settings",
    "method_options",
    "options_of",
    "parse_assignment",
]


_USUAL, _RECORDED_ALONE = "auto", "multiframe"  # the usual method, and what stands for it where evidence is asked for


class Settings(BaseModel):
    """The keys of the pipeline itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str = _USUAL
    """Row of ``METHODS``, or a network: name or file of its weights, or two blended, ``A:B@0.3``."""
    scale: float | None = Field(None, gt=0, le=16, allow_inf_nan=False)
    """Magnification of both sides; None: 2, unless ``size`` or ``height`` is given."""
    size: str | None = Field(None, pattern=r"^\d+x\d+$")
    """Exact output size, ``WxH``, as it is shown: of a video that players turn upright, upright."""
    height: int | None = Field(None, gt=0, le=16384)
    """Output height, as it is shown; the width follows from the picture's shape."""
    codec: str | None = None
    """Row of ``CODECS``; None: chosen for the picture and the container."""
    crf: int | None = None
    """Constant quality; None: the codec's default."""
    speed: str | None = None
    """Encoder preset; None: the codec's default."""
    lossless: bool = False
    """Mathematically lossless H.264 or HEVC (FFV1 and image sequences always are)."""
    pix_fmt: str | None = None
    """Planar pixel format of the output; None: the source's, or wider."""
    deinterlace: Literal["auto", "off", "frame", "field"] = "auto"
    """auto: frames that are interlaced, judged by content, one for one; frame: all; field: one frame a field."""
    shapes: Literal["fit", "stretch"] = "fit"
    """Pictures whose shape changes inside a video: fit into the first one's, black around; or stretch to it."""
    split: bool = False
    """Whether a video whose shape changes becomes one file for each run of one shape."""
    video_stream: int | None = Field(None, ge=0)
    """Which video stream is restored, by its number in the file; None: the one that FFmpeg takes for the best."""
    cut_threshold: float = Field(3.0, gt=0)
    """PySceneDetect's adaptive threshold."""
    segment_frames: int = Field(240, ge=16, le=10_000)
    """Longest segment, unless the method works in longer chains of frames."""
    decoder_threads: int = Field(1, ge=1, le=64)
    """Threads of the decoder; part of the result for damaged files."""
    encoder_threads: int = Field(4, ge=1, le=64)
    """Threads of the encoder; part of the result."""
    torch_threads: int = Field(1, ge=1, le=256)
    """Threads of torch and OpenCV; part of the result. One serves small pictures best; two gain a little on large."""
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    """Where restorers compute."""
    strict: bool = False
    """Stop at damage in the input instead of concealing and counting it, and at streams that nothing can hold."""
    evidence: bool = False
    """Refuse methods that learned or invent, and half precision; decode the output again for its frames' checksums."""
    drop_streams: bool = False
    """Leave out streams that the output container cannot hold, instead of refusing."""
    keep_data: bool = False
    """Keep the packets of streams that the output cannot hold in OUTPUT.data.zip beside it, instead of refusing."""
    num_cpus: float = Field(1.0, gt=0, le=256)
    """CPU cores that Ray sets aside for each worker; may be a fraction."""
    num_gpus: float | None = Field(None, ge=0, le=16)
    """GPUs for each worker, fractions too; None: one where there are any and ``device`` is not cpu."""
    attempts: int = Field(3, ge=1, le=100)
    """How often a segment is tried, on other workers where there are others, before it is given up."""
    stall_seconds: float = Field(600.0, gt=0)
    """A worker that makes no picture for so long is ended and its segment tried elsewhere."""
    fps: str | None = Field(None, coerce_numbers_to_str=True)
    """Rate of an image sequence that does not tell its own, and of streams without times; others keep their times."""

    @field_validator("fps")
    @classmethod
    def _is_rate(cls, fps: str | None) -> str | None:
        if fps is not None:
            parse_rate(fps)
        return fps


def known_keys() -> tuple[str, ...]:
    """Every key that a preset or ``--set`` may name."""
    fields = [field.name for options in OPTION_TYPES for field in dataclasses.fields(options)]
    return tuple(dict.fromkeys([*Settings.model_fields, *fields]))


@dataclass(frozen=True)
class Key:
    """One setting, for lists."""

    name: str
    default: Any
    summary: str


def describe_keys() -> list[Key]:
    """Every setting with its default and what it means, from the docstrings under the fields."""
    owners: list[type] = [Settings, *OPTION_TYPES]
    keys: dict[str, Key] = {}
    for owner in owners:
        texts: dict[str, str] = {}
        for base in reversed(owner.__mro__):
            if "__annotations__" in vars(base) and base.__module__.startswith("vsr."):
                texts |= _field_docs(base)
        if owner is Settings:
            defaults = {name: field.default for name, field in Settings.model_fields.items()}
        else:
            defaults = {field.name: field.default for field in dataclasses.fields(owner)}
        for name, default in defaults.items():
            keys.setdefault(name, Key(name, default, texts.get(name, "")))
    return list(keys.values())


def _field_docs(owner: type) -> dict[str, str]:
    """The string under each annotated field of a class."""
    body = ast.parse(textwrap.dedent(inspect.getsource(owner))).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for before, after in zip(body.body, body.body[1:], strict=False):
        documented = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
        if isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name) and documented:
            found[before.target.id] = " ".join(str(after.value.value).split())  # type: ignore[attr-defined]
    return found


def list_presets() -> dict[str, str]:
    """Names of the presets that ship with vsr, with the first line of each (its summary)."""
    return {
        name.removesuffix(".yaml"): text.partition("\n")[0].lstrip("# ") for name, text in sorted(_shipped().items())
    }


def _shipped() -> dict[str, str]:
    installed = resources.files("vsr") / "configs"
    folder = installed if installed.is_dir() else Path(__file__).parents[2] / "configs"
    return {entry.name: entry.read_text(encoding="utf-8") for entry in folder.iterdir() if entry.name.endswith(".yaml")}


def _read_preset(name: str) -> dict[str, Any]:
    shipped = _shipped()
    if f"{name}.yaml" in shipped:
        text, place = shipped[f"{name}.yaml"], f"preset {name}"
    elif Path(name).suffix in (".yaml", ".yml"):
        try:
            text, place = Path(name).read_text(encoding="utf-8"), name
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read preset file {name}: {error}") from error
    else:
        names = [key.removesuffix(".yaml") for key in shipped]
        raise UsageError(f"no preset {name!r}; known: {', '.join(sorted(names))}{nearest(name, names)}")
    try:
        values = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise UsageError(f"{place}: is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise UsageError(f"{place}: must be a list of `key: value` lines")
    return values


def parse_assignment(text: str) -> tuple[str, Any]:
    """``KEY=VALUE`` with the value read as YAML; raises `UsageError`."""
    key, sign, value = text.partition("=")
    if not sign or not key.strip():
        raise UsageError(f"--set wants KEY=VALUE, got {text!r}")
    try:
        return key.strip(), yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise UsageError(f"--set {key}: {value!r} is not a valid value") from error


def load_settings(
    preset: str, overrides: Mapping[str, Any], *, options_type: type[Any] | None = None
) -> tuple[Settings, Any]:
    """The preset with ``overrides`` on top: pipeline settings and the options of the chosen method.

    ``options_type``: the class of those options, where the method is not one that a name finds.
    Raises `UsageError` for unknown keys (with the nearest known one) and for values out of range.
    """
    values = _read_preset(preset)
    explicit = {key: value for key, value in overrides.items() if value is not None}
    if any(key in explicit for key in ("scale", "size", "height")):
        for key in ("scale", "size", "height"):
            values.pop(key, None)
    values.update(explicit)
    if values.get("evidence") and values.get("method") == _USUAL and "method" not in explicit:
        values["method"] = _RECORDED_ALONE
    known = known_keys()
    for key in values:
        if key not in known:
            raise UsageError(f"unknown setting {key!r}{nearest(str(key), known)} (see `vsr presets --keys`)")
    core = {key: value for key, value in values.items() if key in Settings.model_fields}
    for key in ("crf", "height", "scale"):
        if isinstance(core.get(key), float) and not math.isfinite(core[key]):
            raise UsageError(f"{key} must be a finite number, got {core[key]}")
    try:
        settings = Settings.model_validate(core)
    except ValidationError as error:
        raise _usage(error) from error
    given = [key for key in ("scale", "size", "height") if getattr(settings, key) is not None]
    if len(given) > 1:
        raise UsageError(f"give only one of {', '.join(given)}")
    options = options_of(options_type or find_method(settings.method).options_type, values)
    if explicit.get("consistent") and not hasattr(options, "consistent"):
        raise UsageError(f"consistent: only networks can be made so; {settings.method} is none")
    return settings, options


def method_options(method: str, values: Mapping[str, Any]) -> Any:
    """The options of ``method`` with those of ``values`` that belong to it; raises `UsageError`."""
    return options_of(find_method(method).options_type, values)


def options_of(options_type: type[Any], values: Mapping[str, Any]) -> Any:
    """An ``options_type`` with those of ``values`` that are its fields; raises `UsageError`."""
    names = {field.name for field in dataclasses.fields(options_type)}
    own = {key: value for key, value in values.items() if key in names}
    try:
        return TypeAdapter(options_type).validate_python(own)
    except ValidationError as error:
        raise _usage(error) from error
    except ValueError as error:
        raise UsageError(str(error)) from error


def _usage(error: ValidationError) -> UsageError:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "settings"
    return UsageError(f"{where} = {first.get('input')!r}: {first['msg'].removeprefix('Value error, ')}")

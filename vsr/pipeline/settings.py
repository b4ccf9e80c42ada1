"""Settings: keys of the pipeline, and a section of keys for each method, filled from a preset and by the user.

The keys of the pipeline are declared here; those of a method are the fields of its options class
(``find_method(name).options_type``).
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from vsr.errors import UsageError, nearest
from vsr.media.transfers import TRANSFERS
from vsr.methods import ALONE, METHODS, find_method, find_pass
from vsr.pipeline.passes import PassChoice, PassRequest, parse_passes
from vsr.pipeline.presets import SIZE_KEYS, Layer, list_presets, read_preset
from vsr.pipeline.sections import NETWORK, SECTIONS, Taker, is_known, share_out
from vsr.timeline import parse_rate

__all__ = [
    "USUAL",
    "Key",
    "Resolved",
    "Settings",
    "changed_weights",
    "describe_keys",
    "is_setting",
    "list_presets",
    "load_settings",
    "method_options",
    "options_of",
    "parse_assignment",
    "resolve_settings",
]


USUAL = "auto"
"""The method where none is chosen."""

_RECORDED_ALONE = "multiframe"  # what stands for it where evidence is asked for


class Settings(BaseModel):
    """The keys of the pipeline itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str = USUAL
    """Row of ``METHODS``, or a network: name or file of its weights, or two blended, ``A:B@0.3``."""
    scale: float | None = Field(None, gt=0, le=16, allow_inf_nan=False)
    """Magnification of both sides; None: 2, unless ``size``, ``height`` or ``to`` is given."""
    size: str | None = Field(None, pattern=r"^\d+x\d+$")
    """Exact output size, ``WxH``, as it is shown: of a video that players turn upright, upright."""
    height: int | None = Field(None, gt=0, le=16384)
    """Output height, as it is shown; the width follows from the image's shape."""
    to: Literal["720p", "1080p", "1440p", "4k", "8k"] | None = None
    """The largest size of the image's shape that such a screen shows, upright or not."""
    square_pixels: bool = False
    """Give the output square pixels where the source has others: the side that is shown larger gets more of them."""
    codec: str | None = None
    """Row of ``CODECS``; None: chosen for the image and the container."""
    crf: int | None = None
    """Constant quality; None: the codec's default."""
    speed: str | None = None
    """Encoder preset; None: the codec's default."""
    lossless: bool = False
    """Mathematically lossless H.264 or HEVC (FFV1 and image sequences always are)."""
    pix_fmt: str | None = None
    """Planar pixel format of the output; None: the source's, or wider."""
    deinterlace: Literal["auto", "off", "frame", "field", "film"] = "auto"
    """auto: film frames of telecined video put together, other interlaced frames deinterlaced one for one, both by
    content; film: as auto where film is not certain at once; frame: all, one for one; field: one frame a field."""
    deinterlacer: Literal["auto", "bwdif", "motion"] = "auto"
    """What fills missing rows: bwdif, from three frames; motion, from fields along their motion, better and slower;
    auto: motion, but bwdif with lanczos and bicubic, which are quick themselves."""
    shapes: Literal["fit", "stretch"] = "fit"
    """Images whose shape changes inside a video: fit into the first one's, black around; or stretch to it."""
    split: bool = False
    """Whether a video whose shape changes becomes one file for each run of one shape."""
    video_stream: int | None = Field(None, ge=0)
    """Which video stream is restored, by its number in the file; None: the one that FFmpeg takes for the best."""
    input_transfer: str | None = None
    """Transfer characteristic of the source, whatever it says: FFmpeg's names, printing-density or logarithmic."""
    cut_threshold: float = Field(3.0, gt=0)
    """PySceneDetect's adaptive threshold."""
    segment_frames: int = Field(240, ge=16, le=10_000)
    """Longest segment, unless the method works in longer chains of frames."""
    decoder_threads: int = Field(1, ge=1, le=64)
    """Threads of the decoder; part of the result for damaged files."""
    encoder_threads: int = Field(4, ge=1, le=64)
    """Threads of the encoder; part of the result."""
    torch_threads: int = Field(1, ge=1, le=256)
    """Threads of torch and OpenCV; part of the result. One serves small images best; two gain a little on large."""
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    """Where restorers compute."""
    strict: bool = False
    """Stop at damage in the input instead of concealing and counting it, and at streams that nothing can hold."""
    passes: tuple[PassChoice, ...] = ()
    """Passes before and after the method, in their order: ``NAME``, ``NAME:key=value`` or ``{NAME: {key: value}}``."""
    evidence: bool = False
    """Refuse methods that learned or invent, and half precision; decode the output again for its frames' checksums."""
    drop_streams: bool = False
    """Leave out streams that the output container cannot hold, instead of refusing."""
    sidecars: Literal["beside", "folder"] = "beside"
    """Where manifest, checksums and kept packets go: beside the output, or in the hidden folder .vsr there."""
    keep_data: bool = False
    """Keep the packets of streams that the output cannot hold in OUTPUT.data.zip beside it, instead of refusing."""
    num_cpus: float = Field(1.0, gt=0, le=256)
    """CPU cores that Ray sets aside for each worker; may be a fraction."""
    num_gpus: float | None = Field(None, ge=0, le=16)
    """GPUs for each worker, fractions too; None: one where there are any and ``device`` is not cpu."""
    attempts: int = Field(3, ge=1, le=100)
    """How often a segment is tried, on other workers where there are others, before it is given up."""
    stall_seconds: float = Field(600.0, gt=0)
    """A worker that makes no image for so long is ended and its segment tried elsewhere."""
    fps: str | None = Field(None, coerce_numbers_to_str=True)
    """Rate of an image sequence that does not tell its own, and of streams without times; others keep their times."""

    @field_validator("fps")
    @classmethod
    def _is_rate(cls, fps: str | None) -> str | None:
        if fps is not None:
            parse_rate(fps)
        return fps

    @field_validator("input_transfer")
    @classmethod
    def _is_transfer(cls, name: str | None) -> str | None:
        if name is not None and name not in TRANSFERS:
            raise ValueError(f"is none of {', '.join(TRANSFERS)}")
        return name


def is_setting(key: str) -> bool:
    """Whether a preset or ``--set`` may name ``key``, with its section or without."""
    return key in Settings.model_fields or is_known(key)


@dataclass(frozen=True)
class Key:
    """One setting, for lists."""

    name: str
    default: Any
    summary: str
    sections: tuple[str, ...]
    """Methods that it is for; none for those of the pipeline."""


def describe_keys() -> list[Key]:
    """Every setting with its default and what it means, from the docstrings under the fields."""
    keys: dict[tuple[str, str], Key] = {}
    owned: dict[str, tuple[type[Any], ...]] = {"": (Settings,), **SECTIONS}
    for section, owners in owned.items():
        for owner in owners:
            texts = _texts(owner)
            for name, default in _defaults(owner).items():
                meant = (name, texts.get(name, ""))
                known = keys.get(meant, Key(name, default, meant[1], ()))
                named = dict.fromkeys([*known.sections, section]) if section else known.sections
                keys[meant] = dataclasses.replace(known, sections=tuple(named))
    return list(keys.values())


def _defaults(owner: type[Any]) -> dict[str, Any]:
    if owner is Settings:
        return {name: field.default for name, field in Settings.model_fields.items()}
    return {field.name: field.default for field in dataclasses.fields(owner)}


def _texts(owner: type[Any]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for base in reversed(owner.__mro__):
        if "__annotations__" in vars(base) and base.__module__.startswith("vsr."):
            texts |= _field_docs(base)
    return texts


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
    preset: str, overrides: Mapping[str, Any], *, options_type: type[Any] | None = None, is_lenient: bool = False
) -> tuple[Settings, Any]:
    """The preset with ``overrides`` on top: pipeline settings and the options of the chosen method.

    ``options_type``: the class of those options, where the method is not one that a name finds.
    ``is_lenient``: overrides may name settings of methods that are not in use.
    Raises `UsageError` for unknown keys and sections (with the nearest known one), for keys of methods that are not in
    use, and for values out of range.
    """
    resolved = resolve_settings(preset, overrides, options_type=options_type, is_lenient=is_lenient)
    return resolved.settings, resolved.options


@dataclass(frozen=True)
class Resolved:
    """A preset and what the user set, taken together."""

    settings: Settings
    options: Any
    """Those of the method."""
    sections: Mapping[str, Mapping[str, Any]]
    """What was set for each method in use, by its name."""
    spelt: Mapping[str, str]
    """Keys that were written without a section, with the one they are taken for."""


def resolve_settings(
    preset: str, overrides: Mapping[str, Any], *, options_type: type[Any] | None = None, is_lenient: bool = False
) -> Resolved:
    """See `load_settings`."""
    explicit = {key: value for key, value in overrides.items() if value is not None}
    said = Layer("", explicit)
    layers = [*read_preset(preset), said]
    values = _pipeline_values(layers)
    passes = parse_passes(values.get("passes"))
    values["method"] = _method(values, explicit, passes)
    main = _main_taker(str(values["method"]), options_type)
    takers = [main, *(_pass_taker(name) for name in dict.fromkeys(one.name for one in passes))]
    by_name = {taker.name: taker for taker in takers}
    if explicit.get("consistent") and "consistent" not in main.keys and not is_lenient:
        raise UsageError(f"consistent: only networks can be made so; {main.name} is none")
    spelt = share_out(layers, takers, [*Settings.model_fields], named=None if is_lenient else said)
    values["passes"] = [_choice(one, by_name[one.name].values) for one in passes]
    sections = {taker.name: dict(taker.values) for taker in takers}
    return Resolved(_validate(values), options_of(main.options_type, main.values), sections, spelt)


def _pipeline_values(layers: Sequence[Layer]) -> dict[str, Any]:
    """The pipeline's own keys, later layers on top; one way to give the size replaces the others."""
    values: dict[str, Any] = {}
    for layer in layers:
        own = {key: value for key, value in layer.values.items() if key in Settings.model_fields}
        if any(own.get(key) is not None for key in SIZE_KEYS):
            for key in SIZE_KEYS:
                values.pop(key, None)
        values |= own
    return values


def _method(values: Mapping[str, Any], explicit: Mapping[str, Any], passes: Sequence[PassRequest]) -> Any:
    """The method, where it follows from what else is asked for."""
    method = values.get("method", USUAL)
    if "method" in explicit:
        return method
    if passes and values.get("scale") == 1 and ("scale" in explicit or method == USUAL):
        return ALONE
    return _RECORDED_ALONE if values.get("evidence") and method == USUAL else method


def _main_taker(method: str, options_type: type[Any] | None) -> Taker:
    sections = (method,) if method in METHODS else (NETWORK, method)
    return Taker(method, options_type or find_method(method).options_type, sections)


def _pass_taker(name: str) -> Taker:
    return Taker(name, find_pass(name).options_type, (name,))


def _choice(requested: PassRequest, section: Mapping[str, Any]) -> PassChoice:
    """A pass with all its options: its own, on top of those of its section. Raises `UsageError`."""
    row = find_pass(requested.name)
    names = [field.name for field in dataclasses.fields(row.options_type)]
    for key in requested.options:
        if key not in names:
            raise UsageError(f"pass {row.name} has no setting {key!r}{nearest(str(key), [*names, 'place'])}")
    options = options_of(row.options_type, {**section, **requested.options})
    assert row.place is not None, "passes have places"
    return PassChoice(name=row.name, place=requested.place or row.place, options=dataclasses.asdict(options))


def _validate(core: Mapping[str, Any]) -> Settings:
    for key in ("crf", "height", "scale"):
        if isinstance(core.get(key), float) and not math.isfinite(core[key]):
            raise UsageError(f"{key} must be a finite number, got {core[key]}")
    try:
        settings = Settings.model_validate(core)
    except ValidationError as error:
        raise _usage(error) from error
    given = [key for key in SIZE_KEYS if getattr(settings, key) is not None]
    if len(given) > 1:
        raise UsageError(f"give only one of {', '.join(given)}")
    return settings


def changed_weights(settings: Settings, recorded: Mapping[str, Any]) -> str | None:
    """The method or pass that has other weights than those ``recorded`` in a manifest, if one has."""
    if not find_method(settings.method).is_as_recorded(recorded):
        return settings.method
    rows = zip(settings.passes, recorded.get("passes", []), strict=True)
    return next((one.name for one, said in rows if not find_pass(one.name).is_as_recorded(said)), None)


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

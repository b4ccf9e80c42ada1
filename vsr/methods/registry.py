"""The table of methods, and networks as methods by name or file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from vsr.catalogue import METHOD_ENTRIES, PASS_ENTRIES
from vsr.errors import ModelError, UsageError, nearest
from vsr.methods.auto import AutoOptions, prepare_auto
from vsr.methods.interpolation import InterpolateOptions, PreparedInterpolation
from vsr.methods.method import Geometry, Method, Prepared
from vsr.methods.network.any_scale import NATIVE, prepare_any_scale_network, prepare_frame_network
from vsr.methods.network.conditioned import ConditionedOptions, prepare_conditioned_network
from vsr.methods.network.frame import PerFrameOptions
from vsr.methods.network.inverse_tone import InverseToneOptions, as_invented, prepare_inverse_tone_network
from vsr.methods.network.model import absolute_weights, has_same_weights, is_network
from vsr.methods.network.recurrent import prepare_recurrent_network
from vsr.methods.network.rescaling import RescalingOptions, prepare_rescaling_network
from vsr.methods.network.sampling import SamplingOptions, prepare_sampling_network
from vsr.methods.network.sequence import prepare_sequence_network
from vsr.methods.network.several_frames import SeveralFramesOptions
from vsr.methods.network.window import prepare_window_network
from vsr.methods.passes.deflicker import DeflickerOptions, prepare_deflicker
from vsr.methods.passes.degrain import DegrainOptions, prepare_degrain
from vsr.methods.passes.dust import DustOptions, prepare_dust
from vsr.methods.passes.faces import FacesOptions, has_same_faces, prepare_faces
from vsr.methods.passes.grain import GrainOptions, prepare_grain
from vsr.methods.passes.sdr_to_hdr import SdrToHdrOptions, as_hdr, has_same_network, prepare_sdr_to_hdr
from vsr.methods.passes.stabilize import StabilizeOptions, prepare_stabilize
from vsr.methods.reconstruction.multi_frame import PreparedMultiFrame
from vsr.methods.reconstruction.options import MultiFrameOptions
from vsr.methods.self_examples.method import SelfExamplesOptions, prepare_self_examples
from vsr.methods.source import estimator_digest
from vsr.methods.zero_shot.method import ZeroShotOptions, prepare_zero_shot
from vsr.networks import NETWORKS, Family, network_family
from vsr.observation import Kernel
from vsr.tables import table_of

if TYPE_CHECKING:
    from vsr.media.probe import VideoInfo

__all__ = [
    "ADAPTORS",
    "ALONE",
    "METHODS",
    "OPTION_TYPES",
    "PASSES",
    "Adaptor",
    "absolute_method",
    "find_method",
    "find_pass",
    "is_network",
]


ALONE = "none"
"""The method that leaves frames as they are, for passes alone; where their size changes in mid-stream it resamples."""


def _prepare_interpolation(
    geometry: Geometry, options: InterpolateOptions, device: str, *, kernel: Kernel
) -> PreparedInterpolation:
    return PreparedInterpolation(options, device, kernel)


def _prepare_multi_frame(geometry: Geometry, options: MultiFrameOptions, device: str) -> PreparedMultiFrame:
    return PreparedMultiFrame(options, device)


def _has_same_estimator(described: Mapping[str, Any]) -> bool:
    return bool(described["estimator"] == estimator_digest())


def _is_same_zero_shot(described: Mapping[str, Any]) -> bool:
    return described["estimator"] is None or _has_same_estimator(described)


def _is_same_auto(described: Mapping[str, Any]) -> bool:
    return _has_same_estimator(described) and has_same_weights(described["model"]["method"], described["model"])


def _always(described: Mapping[str, Any]) -> bool:
    return True


def _row(
    name: str,
    options_type: type[Any],
    prepare: Callable[[Geometry, Any, str], Prepared[Any]],
    is_as_recorded: Callable[[Mapping[str, Any]], bool] = _always,
    recolour: Callable[[VideoInfo, Any], VideoInfo] | None = None,
) -> Method[Any]:
    """What stands behind an entry of the catalogue."""
    entry = {**METHOD_ENTRIES, **PASS_ENTRIES}[name]
    return Method(name, entry.summary, entry.evidence, options_type, prepare, is_as_recorded, entry.place, recolour)


METHODS: Mapping[str, Method[Any]] = table_of(
    "methods",
    [
        _row("auto", AutoOptions, prepare_auto, _is_same_auto),
        _row("multiframe", MultiFrameOptions, _prepare_multi_frame, _has_same_estimator),
        _row("zssr", ZeroShotOptions, prepare_zero_shot, _is_same_zero_shot),
        _row("selfex", SelfExamplesOptions, prepare_self_examples),
        _row("lanczos", InterpolateOptions, partial(_prepare_interpolation, kernel="lanczos")),
        _row("bicubic", InterpolateOptions, partial(_prepare_interpolation, kernel="bicubic")),
        _row(ALONE, InterpolateOptions, partial(_prepare_interpolation, kernel="lanczos")),
    ],
)
"""Every method by name, networks and passes left out."""

PASSES: Mapping[str, Method[Any]] = table_of(
    "passes",
    [
        _row("deflicker", DeflickerOptions, prepare_deflicker),
        _row("dust", DustOptions, prepare_dust),
        _row("degrain", DegrainOptions, prepare_degrain),
        _row("grain", GrainOptions, prepare_grain),
        _row("faces", FacesOptions, prepare_faces, has_same_faces),
        _row("stabilize", StabilizeOptions, prepare_stabilize),
        _row("sdr-to-hdr", SdrToHdrOptions, prepare_sdr_to_hdr, has_same_network, as_hdr),
    ],
)
"""Every pass by name: methods that keep the size, run before or after the one that sets it."""


@dataclass(frozen=True)
class Adaptor:
    """Makes methods of the networks of one family."""

    summary: str
    """One line for lists and help."""
    options_type: type[Any]
    prepare: Callable[[str, Geometry, Any, str], Prepared[Any]]
    """`Method.prepare` for weights by name or file."""
    recolour: Callable[[VideoInfo, Any], VideoInfo] | None = None
    """As `Method.recolour`."""


ADAPTORS: Mapping[Family, Adaptor] = {
    "frame": Adaptor("enlarge each frame by a network", PerFrameOptions, prepare_frame_network),
    "any-scale": Adaptor("enlarge each frame to any size by a network", PerFrameOptions, prepare_any_scale_network),
    "sampling": Adaptor(
        "enlarge each frame by a network that invents detail", SamplingOptions, prepare_sampling_network
    ),
    "window": Adaptor(
        "enlarge each frame by a network that sees its neighbours", SeveralFramesOptions, prepare_window_network
    ),
    "recurrent": Adaptor(
        "go through the frames by a network that remembers", SeveralFramesOptions, prepare_recurrent_network
    ),
    "sequence": Adaptor(
        "go through the frames both ways by a network, in chunks", SeveralFramesOptions, prepare_sequence_network
    ),
    "rescaling": Adaptor(
        "enlarge each frame by the network that made it small, or make it small",
        RescalingOptions,
        prepare_rescaling_network,
    ),
    "conditioned": Adaptor(
        "enlarge each frame by a network conditioned on its blur and noise",
        ConditionedOptions,
        prepare_conditioned_network,
    ),
    "inverse-tone": Adaptor(
        "enlarge each frame and make HDR of it by a network",
        InverseToneOptions,
        prepare_inverse_tone_network,
        as_invented,
    ),
}
"""How the networks of each family are run."""

OPTION_TYPES: tuple[type, ...] = (
    *(method.options_type for method in METHODS.values()),
    *(adaptor.options_type for adaptor in ADAPTORS.values()),
    *(row.options_type for row in PASSES.values()),
)
"""Every class of options that a method may have."""


def find_pass(name: str) -> Method[Any]:
    """The pass called ``name``. Raises `UsageError` for a name that none has."""
    if name not in PASSES:
        raise UsageError(f"no pass {name!r}; known: {', '.join(PASSES)}{nearest(name, PASSES)}")
    return PASSES[name]


def find_method(name: str) -> Method[Any]:
    """The row called ``name``, or one made for a network: its weights by name or file, or two of them blended.

    Raises `UsageError` for a name that nothing has.
    """
    if name in METHODS:
        return METHODS[name]
    if not is_network(name):
        known = [*METHODS, *NETWORKS]
        raise UsageError(f"no method {name!r}; known: {', '.join(known)}, and files of weights{nearest(name, known)}")
    adaptor = _adaptor_of(name)
    return Method(
        name,
        adaptor.summary,
        "learned",
        adaptor.options_type,
        partial(adaptor.prepare, name),
        partial(_is_same_network, name),
        recolour=adaptor.recolour,
    )


def _is_same_network(name: str, described: Mapping[str, Any]) -> bool:
    if described["estimator"] is not None and not _has_same_estimator(described):
        return False
    model = described["model"]
    is_native = model is not None and model["method"] == NATIVE.get(name)
    return has_same_weights(NATIVE[name] if is_native else name, model)


def _adaptor_of(name: str) -> Adaptor:
    try:
        return ADAPTORS[network_family(name)]
    except ModelError:
        return ADAPTORS["frame"]  # loading the weights says what is wrong with them


def absolute_method(name: str) -> str:
    """``name`` with paths of weights as they are seen from any folder."""
    return name if name in METHODS else absolute_weights(name)

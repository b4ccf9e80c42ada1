"""`NETWORKS`: every architecture of our own, by name. Each module has its rows beside its class, as ``SPECS``."""

from __future__ import annotations

from collections.abc import Mapping

from vsr.networks import (
    basicvsr,
    carn,
    dbpn,
    drcn,
    drrn,
    dwsr,
    edsr,
    enhancenet,
    espcn,
    fsrcnn,
    idn,
    irn,
    lapsrn,
    lite,
    mdsr,
    ms_lapsrn,
    prosr,
    rdn,
    rlsp,
    rrn,
    srcnn,
    srfbn,
    srmd,
    srresnet,
    swrn,
    vdsr,
    vespcn,
    video,
)
from vsr.networks.base import NetworkSpec
from vsr.tables import table_of

__all__ = ["NETWORKS"]

_MODULES = (
    srcnn,
    vdsr,
    drcn,
    drrn,
    dwsr,
    fsrcnn,
    espcn,
    lite,
    srresnet,
    enhancenet,
    edsr,
    mdsr,
    rdn,
    carn,
    idn,
    lapsrn,
    ms_lapsrn,
    prosr,
    dbpn,
    srfbn,
    vespcn,
    rlsp,
    rrn,
    swrn,
    video,
    basicvsr,
    irn,
    srmd,
)
"""In the order of lists: by framework, then by year; families that are given more than a frame last."""

NETWORKS: Mapping[str, NetworkSpec] = table_of("networks", [spec for module in _MODULES for spec in module.SPECS])
"""Every architecture of our own, by name. What is not here is tried with spandrel (`vsr.networks.spandrel_models`)."""

"""`NETWORKS`: every architecture of our own, by name. Each module has its rows beside its class, as ``SPECS``."""

from __future__ import annotations

from collections.abc import Mapping

from vsr.networks import (
    carn,
    dbpn,
    drcn,
    drrn,
    edsr,
    espcn,
    fsrcnn,
    irn,
    lapsrn,
    lite,
    mdsr,
    ms_lapsrn,
    rdn,
    rlsp,
    srcnn,
    srfbn,
    srmd,
    srresnet,
    vdsr,
    vespcn,
)
from vsr.networks.base import NetworkSpec
from vsr.tables import table_of

__all__ = ["NETWORKS"]

_MODULES = (
    srcnn,
    vdsr,
    drcn,
    drrn,
    fsrcnn,
    espcn,
    lite,
    srresnet,
    edsr,
    mdsr,
    rdn,
    carn,
    lapsrn,
    ms_lapsrn,
    dbpn,
    srfbn,
    vespcn,
    rlsp,
    irn,
    srmd,
)
"""In the order of lists: by framework, then by year; families that are given more than a frame last."""

NETWORKS: Mapping[str, NetworkSpec] = table_of("networks", [spec for module in _MODULES for spec in module.SPECS])
"""Every architecture of our own, by name. What is not here is tried with spandrel (`vsr.networks.spandrel_models`)."""

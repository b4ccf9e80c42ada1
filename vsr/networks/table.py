"""`NETWORKS`: every architecture of our own, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

import torch

from vsr.networks.base import Colour, Family, Found, Framework, NetworkSpec, Shapes, Upscaler
from vsr.networks.carn import carn, carn_m, recognise_carn
from vsr.networks.dbpn import DBPN, recognise_dbpn
from vsr.networks.drcn import DRCN, recognise_drcn
from vsr.networks.drrn import DRRN, recognise_drrn
from vsr.networks.edsr import edsr_baseline, edsr_large, recognise_edsr
from vsr.networks.espcn import ESPCN, recognise_espcn
from vsr.networks.fsrcnn import FSRCNN, recognise_fsrcnn
from vsr.networks.irn import firn, irn, recognise_irn
from vsr.networks.lapsrn import LapSRN, recognise_lapsrn
from vsr.networks.lite import Lite, recognise_lite
from vsr.networks.mdsr import mdsr_baseline, mdsr_large, recognise_mdsr
from vsr.networks.ms_lapsrn import MSLapSRN, recognise_ms_lapsrn
from vsr.networks.rdn import RDN, recognise_rdn
from vsr.networks.rlsp import RLSP, recognise_rlsp
from vsr.networks.srcnn import SRCNN, recognise_srcnn
from vsr.networks.srfbn import SRFBN, recognise_srfbn, srfbn_small
from vsr.networks.srmd import SRMD, recognise_srmd
from vsr.networks.srresnet import SRResNet, recognise_srresnet
from vsr.networks.vdsr import VDSR, recognise_vdsr
from vsr.networks.vespcn import VESPCN, recognise_vespcn
from vsr.tables import table_of

__all__ = ["NETWORKS"]


def _context_of(build: Callable[[int], Upscaler]) -> Callable[[int], int | None]:
    """Receptive field by scale, read off a module without weights."""

    def context_px(scale: int) -> int | None:
        with torch.device("meta"):
            return build(scale).context_px

    return context_px


def _row(
    name: str,
    title: str,
    framework: Framework,
    *,
    scales: tuple[int, ...],
    colour: Colour,
    build: Callable[[int], Upscaler],
    parameters: int | tuple[int, ...],
    recognise: Callable[[Shapes], Found | None],
    value_range: int = 1,
    family: Family = "frame",
    is_generative: bool = False,
) -> NetworkSpec:
    """A row; ``parameters`` is one number for all scales or one for each."""
    counts = (parameters,) * len(scales) if isinstance(parameters, int) else parameters
    return NetworkSpec(
        name=name,
        title=title,
        framework=framework,
        scales=scales,
        colour=colour,
        build=build,
        num_parameters=MappingProxyType(dict(zip(scales, counts, strict=True))),
        context_px=_context_of(build),
        recognise=recognise,
        value_range=value_range,
        family=family,
        is_generative=is_generative,
    )


NETWORKS: Mapping[str, NetworkSpec] = table_of(
    "networks",
    [
        _row(
            "srcnn-9-1-5",
            "Dong, Loy, He, Tang, ECCV 2014: SRCNN 9-1-5",
            "pre-upsampling",
            scales=(2, 3, 4),
            colour="Y",
            build=partial(SRCNN, middle=1),
            parameters=8_129,
            recognise=recognise_srcnn,
        ),
        _row(
            "srcnn-9-3-5",
            "Dong, Loy, He, Tang, TPAMI 2016: SRCNN 9-3-5",
            "pre-upsampling",
            scales=(2, 3, 4),
            colour="Y",
            build=partial(SRCNN, middle=3),
            parameters=24_513,
            recognise=recognise_srcnn,
        ),
        _row(
            "srcnn-9-5-5",
            "Dong, Loy, He, Tang, TPAMI 2016: SRCNN 9-5-5",
            "pre-upsampling",
            scales=(2, 3, 4),
            colour="Y",
            build=partial(SRCNN, middle=5),
            parameters=57_281,
            recognise=recognise_srcnn,
        ),
        _row(
            "vdsr",
            "Kim, Lee, Lee, CVPR 2016: VDSR, 20 layers",
            "pre-upsampling",
            scales=(2, 3, 4),
            colour="Y",
            build=VDSR,
            parameters=665_921,
            recognise=recognise_vdsr,
        ),
        _row(
            "drcn",
            "Kim, Lee, Lee, CVPR 2016: DRCN, 16 recursions",
            "pre-upsampling",
            scales=(2, 3, 4),
            colour="Y",
            build=DRCN,
            parameters=1_775_121,
            recognise=recognise_drcn,
        ),
        _row(
            "drrn",
            "Tai, Yang, Liu, CVPR 2017: DRRN B1U25",
            "pre-upsampling",
            scales=(2, 3, 4),
            colour="Y",
            build=DRRN,
            parameters=297_216,
            recognise=recognise_drrn,
        ),
        _row(
            "fsrcnn",
            "Dong, Loy, Tang, ECCV 2016: FSRCNN(56, 12, 4)",
            "post-upsampling",
            scales=(2, 3, 4),
            colour="Y",
            build=FSRCNN,
            parameters=12_809,
            recognise=recognise_fsrcnn,
        ),
        _row(
            "espcn",
            "Shi et al., CVPR 2016: ESPCN",
            "post-upsampling",
            scales=(2, 3, 4),
            colour="Y",
            build=ESPCN,
            parameters=(21_284, 22_729, 24_752),
            recognise=recognise_espcn,
        ),
        _row(
            "lite",
            "vsr, 2026: twelve convolutions of 32 and their fusion, trained in a richer form",
            "post-upsampling",
            scales=(2, 3, 4),
            colour="Y",
            build=Lite,
            parameters=(118_116, 119_561, 121_584),
            recognise=recognise_lite,
        ),
        _row(
            "srresnet",
            "Ledig et al., CVPR 2017: SRResNet, the generator of SRGAN, 16 blocks",
            "post-upsampling",
            scales=(2, 4, 8),
            colour="RGB",
            build=SRResNet,
            parameters=(1_401_749, 1_549_462, 1_697_175),
            recognise=recognise_srresnet,
        ),
        _row(
            "edsr-baseline",
            "Lim et al., CVPRW 2017: EDSR baseline, 16 blocks of 64",
            "post-upsampling",
            scales=(2, 3, 4),
            colour="RGB",
            build=edsr_baseline,
            parameters=(1_369_883, 1_554_523, 1_517_595),
            recognise=recognise_edsr,
            value_range=255,
        ),
        _row(
            "edsr",
            "Lim et al., CVPRW 2017: EDSR, 32 blocks of 256",
            "post-upsampling",
            scales=(2, 3, 4),
            colour="RGB",
            build=edsr_large,
            parameters=(40_729_627, 43_680_027, 43_089_947),
            recognise=recognise_edsr,
            value_range=255,
        ),
        _row(
            "mdsr-baseline",
            "Lim et al., CVPRW 2017: MDSR baseline, 16 blocks of 64",
            "post-upsampling",
            scales=(2, 3, 4),
            colour="RGB",
            build=mdsr_baseline,
            parameters=3_227_227,
            recognise=recognise_mdsr,
            value_range=255,
        ),
        _row(
            "mdsr",
            "Lim et al., CVPRW 2017: MDSR, 80 blocks of 64",
            "post-upsampling",
            scales=(2, 3, 4),
            colour="RGB",
            build=mdsr_large,
            parameters=7_954_011,
            recognise=recognise_mdsr,
            value_range=255,
        ),
        _row(
            "rdn",
            "Zhang, Tian, Kong, Zhong, Fu, CVPR 2018: RDN, D16 C8 G64",
            "post-upsampling",
            scales=(2, 3, 4),
            colour="RGB",
            build=RDN,
            parameters=(22_123_395, 22_308_035, 22_271_107),
            recognise=recognise_rdn,
            value_range=255,
        ),
        _row(
            "carn",
            "Ahn, Kang, Sohn, ECCV 2018: CARN",
            "post-upsampling",
            scales=(2, 3, 4),
            colour="RGB",
            build=carn,
            parameters=1_591_963,
            recognise=recognise_carn,
        ),
        _row(
            "carn-m",
            "Ahn, Kang, Sohn, ECCV 2018: CARN-M",
            "post-upsampling",
            scales=(2, 3, 4),
            colour="RGB",
            build=carn_m,
            parameters=414_811,
            recognise=recognise_carn,
        ),
        _row(
            "lapsrn",
            "Lai, Huang, Ahuja, Yang, CVPR 2017: LapSRN",
            "progressive",
            scales=(2, 4, 8),
            colour="Y",
            build=LapSRN,
            parameters=(407_441, 814_242, 667_123),
            recognise=recognise_lapsrn,
        ),
        _row(
            "ms-lapsrn",
            "Lai, Huang, Ahuja, Yang, TPAMI 2019: MS-LapSRN D5R8",
            "progressive",
            scales=(2, 4, 8),
            colour="Y",
            build=MSLapSRN,
            parameters=222_801,
            recognise=recognise_ms_lapsrn,
        ),
        _row(
            "dbpn",
            "Haris, Shakhnarovich, Ukita, CVPR 2018: D-DBPN, 7 stages",
            "iterative",
            scales=(2, 4, 8),
            colour="RGB",
            build=DBPN,
            parameters=(5_953_526, 10_426_358, 23_205_878),
            recognise=recognise_dbpn,
        ),
        _row(
            "srfbn-s",
            "Li et al., CVPR 2019: SRFBN-S",
            "iterative",
            scales=(2, 3, 4),
            colour="RGB",
            build=srfbn_small,
            parameters=(282_442, 375_626, 483_146),
            recognise=recognise_srfbn,
            value_range=255,
        ),
        _row(
            "srfbn",
            "Li et al., CVPR 2019: SRFBN",
            "iterative",
            scales=(2, 3, 4),
            colour="RGB",
            build=SRFBN,
            parameters=(2_140_534, 2_832_758, 3_631_478),
            recognise=recognise_srfbn,
            value_range=255,
        ),
        _row(
            "vespcn-5l-e3",
            "Caballero et al., CVPR 2017: VESPCN's early fusion of three frames, no motion compensation",
            "post-upsampling",
            scales=(2, 3, 4),
            colour="Y",
            build=VESPCN,
            parameters=(17_164, 18_249, 19_768),
            recognise=recognise_vespcn,
            family="window",
        ),
        _row(
            "rlsp-7-48",
            "Fuoli, Gu, Timofte, ICCVW 2019: RLSP 7-48",
            "post-upsampling",
            scales=(4,),
            colour="RGB",
            build=partial(RLSP, width=48),
            parameters=163_216,
            recognise=recognise_rlsp,
            value_range=255,
            family="recurrent",
        ),
        _row(
            "rlsp-7-64",
            "Fuoli, Gu, Timofte, ICCVW 2019: RLSP 7-64",
            "post-upsampling",
            scales=(4,),
            colour="RGB",
            build=RLSP,
            parameters=282_128,
            recognise=recognise_rlsp,
            value_range=255,
            family="recurrent",
        ),
        _row(
            "irn",
            "Xiao et al., ECCV 2020: IRN, made small and enlarged by one invertible network",
            "progressive",
            scales=(2, 4),
            colour="RGB",
            build=irn,
            parameters=(1_668_000, 4_355_376),
            recognise=recognise_irn,
            family="rescaling",
            is_generative=True,
        ),
        _row(
            "firn",
            "qwopqwop200, 2020: Fast Invertible Rescaling Net",
            "progressive",
            scales=(2, 4),
            colour="RGB",
            build=firn,
            parameters=(67_416, 320_880),
            recognise=recognise_irn,
            family="rescaling",
            is_generative=True,
        ),
        _row(
            "srmd",
            "Zhang, Zuo, Zhang, CVPR 2018: SRMD",
            "post-upsampling",
            scales=(2, 3, 4),
            colour="RGB",
            build=SRMD,
            parameters=(1_511_692, 1_528_987, 1_553_200),
            recognise=recognise_srmd,
            family="conditioned",
        ),
        _row(
            "srmdnf",
            "Zhang, Zuo, Zhang, CVPR 2018: SRMDNF, for pictures without noise",
            "post-upsampling",
            scales=(2, 3, 4),
            colour="RGB",
            build=partial(SRMD, most_noise_codes=0),
            parameters=(1_510_540, 1_527_835, 1_552_048),
            recognise=recognise_srmd,
            family="conditioned",
        ),
    ],
)
"""Every architecture of our own, by name. What is not here is tried with spandrel (`vsr.networks.spandrel_models`)."""

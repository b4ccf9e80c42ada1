"""Estimators of the blur kernel behind a shot's frames, from statistics or by learning on the shot itself.

To add one: write its function in a file of this folder, and give it a row in `KERNEL_ESTIMATORS`; the contract suite in
``tests/contracts/test_kernel_estimators.py`` then covers it, and ``benchmarks/kernels.py`` measures it.
"""

from __future__ import annotations

from collections.abc import Mapping

from vsr.methods.kernel_estimation.adversarial import estimate_by_kernel_gan, estimate_by_kernel_gan_fkp
from vsr.methods.kernel_estimation.base import KernelEstimator
from vsr.methods.kernel_estimation.deep_prior import estimate_by_dip, estimate_by_dip_fkp
from vsr.methods.kernel_estimation.networks import estimate_by_network, load_kernel_finder
from vsr.methods.kernel_estimation.statistics import estimate_by_directions, estimate_by_psf, estimate_by_survey
from vsr.tables import table_of

__all__ = ["KERNEL_ESTIMATORS", "KernelEstimator"]


def _own(scale: int) -> int:
    return scale


def _of_two_at_four(scale: int) -> int:
    return 2 if scale == 4 else scale


KERNEL_ESTIMATORS: Mapping[str, KernelEstimator] = table_of(
    "kernel estimators",
    [
        KernelEstimator(
            "survey",
            "a round Gaussian ahead of bicubic shrinking, as wide as the source is estimated to be blurred",
            "the estimator that ships with the weights lite",
            estimate_by_survey,
        ),
        KernelEstimator(
            "psf",
            "a round Gaussian, from how slopes fall with scale in several frames put together",
            "after Ruderman and Bialek 1994",
            estimate_by_psf,
        ),
        KernelEstimator(
            "directions",
            "a Gaussian of any widths and direction, from how slopes fall with scale in eight directions",
            "after Ruderman and Bialek 1994",
            estimate_by_directions,
        ),
        KernelEstimator(
            "kernelgan",
            "any kernel: a chain of convolutions that is trained against a discriminator of patches",
            "Bell-Kligler, Shocher, Irani, NeurIPS 2019",
            estimate_by_kernel_gan,
            steps=3000,
            seconds_a_step=0.02,
        ),
        KernelEstimator(
            "kernelgan-fkp",
            "a kernel that a flow knows, found against a discriminator of patches",
            "Liang, Zhang, Gu, Van Gool, Timofte, CVPR 2021",
            estimate_by_kernel_gan_fkp,
            steps=700,
            seconds_a_step=0.025,
            prior_scale=_of_two_at_four,
        ),
        KernelEstimator(
            "dip",
            "any kernel, together with an image that an untrained network makes",
            "Ulyanov, Vedaldi, Lempitsky, CVPR 2018; Ren et al., CVPR 2020",
            estimate_by_dip,
            steps=500,
            seconds_a_step=0.05,
        ),
        KernelEstimator(
            "dip-fkp",
            "a kernel that a flow knows, together with an image that an untrained network makes",
            "Liang, Zhang, Gu, Van Gool, Timofte, CVPR 2021",
            estimate_by_dip_fkp,
            steps=500,
            seconds_a_step=0.05,
            prior_scale=_own,
        ),
        KernelEstimator(
            "ikc",
            "a Gaussian of any widths and direction, by a trained network: guessed, then corrected seven times",
            "Gu, Lu, Zuo, Dong, CVPR 2019",
            estimate_by_network,
            prior_scale=_own,
            usual_prior="ikc",
            load=load_kernel_finder,
        ),
        KernelEstimator(
            "kxnet",
            "any kernel, by a trained network that finds the image with it",
            "Fu, Wang, Xie, Zhao, Meng, Xu, ECCV 2022",
            estimate_by_network,
            prior_scale=_own,
            usual_prior="kxnet",
            load=load_kernel_finder,
        ),
    ],
)
"""Every estimator by name."""

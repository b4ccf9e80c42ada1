"""Example-based methods: their parts against closed forms, NumPy and SciPy; bad files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from scipy.ndimage import convolve1d
from torch.nn import functional

from vsr.errors import ModelError
from vsr.networks import load_network
from vsr.networks.anchored import ANR, neighbourhood_regressors
from vsr.networks.embedding import NeighbourEmbedding, embedding_weights
from vsr.networks.patches import PATCH, differences, overlap_add, patch_features
from vsr.networks.sparse import ScSR, sparse_codes


def _rand(*size: int, seed: int = 1) -> torch.Tensor:
    return torch.rand(size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_differences_are_zeydes_filters(scale: int) -> None:
    """Against SciPy's convolution with the filters of the authors' files, whose origin is MATLAB's ``conv2`` 'same'."""
    image = _rand(1, 1, 17, 19)
    first = [1.0, *[0.0] * (scale - 1), -1.0]
    second = [0.5, *[0.0] * (scale - 1), -1.0, *[0.0] * (scale - 1), 0.5]
    array = image[0, 0].double().numpy()
    requested = [convolve1d(array, taps, axis, mode="nearest") for taps in (first, second) for axis in (1, 0)]
    np.testing.assert_allclose(differences(image, scale)[0].numpy(), np.stack(requested), atol=1e-6)


def test_overlapping_patches_of_an_image_are_the_image() -> None:
    for scale, height, width in ((2, 5, 7), (3, 1, 4), (4, 1, 1)):
        image = _rand(2, 1, scale * height, scale * width)
        framed = functional.pad(image, (scale,) * 4)
        patches = functional.unfold(framed, PATCH * scale, stride=scale).transpose(1, 2).reshape(2 * height * width, -1)
        torch.testing.assert_close(overlap_add(patches, torch.empty(2, 1, height, width), scale), image)


def test_features_are_products_with_the_components() -> None:
    image, components = _rand(1, 1, 12, 14), _rand(5, 4, 6, 6, seed=2)
    features = patch_features(image, components, 2).reshape(6, 7, 5)
    framed = functional.pad(image, (2, 2, 2, 2), mode="replicate")
    patch = differences(framed, 2)[0, :, 4:10, 6:12]  # around the small pixel (2, 3)
    torch.testing.assert_close(features[2, 3], (components * patch).sum((1, 2, 3)))


def test_anr_maps_are_ridge_regression_over_40_neighbours() -> None:
    anchors, details = (
        functional.normalize(torch.randn(60, 6, generator=torch.Generator().manual_seed(3))),
        _rand(60, 9),
    )
    maps = neighbourhood_regressors(anchors, details)
    near = np.argsort(-np.abs(anchors.numpy() @ anchors.numpy()[7]))[:40]
    low, high = anchors.double().numpy()[near].T, details.double().numpy()[near].T
    requested = high @ np.linalg.inv(low.T @ low + 0.01 * np.eye(40)) @ low.T
    np.testing.assert_allclose(maps[7].numpy(), requested, atol=1e-4)


def test_embedding_weights_are_barycentric() -> None:
    corners = torch.tensor([[[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]])
    weights = embedding_weights(torch.tensor([[0.2, 0.3]]), corners)
    torch.testing.assert_close(weights, torch.tensor([[0.5, 0.2, 0.3]]), atol=5e-3, rtol=0)


def test_sparse_codes_solve_the_lasso() -> None:
    """The conditions of Karush, Kuhn and Tucker, in float64, with NumPy."""
    generator = torch.Generator().manual_seed(5)
    atoms = functional.normalize(torch.randn(300, 40, generator=generator, dtype=torch.float64))
    signals = functional.normalize(torch.randn(40, 40, generator=generator, dtype=torch.float64))
    places, codes = sparse_codes(signals, atoms, 0.2)
    full = np.zeros((40, 300))
    np.add.at(full, (np.arange(40)[:, None], places.numpy()), codes.numpy())
    slope = (signals.numpy() - full @ atoms.numpy()) @ atoms.numpy().T
    used = full != 0
    assert used.sum(1).min() > 0
    np.testing.assert_allclose(slope[used], 0.2 * np.sign(full[used]), atol=2e-3)
    assert np.abs(slope[~used]).max() < 0.2 + 1e-3


@pytest.mark.parametrize("build", [ANR, NeighbourEmbedding, ScSR], ids=lambda build: build.__name__)
def test_a_flat_image_stays_flat(build: type[ANR]) -> None:
    torch.manual_seed(0)
    module = build(2).eval().requires_grad_(False)
    module.finish_loading()
    torch.testing.assert_close(module(torch.full((1, 1, 6, 7), 0.4)), torch.full((1, 1, 12, 14), 0.4))


def _zeyde(path: Path) -> dict[str, np.ndarray]:
    """A file as Zeyde's program writes it, with 50 atoms for ×2."""
    random = np.random.default_rng(1)
    conf = {
        "V_pca": random.standard_normal((144, 9)),
        "dict_lores": random.standard_normal((9, 50)),
        "dict_hires": random.standard_normal((36, 50)),
    }
    scipy.io.savemat(path, {"conf": conf})
    return conf


def test_patches_in_matlab_files_are_columns(tmp_path: Path) -> None:
    conf = _zeyde(tmp_path / "conf_Zeyde_50_finalx2.mat")
    network = load_network(tmp_path / "conf_Zeyde_50_finalx2.mat")
    assert (network.name, network.scale, network.num_parameters) == ("anr", 2, 9 * 144 + 50 * 9 + 50 * 36)
    state = network.module.state_dict()
    column = conf["dict_hires"][:, 4].reshape(6, 6, order="F")
    np.testing.assert_allclose(state["details"][4].reshape(6, 6).numpy(), column, rtol=1e-6)
    second_filter = conf["V_pca"][36:72, 3].reshape(6, 6, order="F")
    np.testing.assert_allclose(state["components"][3, 1].numpy(), second_filter, rtol=1e-6)


def test_maps_of_aplus_need_the_dictionary_beside_them(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    maps = np.empty((1, 50), dtype=object)
    for index in range(50):
        maps[0, index] = random.standard_normal((36, 9))
    path = tmp_path / "Aplus_x2.mat"
    scipy.io.savemat(path, {"Aplus_PPs": maps})
    with pytest.raises(ModelError, match="conf_Zeyde_50_finalx2"):
        load_network(path)
    _zeyde(tmp_path / "conf_Zeyde_50_finalx2.mat")
    network = load_network(path)
    assert (network.name, network.scale) == ("aplus", 2)
    detail = (maps[0, 8] @ np.arange(9.0)).reshape(6, 6, order="F")
    made = network.module.state_dict()["regressors"][8].double() @ torch.arange(9.0, dtype=torch.float64)
    np.testing.assert_allclose(made.reshape(6, 6).numpy(), detail, rtol=1e-5, atol=1e-5)

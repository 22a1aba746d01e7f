"""From features to two dimensions: PCA against its definition, seeds, small and flat input."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.views.embedding_plot import projection
from la2ds_cli.views.embedding_plot.projection import MethodName, check_method, pca, project_frames


def features(frames: int = 60, width: int = 10, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.normal(size=(frames, width)) @ random.normal(size=(width, width)) + 50


def test_pca_is_the_projection_on_the_eigenvectors_of_the_covariance() -> None:
    value = features()
    found = pca(value)
    variance, vector = np.linalg.eigh(np.cov(value.T))
    expected = (value - value.mean(axis=0)) @ vector[:, [-1, -2]]
    for axis in (0, 1):
        sign = np.sign(expected[:, axis] @ found.point[:, axis])
        np.testing.assert_allclose(found.point[:, axis], sign * expected[:, axis], atol=1e-9)
    assert found.explained == pytest.approx(variance[[-1, -2]] / variance.sum())


def test_signs_do_not_depend_on_the_order_of_the_frames() -> None:
    value = features()
    np.testing.assert_allclose(pca(value[::-1]).point[::-1], pca(value).point, atol=1e-9)


def test_frames_that_are_all_equal_or_of_one_feature_are_drawn() -> None:
    flat = pca(np.ones((9, 4)))
    assert flat.explained == (0.0, 0.0)
    np.testing.assert_allclose(flat.point, 0, atol=1e-12)
    line = pca(np.arange(9.0)[:, None])
    assert line.explained == (1.0, 0.0)
    np.testing.assert_allclose(line.point, np.column_stack([np.arange(9) - 4, np.zeros(9)]))


# umap compiles for a minute before it does anything.
@pytest.mark.parametrize("method", ["tsne", pytest.param("umap", marks=pytest.mark.heavy)])
@pytest.mark.parametrize("frames", [5, 60])
def test_neighbours_stay_together_and_the_seed_is_fixed(method: MethodName, frames: int) -> None:
    if method == "umap":
        pytest.importorskip("umap", reason="the extra umap is not installed")
    value = features(frames)
    value[frames // 2 :] += 500  # two groups far from each other
    found = project_frames(value, method)
    np.testing.assert_array_equal(found.point, project_frames(value, method).point)
    assert found.explained is None
    assert np.isfinite(found.point).all()
    if frames == 60:
        gap = np.linalg.norm(found.point[:, None] - found.point[None], axis=-1)
        np.fill_diagonal(gap, np.inf)
        group = np.arange(60) // 30
        assert (group[gap.argmin(axis=1)] == group).all()


def test_the_settings_are_told() -> None:
    assert project_frames(features(), "tsne").setting == "perplexity 19.6667"
    assert project_frames(features(200), "tsne").setting == "perplexity 30"
    assert project_frames(features(), "pca").setting == ""


def test_too_few_frames_end_with_4() -> None:
    with pytest.raises(UserError, match="too few") as caught:
        project_frames(features(projection.LEAST - 1), "pca")
    assert caught.value.exit_code == ExitCode.UNUSABLE


def test_without_umap_the_user_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    for method in ("pca", "tsne"):
        check_method(method)
    with pytest.raises(UserError, match="umap-learn") as caught:
        check_method("umap")
    assert caught.value.exit_code == ExitCode.ENVIRONMENT
    assert "la2ds[umap]" in caught.value.hint

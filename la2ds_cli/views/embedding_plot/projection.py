"""From feature space to two dimensions: PCA, t-SNE and UMAP, with fixed seeds."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from la2ds_cli.core.errors import ExitCode, UserError, optional_import
from la2ds_cli.core.types import FloatArray

MethodName = Literal["pca", "tsne", "umap"]
LABELS: dict[MethodName, str] = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}
SEED = 0
LEAST = 5  # frames below which there are no neighbourhoods to speak of
_PERPLEXITY, _NEIGHBOURS = 30.0, 15  # the usual defaults of t-SNE and of UMAP


@dataclass(frozen=True)
class Projection:
    """point: (F, 2) float64. explained: share of the variance along each axis, PCA only. setting:
    the parameters of the method, for the reader."""

    point: FloatArray
    explained: tuple[float, float] | None
    setting: str


def check_method(method: str) -> None:
    """Raises UserError (exit 6) for `umap` if umap-learn cannot be imported."""
    if method == "umap":
        with optional_import(
            ["umap"],
            "--method umap needs the package umap-learn, which is not installed",
            "pip install 'la2ds[umap]', or use --method pca or tsne",
        ):
            _import_umap()


def project_frames(value: FloatArray, method: MethodName) -> Projection:
    """Two dimensions of all frames value (F, D), fitted on all of them together.

    Raises UserError (exit 4) for fewer than LEAST frames.
    """
    if len(value) < LEAST:
        raise UserError(
            f"{len(value)} frames are too few to draw",
            hint="name longer clips",
            exit_code=ExitCode.UNUSABLE,
        )
    return _METHODS[method](np.asarray(value, np.float64))


def pca(value: FloatArray) -> Projection:
    """The two directions of most variance. Their signs are arbitrary, so the largest coefficient of
    each is made positive: the same frames give the same picture."""
    centred = value - value.mean(axis=0)
    _, spread, direction = np.linalg.svd(centred, full_matrices=False)
    direction, spread = direction[:2], spread**2
    largest = np.abs(direction).argmax(axis=1)
    direction = direction * np.sign(np.take_along_axis(direction, largest[:, None], axis=1))
    point = np.zeros((len(value), 2))
    point[:, : len(direction)] = centred @ direction.T
    share = np.zeros(2)
    if spread.sum() > 0:
        share[: len(direction)] = spread[:2] / spread.sum()
    return Projection(point, (float(share[0]), float(share[1])), "")


def _tsne(value: FloatArray) -> Projection:
    from sklearn.manifold import TSNE

    perplexity = min(_PERPLEXITY, (len(value) - 1) / 3)
    start = pca(value).point
    start = start / max(float(start[:, 0].std()), 1e-12) * 1e-4  # as scikit-learn's own start
    settings: dict[str, Any] = {"perplexity": perplexity, "init": start, "random_state": SEED}
    fitted = TSNE(**settings).fit_transform(value)
    return Projection(np.asarray(fitted, np.float64), None, f"perplexity {perplexity:g}")


def _import_umap() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that TensorFlow is not there
        import umap
    return umap


def _umap(value: FloatArray) -> Projection:
    umap = _import_umap()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it uses one thread for a fixed seed
        neighbours = min(_NEIGHBOURS, len(value) - 1)
        start = pca(value).point
        start = 10 * start / max(float(np.abs(start).max()), 1e-12)  # as umap's own start
        settings: dict[str, Any] = {"n_neighbors": neighbours, "init": start.astype(np.float32)}
        fitted = umap.UMAP(**settings, random_state=SEED, n_jobs=1).fit_transform(value)
    return Projection(np.asarray(fitted, np.float64), None, f"{neighbours} neighbours")


_METHODS: dict[MethodName, Callable[[FloatArray], Projection]] = {
    "pca": pca,
    "tsne": _tsne,
    "umap": _umap,
}

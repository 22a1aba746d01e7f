"""The step and the figure: what is drawn is the projection of the features, frame by frame."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.decomposition import PCA

from la2ds_cli.alignment.request import AlignRequest, FeatureOption
from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.stored_project import BASE_RUN, StoredProject
from la2ds_cli.features.tempo import paced_movement
from la2ds_cli.network import embed as embedding
from la2ds_cli.views import embedding_plot as plotted
from la2ds_cli.views.embedding_plot import EmbeddingPlot, plot_embeddings, project_frames
from tests.movement import add_sequence, sequence, warped_phase, without
from tests.told import refused

LENGTH = {"anna": 41, "ben": 61, "cleo": 51}
NAMES = list(LENGTH)


@pytest.fixture
def project(tmp_path: Path) -> StoredProject:
    made = StoredProject.create(tmp_path / "project")
    for seed, (name, length) in enumerate(LENGTH.items()):
        add_sequence(made, name, sequence(warped_phase(length, seed)))
    rows = ["video,start,end,phase", "anna,0,20,down", "anna,20,41,up"]
    rows += ["ben,5,30,down", "ben,30,61,up"]  # nothing before frame 5; cleo has no labels
    made.phases_path.write_text("\n".join(rows) + "\n")
    return made


def plot(
    project: StoredProject, *names: str, features: FeatureOption = "auto", **options: Any
) -> EmbeddingPlot:
    request = AlignRequest(project.config(), features=features)
    return plot_embeddings(project, names or NAMES, request, **options)


@pytest.mark.parametrize("features", ["pose", "base"])
def test_what_is_drawn_is_the_joint_pca_of_the_features_with_times_and_phases(
    project: StoredProject, features: FeatureOption
) -> None:
    if features == "pose":
        values = [paced_movement(project.read_pose(name)[0]) for name in NAMES]
    else:
        values = [one.value for one in embedding.ensure_embeddings(project, BASE_RUN, NAMES)]
    fitted = PCA(n_components=2, svd_solver="full").fit(np.concatenate(values, dtype=np.float64))
    result = plot(project, features=features)
    assert result.explained == pytest.approx(fitted.explained_variance_ratio_)
    axes = plotted.draw(result).axes[0]
    share = round(100 * fitted.explained_variance_ratio_[0])
    assert axes.get_xlabel() == f"component 1 ({share} % of the variance)"
    points = [np.asarray(one.get_offsets()) for one in axes.collections]
    expected = [fitted.transform(value) for value in values]
    sign = np.sign((np.concatenate(points) * np.concatenate(expected)).sum(axis=0))
    for found, own in zip(points, expected, strict=True):
        np.testing.assert_allclose(found, sign * own, atol=1e-4)
    marked = [
        np.asarray(line.get_xydata())[0]
        for line in axes.lines
        if line.get_markeredgecolor() == "black"
    ]
    begins = [(0, 0), (0, 20), (1, 5), (1, 30)]  # clip, row
    np.testing.assert_allclose(marked, [points[clip][row] for clip, row in begins])
    legend = axes.get_legend()
    assert legend is not None
    said = [text.get_text() for text in legend.get_texts()]
    assert said == ["anna.mat", "ben.mat", "cleo.mat", "down begins", "up begins"]


def test_clips_have_colours_that_darken_with_the_seconds(project: StoredProject) -> None:
    result = plot(project)
    slow = result.clips[0]._replace(
        time=np.array([0.0, 1.0, 4.0]), point=np.eye(3, 2), phase=[""] * 3
    )
    axes = plotted.draw(replace(result, clips=(slow, *result.clips[1:]))).axes[0]
    colours = [np.asarray(one.get_facecolor()) for one in axes.collections]
    np.testing.assert_allclose(colours[0][:, 3], [0.2, 0.4, 1.0])
    assert len({tuple(colour[0, :3]) for colour in colours}) == 3


def test_a_movement_lies_on_itself_and_another_tempo_on_the_same_curve(
    project: StoredProject,
) -> None:
    # The same phases at half the rate: without velocities every frame would lie on a frame.
    add_sequence(project, "twin", sequence(warped_phase(41, 0), tilt=0.0, scale=120.0))
    result = plot(project, "anna", "twin")
    np.testing.assert_allclose(result.clips[0].point, result.clips[1].point, atol=1e-4)


def test_files_and_document(project: StoredProject) -> None:
    result = plotted.write(project, plot(project, "anna", "ben"), [], Progress())
    folder = project.root / "results" / "plot-embeddings"
    assert result.files == (folder / "anna-ben-pca.png",)
    again, data = project.root / "again.png", project.root / "p.json"
    result = plotted.write(project, plot(project, "anna", "ben"), [again, data], Progress())
    assert again.read_bytes() == (folder / "anna-ben-pca.png").read_bytes()
    written = json.loads(data.read_text())
    assert written == json.loads(json.dumps(result.to_json()))
    assert (written["method"], written["run"], written["features"]) == ("pca", None, "base")
    assert written["reason"] == ""
    ben = written["clips"][1]
    assert ben["phase"][3:7] == [None, None, "down", "down"]
    assert len(ben["x"]) == len(ben["y"]) == len(ben["frame"]) == len(ben["time"]) == 61
    more = plotted.write(project, plot(project, method="tsne"), [], Progress())
    assert more.files[0].name == "anna-ben--and-1-more-tsne.png"


@pytest.mark.parametrize(
    ("names", "features", "code", "said"),
    [
        (["anna"], "auto", ExitCode.USAGE, "at least two clips"),
        (["anna", "anna.mat"], "auto", ExitCode.USAGE, "named twice"),
        ([f"clip-{n}" for n in range(8)], "auto", ExitCode.USAGE, "at most 7"),
        (["anna", "ben"], "model", ExitCode.UNUSABLE, "no trained model"),
        (["anna", "nobody.mp4"], "auto", ExitCode.UNREADABLE, "nobody.mp4"),
        (["anna", "nothing"], "pose", ExitCode.UNUSABLE, "no joint"),
        (["anna", "nothing"], "base", ExitCode.UNUSABLE, "no joint"),
        (["anna", "coco"], "auto", ExitCode.MISMATCH, "coco17"),
        (["short", "brief"], "pose", ExitCode.UNUSABLE, "4 frames are too few"),
    ],
)
def test_bad_input(
    project: StoredProject, names: list[str], features: FeatureOption, code: ExitCode, said: str
) -> None:
    pose = sequence(warped_phase(20, 1))
    add_sequence(project, "nothing", without(pose))
    xy, score = np.zeros((20, 17, 2)), np.ones((20, 17))
    add_sequence(project, "coco", replace(pose, xy=xy, score=score, skeleton="coco17"))
    add_sequence(project, "short", pose.cut(0, 2))
    add_sequence(project, "brief", pose.cut(5, 7))
    with refused(code, said):
        plot(project, *names, features=features)


def test_frames_that_are_all_equal_are_drawn() -> None:
    point, explained = project_frames(np.ones((9, 4)), "pca")
    assert explained == (0.0, 0.0)
    np.testing.assert_allclose(point, 0, atol=1e-12)


@pytest.mark.parametrize("frames", [5, 60])
def test_neighbours_stay_together_and_the_seed_is_fixed(frames: int) -> None:
    """Two groups far from each other."""
    random = np.random.default_rng(0)
    value = random.normal(size=(frames, 10)) @ random.normal(size=(10, 10))
    value[frames // 2 :] += 500
    point, explained = project_frames(value, "tsne")
    np.testing.assert_array_equal(point, project_frames(value, "tsne")[0])
    assert explained is None
    assert np.isfinite(point).all()
    if frames == 60:
        gap = np.linalg.norm(point[:, None] - point[None], axis=-1)
        np.fill_diagonal(gap, np.inf)
        group = np.arange(60) // 30
        assert (group[gap.argmin(axis=1)] == group).all()

"""The step and the figure: what is drawn is the projection of the features, frame by frame."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from sklearn.decomposition import PCA

from la2ds_cli.alignment.request import AlignRequest, FeatureKind
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.embedding import embed as embedding
from la2ds_cli.features.tempo import paced_movement
from la2ds_cli.training.train import train
from la2ds_cli.views import embedding_plot as plotted
from la2ds_cli.views.embedding_plot import EmbeddingPlot, plot_embeddings, project_frames
from tests.movement import add_sequence, sequence, warped_phase

LENGTH = {"anna": 41, "ben": 61, "cleo": 51}
NAMES = list(LENGTH)


def written(
    project: Project, names: Sequence[str], out: Sequence[Path] = (), **options: Any
) -> EmbeddingPlot:
    result = plot_embeddings(project, names, AlignRequest(project.config()), **options)
    return plotted.write(project, result, out, Progress())


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project.create(tmp_path / "project")
    for seed, (name, length) in enumerate(LENGTH.items()):
        add_sequence(made, name, sequence(warped_phase(length, seed)))
    rows = ["video,start,end,phase", "anna,0,20,down", "anna,20,41,up"]
    rows += ["ben,5,30,down", "ben,30,61,up"]  # nothing before frame 5; cleo has no labels
    made.phases_path.write_text("\n".join(rows) + "\n")
    return made


def plot(
    project: Project, *names: str, features: FeatureKind = "auto", **options: Any
) -> EmbeddingPlot:
    request = AlignRequest(project.config(), features=features)
    return plot_embeddings(project, names or NAMES, request, **options)


def independent_pca(values: list[np.ndarray]) -> tuple[list[np.ndarray], np.ndarray]:
    fitted = PCA(n_components=2, svd_solver="full").fit(np.concatenate(values))
    return [fitted.transform(value) for value in values], fitted.explained_variance_ratio_


def drawn_points(result: EmbeddingPlot) -> dict[str, Any]:
    axes = plotted.draw(result).axes[0]
    found = {}
    for collection in axes.collections:
        gid = str(collection.get_gid())
        if gid.startswith("points "):
            found[gid.removeprefix("points ")] = collection
    return found


def same_up_to_sign(found: list[np.ndarray], expected: list[np.ndarray]) -> None:
    a, b = np.concatenate(found), np.concatenate(expected)
    sign = np.sign((a * b).sum(axis=0))
    np.testing.assert_allclose(a, sign * b, atol=1e-4)


def test_points_are_the_joint_pca_of_the_poses(project: Project) -> None:
    result = plot(project, features="pose")
    poses = [project.read_pose(name)[0] for name in NAMES]
    values = [paced_movement(pose) for pose in poses]
    expected, shares = independent_pca(values)
    artists = drawn_points(result)
    assert list(artists) == NAMES
    same_up_to_sign([np.asarray(artists[name].get_offsets()) for name in NAMES], expected)
    assert result.explained == pytest.approx(shares)
    labels = plotted.axis_labels(result)
    assert f"component 1 ({round(100 * shares[0])} % of the variance)" == labels[0]
    assert f"component 2 ({round(100 * shares[1])} % of the variance)" == labels[1]


def test_points_are_the_joint_pca_of_the_embeddings(project: Project) -> None:
    settings = {"model": {"input": "joints", "width": 16, "heads": 2, "temporal_layers": 1}}
    settings |= {"train": {"steps": 2, "batch_size": 2, "validate_every": 2}}
    trained = Project(project.root, {"preset": "default", **settings})
    train(trained, run="default", config=trained.config())
    result = plot(trained, features="model")
    assert (result.features, result.reason) == ("model", "")
    found = embedding.ensure_embeddings(trained, "default", NAMES)
    expected, _ = independent_pca([item.value for item in found])
    artists = drawn_points(result)
    same_up_to_sign([np.asarray(artists[name].get_offsets()) for name in NAMES], expected)
    assert plot(trained, features="pose").features == "pose"


def test_colours_tell_clips_apart_and_opacity_rises_with_time(project: Project) -> None:
    result = plot(project)
    colours = set()
    for clip, artist in zip(result.clips, drawn_points(result).values(), strict=True):
        face = artist.get_facecolors()
        assert len(face) == LENGTH[clip.video]
        np.testing.assert_allclose(face[:, :3], [to_rgba(clip.colour)[:3]] * len(face))
        assert (np.diff(face[:, 3]) > 0).all()
        assert (face[0, 3], face[-1, 3]) == pytest.approx((0.2, 1.0))
        colours.add(clip.colour)
    assert len(colours) == 3
    assert len({plotted.style(number) for number in range(plotted.MOST)}) == plotted.MOST == 21
    clip = replace(result.clips[0], time=np.array([0.0, 1.0, 4.0]))  # by seconds, not by frames
    np.testing.assert_allclose(clip.opacity, [0.2, 0.4, 1.0])
    np.testing.assert_allclose(replace(clip, time=clip.time[:1]).opacity, [1.0])


def test_start_end_and_phases_are_marked_where_they_are(project: Project) -> None:
    result = plot(project)
    marks = {
        str(line.get_gid()): tuple(np.ravel(line.get_xydata()))
        for line in plotted.draw(result).axes[0].lines
    }
    expected = {}
    for clip in result.clips:
        expected[f"start {clip.video}"] = tuple(clip.point[0])
        expected[f"end {clip.video}"] = tuple(clip.point[-1])
        rows = {"anna": (0, 20), "ben": (5, 30), "cleo": ()}[clip.video]
        expected |= {f"phase {clip.video} {row}": tuple(clip.point[row]) for row in rows}
    assert marks == expected


def test_the_legend_names_clips_and_phases(project: Project) -> None:
    (legend,) = plotted.draw(plot(project)).legends
    texts = [text.get_text() for text in legend.get_texts()]
    assert texts == [
        *("anna.mat", "ben.mat", "cleo.mat", "start, pale", "end"),
        *("down begins", "up begins"),
    ]
    (legend,) = plotted.draw(plot(project, "cleo", "ben")).legends
    assert [text.get_text() for text in legend.get_texts()][-2:] == ["down begins", "up begins"]
    project.phases_path.unlink()
    (legend,) = plotted.draw(plot(project)).legends
    assert [text.get_text() for text in legend.get_texts()][-1] == "end"


def test_a_movement_lies_on_itself_and_another_tempo_on_the_same_curve(project: Project) -> None:
    # The same phases at half the rate: without velocities every frame would lie on a frame.
    add_sequence(project, "twin", sequence(warped_phase(41, 0), tilt=0.0, scale=120.0))
    result = plot(project, "anna", "twin")
    np.testing.assert_allclose(result.clips[0].point, result.clips[1].point, atol=1e-4)


def test_files_and_document(project: Project) -> None:
    result = written(project, ["anna", "ben"])
    folder = project.root / "results" / "plot-embeddings"
    assert result.files == (folder / "anna--ben-pca.png",)
    assert result.files[0].read_bytes().startswith(b"\x89PNG")
    out = [project.root / f"p.{kind}" for kind in ("svg", "pdf", "json")]
    result = written(project, NAMES, out=out)
    assert out[0].read_text().startswith("<?xml")
    assert out[1].read_bytes().startswith(b"%PDF")
    data = json.loads(out[2].read_text())
    assert data == json.loads(json.dumps(result.to_json()))
    assert (data["method"], data["run"], data["features"]) == ("pca", None, "base")
    assert data["reason"] == "no trained model: drawn on the base model"
    ben = data["clips"][1]
    assert ben["phase"][3:7] == [None, None, "down", "down"]
    assert len(ben["x"]) == len(ben["y"]) == len(ben["frame"]) == len(ben["time"]) == 61
    again = project.root / "again.png"
    written(project, ["anna", "ben"], out=[again])
    assert again.read_bytes() == (folder / "anna--ben-pca.png").read_bytes()
    more = written(project, NAMES, method="tsne")
    assert more.files[0].name == "anna--ben--and-1-more-tsne.png"


@pytest.mark.parametrize(
    ("names", "options", "code"),
    [
        (["anna"], {}, ExitCode.USAGE),
        (["anna", "anna"], {}, ExitCode.USAGE),
        (["anna", "anna.mat"], {}, ExitCode.USAGE),
        ([f"clip-{n}" for n in range(22)], {}, ExitCode.USAGE),
        (["anna", "ben"], {"features": "model"}, ExitCode.UNUSABLE),
        (["anna", "nobody.mp4"], {}, ExitCode.UNREADABLE),
    ],
)
def test_bad_input(
    project: Project, names: list[str], options: dict[str, Any], code: ExitCode
) -> None:
    with pytest.raises(UserError) as caught:
        plot(project, *names, **options)
    assert caught.value.exit_code == code


@pytest.mark.parametrize("features", ["pose", "base"])
def test_a_clip_without_joints_is_refused(project: Project, features: FeatureKind) -> None:
    pose = sequence(warped_phase(20, 1))
    add_sequence(project, "nothing", replace(pose, xy=np.full_like(pose.xy, np.nan)))
    with pytest.raises(UserError, match="no joint") as caught:
        plot(project, "anna", "nothing", features=features)
    assert caught.value.exit_code == ExitCode.UNUSABLE
    xy, score = np.zeros((20, 17, 2)), np.ones((20, 17))
    add_sequence(project, "coco", replace(pose, xy=xy, score=score, skeleton="coco17"))
    with pytest.raises(UserError, match="coco17") as caught:
        plot(project, "anna", "coco")
    assert caught.value.exit_code == ExitCode.MISMATCH


# --- two dimensions -------------------------------------------------------------------------------


def features(frames: int = 60) -> np.ndarray:
    """Two groups far from each other."""
    random = np.random.default_rng(0)
    value = random.normal(size=(frames, 10)) @ random.normal(size=(10, 10))
    value[frames // 2 :] += 500
    return value


def test_frames_that_are_all_equal_are_drawn() -> None:
    point, explained = project_frames(np.ones((9, 4)), "pca")
    assert explained == (0.0, 0.0)
    np.testing.assert_allclose(point, 0, atol=1e-12)


@pytest.mark.parametrize("frames", [5, 60])
def test_neighbours_stay_together_and_the_seed_is_fixed(frames: int) -> None:
    value = features(frames)
    point, explained = project_frames(value, "tsne")
    np.testing.assert_array_equal(point, project_frames(value, "tsne")[0])
    assert explained is None
    assert np.isfinite(point).all()
    if frames == 60:
        gap = np.linalg.norm(point[:, None] - point[None], axis=-1)
        np.fill_diagonal(gap, np.inf)
        group = np.arange(60) // 30
        assert (group[gap.argmin(axis=1)] == group).all()


def test_too_few_frames_end_with_4() -> None:
    with pytest.raises(UserError, match="too few") as caught:
        project_frames(features(plotted.LEAST - 1), "pca")
    assert caught.value.exit_code == ExitCode.UNUSABLE

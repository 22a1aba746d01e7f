"""Training on features of video frames: who may, what copies are made of, the way to numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.alignment.aligned_repetitions import align_clips
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.core.artifact import read_arrays
from la2ds_cli.core.config import load_config
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.experiments.reproduce import reproduce
from la2ds_cli.experiments.runner import Plan
from la2ds_cli.features import frame_features
from la2ds_cli.health.status import project_status
from la2ds_cli.network.embed import embed
from la2ds_cli.network.load_network import load_embedder
from la2ds_cli.training import losses
from la2ds_cli.training.checkpoint import training_recipe
from la2ds_cli.training.data import Clip, draw_copy, load_training_set, to_input
from la2ds_cli.training.losses import check_input, method_recipe
from la2ds_cli.training.train import TrainOptions, train
from tests.evaluation.labelled_project import evaluated
from tests.filmed_clips import RGB, film, filmed, stripes, use_thumbnails
from tests.movement import figure, sequence
from tests.small_runs import TINY, clips
from tests.told import refused

PENN = get_skeleton("penn13")
READ_RGB = ("gtcc", "lav", "sal", "tcc", "tcn", "vaot", "vava")


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    return [*TINY, *RGB, *use_thumbnails(monkeypatch, tmp_path / "net.pth")]


# --- who may read them -----------------------------------------------------------------------


def _config(project: StoredProject, method: str, *overrides: str):
    preset, chosen = method_recipe(method)
    return project.config(preset=preset, overrides=[*chosen, "model.input=rgb", *overrides])


@pytest.mark.parametrize(
    ("method", "overrides", "said"),
    [
        ("la2ds", (), "would learn nothing"),
        ("casa", (), "would learn nothing"),
        ("stgcn-casa", (), "would learn nothing"),
        ("joints-heatmaps", (), "would learn nothing"),
        ("vivit-lav", (), "pools the patches of heatmaps"),
        ("tcc", ("model.encoder=casa", "model.heads=4"), "does not read rgb"),
        ("tcc", ("model.encoder=stgcn",), "does not read rgb"),
    ],
)
def test_who_may_not_is_told_before_anything_is_made(
    tmp_path: Path, settings: list[str], method: str, overrides: Sequence[str], said: str
) -> None:
    project = clips(tmp_path / "project")
    with refused(ExitCode.USAGE, said):
        train(project, config=_config(project, method, *overrides), options=TrainOptions("cpu"))
    assert not (project.root / "checkpoints").exists()


def test_every_method_says_whether_it_reads_them() -> None:
    """Those that compare different clips do; one that says what it reads is believed."""
    may = []
    for name in losses.method_names():
        try:
            check_input(load_config(overrides=["model.input=rgb", f"train.method={name}"]))
            may.append(name)
        except UserError:
            pass
    assert sorted(may) == sorted((*READ_RGB, "tcc-classification", "tcn-npairs"))


def test_a_method_of_ones_own_may_say_what_it_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    la2ds = losses.get_method("la2ds")
    rgb, joints = (load_config(overrides=[f"model.input={name}"]) for name in ("rgb", "joints"))
    monkeypatch.setattr(la2ds, "INPUTS", ("rgb",), raising=False)
    check_input(rgb)
    with pytest.raises(UserError, match="does not read joints"):
        check_input(joints)


def test_a_clip_without_a_film_is_named_before_anything_is_made(
    tmp_path: Path, settings: list[str]
) -> None:
    project = filmed(tmp_path / "project", 3, 12)
    (project.root / "films" / "clip1.mp4").unlink()
    with pytest.raises(UserError, match="the video of clip1 is missing"):
        train(project, config=project.config(overrides=settings), options=TrainOptions("cpu"))
    assert not (project.root / "checkpoints").exists()
    assert not (project.root / "features").exists()


# --- copies ----------------------------------------------------------------------------------


def test_a_copy_has_the_features_of_its_frames(settings: list[str]) -> None:
    """Features t of frame t and -t of its mirror image, so that rows tell where they are from."""
    length = 90
    row = np.repeat(np.arange(1, length + 1, dtype=np.float32)[:, None], 3, axis=1)
    clip = Clip("v", figure(np.linspace(0, 1, length)), np.ones((length, 13)), row, -row)
    config = load_config(
        overrides=[*settings, "augment.flip_probability=0.5", "augment.warp=0.5", "train.frames=40"]
    )
    flipped = []
    for seed in range(12):
        shown, copy = draw_copy(clip, PENN, config, np.random.default_rng(seed))
        assert shown.frame_features is not None
        assert copy.frame_features is not None
        assert len(shown.frame_features) == len(shown.xy) == 40
        # The window is thinned, so rows of the clip shown are not rows of the clip.
        expected = np.interp(copy.source, np.arange(40), shown.frame_features[:, 0])
        flipped.append(copy.frame_features[0, 0] < 0)
        np.testing.assert_allclose(np.abs(copy.frame_features[:, 0]), expected, rtol=1e-5)
        assert (copy.frame_features < 0).all() == flipped[-1]
        read = to_input(copy, PENN, config)
        assert read.maps is None
        assert read.joints is not None
        np.testing.assert_allclose(read.joints, copy.frame_features, rtol=1e-6)
    assert 0 < sum(flipped) < len(flipped)


def test_frame_features_and_joints_of_a_training_clip_belong_together(
    tmp_path: Path, settings: list[str]
) -> None:
    """The square of the film goes down as fast as the figure's phase goes on."""
    project = StoredProject.create(tmp_path / "project")
    phase = np.linspace(0, 1, 31) ** 2
    for name in ("one", "two"):
        film(project, name, stripes(phase), fps=30)
    config = project.config(overrides=settings)
    read = frame_features.frame_feature_reader(project, config, device="cpu")
    assert read is not None
    (clip, _) = load_training_set(project, config, read.with_mirrored).train
    assert clip.frame_features is not None
    assert clip.mirrored is not None
    assert len(clip.frame_features) == len(clip.xy) == 21
    for features, columns in ((clip.frame_features, slice(4, 12)), (clip.mirrored, slice(20, 28))):
        cells = features.reshape(-1, 32, 32)[:, :, columns].mean(axis=2) - 60 / 255
        centre = (cells * np.arange(32)).sum(axis=1) / cells.sum(axis=1)  # cells of 2 pixels
        expected = np.interp(np.arange(21) / 20, np.arange(31) / 30, phase)
        np.testing.assert_allclose(centre, (4 + 40 * expected + 7.5) / 2, atol=0.7)


# --- from films to numbers -------------------------------------------------------------------


def test_train_embed_evaluate_and_align(
    tmp_path: Path, settings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = filmed(tmp_path / "project", 4, 16, splits=True)
    config = project.config(overrides=settings)
    result = train(project, config=config, options=TrainOptions("cpu"))
    assert any("exactly the frames" in warning for warning in result.warnings)
    assert {p.stem for p in (project.root / "features").iterdir()} == {"clip0", "clip2"}
    assert [item.status for item in embed(project, device="cpu")] == ["ok"] * 4
    assert {p.stem for p in (project.root / "features").iterdir()} == {f"clip{n}" for n in range(4)}

    def never(*arguments: object) -> None:
        raise AssertionError("the features are there")

    monkeypatch.setattr(frame_features, "load_network", never)
    again = train(project, config=config, options=TrainOptions("cpu"))
    assert again.already_finished
    assert [item.status for item in embed(project, device="cpu")] == ["cached"] * 4
    (state,) = (s for s in project_status(project, config).steps if s.step == "embeddings")
    assert (state.current, state.stale, state.missing) == (4, {}, [])
    features = evaluated(project, config=config, device="cpu")["features"]
    for name in ("model", "untrained"):
        assert abs(features[name]["kendalls_tau"]["value"]) <= 1
    found = align_clips(project, "clip0.mp4", "clip1.mp4", AlignRequest(config, device="cpu"))
    assert len(found.position) == 16


def test_parts_of_clips_are_embedded_from_their_own_frames(
    tmp_path: Path, settings: list[str]
) -> None:
    """A part equals a clip that holds nothing else, but for the compression of its film."""
    project = filmed(tmp_path / "project", 2, 24)
    images = stripes(np.linspace(0, 1, 24))
    film(project, "whole", images)
    film(project, "part", images[6:18])
    train(project, config=project.config(overrides=settings), options=TrainOptions("cpu"))
    embedder = load_embedder(project, device="cpu")
    whole, part = (project.read_pose(name)[0] for name in ("whole", "part"))
    first, second = embedder([whole.cut(6, 18), part])
    np.testing.assert_allclose(first, second, atol=0.1 * np.abs(second).max())
    (other,) = embedder([whole.cut(0, 12)])
    assert np.abs(other - second).max() > 2 * np.abs(first - second).max()


def test_joints_alone_are_not_enough(tmp_path: Path, settings: list[str]) -> None:
    project = filmed(tmp_path / "project", 2, 16)
    config = project.config(overrides=settings)
    train(project, config=config, options=TrainOptions("cpu"))
    with pytest.raises(UserError, match="only joints are available"):
        load_embedder(project, device="cpu")([sequence(np.linspace(0, 1, 16))])
    for table in ("table7", "table8"):
        with refused(ExitCode.MISMATCH, "corrupted joints do not affect it"):
            reproduce(project, table, Plan(settings=settings), preset="default")
    (project.root / "films" / "clip1.mp4").unlink()
    project.features_path("clip1").unlink()
    one, two = embed(project, device="cpu")
    assert (one.status, two.status) == ("ok", "failed")
    assert two.message.startswith("the video of clip1 is missing")


def test_other_weights_make_another_run(tmp_path: Path, settings: list[str]) -> None:
    project = filmed(tmp_path / "project", 2, 16)
    config = project.config(overrides=settings)
    train(project, config=config, options=TrainOptions("cpu"))
    (tmp_path / "net.pth").write_bytes(b"other weights")
    with pytest.raises(UserError, match="input frames changed"):
        train(project, config=config, options=TrainOptions("cpu"))
    # What is there was made by the old ones and stays good; nothing new is made by other ones.
    assert [item.status for item in embed(project, device="cpu")] == ["ok", "ok"]


def test_runs_of_joints_depend_on_no_weights_of_rgb() -> None:
    made_from = training_recipe(load_config(overrides=["model.input=joints"]), "digest")
    assert dict(made_from.inputs) == {"clips": "digest"}


@pytest.mark.heavy
def test_rendered_people_through_a_real_resnet(tmp_path: Path) -> None:
    """From videos to an alignment, with the network of the demo and random weights of ResNet-50."""
    import torch
    from torchvision.models import resnet50

    from la2ds_cli.demo.demo_clips import write_demo_clips
    from la2ds_cli.poses.extract import ExtractOptions, extract_poses

    clips = write_demo_clips(tmp_path / "clips", n=3, seed=3)
    torch.manual_seed(0)
    torch.save(resnet50(weights=None).state_dict(), tmp_path / "resnet.pth")
    project = StoredProject.create(tmp_path / "project", {"preset": "demo"})
    extract_poses(
        project, [str(tmp_path / "clips")], project.config().poses, ExtractOptions(device="cpu")
    )
    weights = f'model.rgb_weights="{tmp_path / "resnet.pth"}"'
    config = project.config(overrides=[*TINY, *RGB, "train.fps=10", weights])
    train(project, config=config, options=TrainOptions("cpu"))
    a, b = (str(clip.path) for clip in clips[:2])
    request = AlignRequest(config, features="model", device="cpu")
    found = align_clips(project, a, b, request)
    assert np.isfinite(found.position).any()
    for file in (project.root / "features").iterdir():
        value = read_arrays(file)[0]["value"]
        assert value.shape[1] == 1024
        assert np.linalg.norm(np.diff(value, axis=0), axis=1).min() > 0  # every frame its own

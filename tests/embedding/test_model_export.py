"""Exporting a run: equal to torch at any length, whole, and without torch where it is used."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from typer.testing import CliRunner

from la2ds_cli import __version__
from la2ds_cli.core import artifact
from la2ds_cli.core.config import load_config, preset_names
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import Project
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.embedding import model_export
from la2ds_cli.embedding.embed import embed
from la2ds_cli.embedding.embedder import Embedder
from la2ds_cli.embedding.model_export import export_model, exported, random_clip
from la2ds_cli.embedding.onnx_model import ENTRY, open_model, read_model
from la2ds_cli.embedding.trained import (
    RunHeader,
    StoredWeights,
    checkpoint_path,
    load_embedder,
    load_network,
    run_header,
)
from la2ds_cli.main import app
from la2ds_cli.training.network import build_network, embed_input
from la2ds_models.sequence_network import SequenceNetwork, frames_of
from la2ds_models.vivit import TemporalPosition
from tests.exported_models import exported_project, poses_of
from tests.movement import add_sequence, sequence, warped_phase

pytest.importorskip("onnxscript", reason="needs the extra `export`")

POSITIONS = ["rotary", "learned", "offset", "sinusoid", "none"]
LENGTHS = [1, 2, 30, 64, 200]
SMALL = [
    "model.width=24",
    "model.heads=2",
    "model.spatial_layers=1",
    "model.temporal_layers=1",
    "train.frames=40",
]


def _differs_by(preset: str, position: str) -> float:
    """Largest difference from torch of the preset's network, made small, over LENGTHS."""
    config = load_config(preset=preset, overrides=[*SMALL, f"model.temporal_position={position}"])
    skeleton = get_skeleton("penn13")
    network = build_network(config.model, config.heatmap, skeleton, 0)
    stored = StoredWeights({}, RunHeader(config.to_dict(), "penn13"), "key", {})
    content, check = exported(network, stored, "run")
    assert check.difference < 1e-4
    forward = read_model(content, Path("model.onnx")).forward
    worst = 0.0
    for length in LENGTHS:
        clip = random_clip(length, config, skeleton)
        expected = embed_input(network, clip, torch.device("cpu"))
        found = forward(clip)
        assert found.shape == (length, 24)
        assert found.dtype == np.float32
        worst = max(worst, float(np.abs(found - expected).max()))
    return worst


@pytest.mark.parametrize(
    ("preset", "position"),
    [
        *(("default", "rotary"), ("default", "offset"), ("joints-heatmaps", "none")),
        *(("paper-penn-casa", "learned"), ("vivit-lav", "learned")),  # the last with a class token
    ],
)
def test_any_length_equals_torch(preset: str, position: str):
    assert _differs_by(preset, position) < 1e-4


@pytest.mark.heavy
@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("preset", preset_names())
def test_every_preset_equals_torch(preset: str, position: str):
    config = load_config(preset=preset, overrides=[*SMALL, f"model.temporal_position={position}"])
    try:
        build_network(config.model, config.heatmap, get_skeleton("penn13"), 0)
    except UserError as error:
        pytest.skip(f"no such network: {error.message}")
    assert _differs_by(preset, position) < 1e-4


@pytest.mark.parametrize("kind", ["learned", "offset"])
def test_the_formula_of_a_position_table_is_the_table(kind: str):
    position = TemporalPosition(kind, 12, 4).eval()
    assert position.table is not None
    for length in range(1, 60):
        if length <= 12:
            start = (12 - length) // 2 if kind == "offset" else 0
            expected, atol = position.table[start : start + length], 0.0
        else:
            stretched = torch.nn.functional.interpolate(
                position.table.t()[None], size=length, mode="linear", align_corners=True
            )
            expected, atol = stretched[0].t(), 1e-6
        found = position._rows(torch.ones(1, length, dtype=torch.bool))[0]
        torch.testing.assert_close(found, expected, atol=atol, rtol=0)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return exported_project(tmp_path_factory.mktemp("onnx") / "project")


@pytest.fixture
def model(project: Project, tmp_path: Path) -> Path:
    """The exported file, elsewhere."""
    return Path(shutil.copy(project.run_dir("swing") / "model.onnx", tmp_path / "swing.onnx"))


def _other_skeleton(pose: PoseSequence) -> PoseSequence:
    length = len(pose.xy)
    xy, score = np.zeros((length, 21, 2)), np.ones((length, 21))
    return replace(pose, xy=xy, score=score, skeleton="hand21")


def test_embeddings_equal_those_of_torch_windows_and_motion_included(project: Project, model: Path):
    ours, theirs = open_model(model).embedder(), load_embedder(project, "swing", "cpu")
    assert ours.key == theirs.key
    poses = poses_of(project)
    for pose, a, b in zip(poses, ours(poses), theirs(poses), strict=True):
        assert a.shape == (len(pose.xy), 32)
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, atol=1e-4, rtol=0)
    with pytest.raises(UserError, match="reads the skeleton penn13, the poses have hand21"):
        ours(
            [
                replace(
                    poses[0], xy=np.zeros((20, 21, 2)), score=np.ones((20, 21)), skeleton="hand21"
                )
            ]
        )


def forget(project: Project) -> None:
    """Remove the stored embeddings of the run `swing`."""
    for video in project.posed():
        project.embedding_path("swing", video).unlink(missing_ok=True)


def test_an_embedding_of_one_engine_is_current_for_the_other(project: Project):
    def statuses(**how: Any) -> list[str]:
        return [r.status for r in embed(project, run="swing", **how)]

    forget(project)
    assert statuses(device="cpu") == ["ok"] * 3
    by_torch, recipe = project.read_embedding("swing", "clip2")
    assert statuses(engine="onnx") == ["cached"] * 3
    forget(project)
    assert statuses(engine="onnx") == ["ok"] * 3
    by_onnx, same = project.read_embedding("swing", "clip2")
    assert (same.key, by_onnx.model) == (recipe.key, by_torch.model)
    np.testing.assert_allclose(by_onnx.value, by_torch.value, atol=1e-4)
    assert statuses(device="cpu") == ["cached"] * 3


def test_a_file_is_enough(project: Project, model: Path, tmp_path: Path):
    """A project that knows nothing of the run embeds with the file."""
    elsewhere = Project.create(tmp_path / "elsewhere")
    add_sequence(elsewhere, "clip1", sequence(warped_phase(27, 1)))
    (result,) = embed(elsewhere, run="lent", engine="onnx", model=model)
    assert result.status == "ok"
    found, _ = elsewhere.read_embedding("lent", "clip1")
    expected = load_embedder(project, "swing", "cpu")([elsewhere.read_pose("clip1")[0]])[0]
    np.testing.assert_allclose(found.value, expected, atol=1e-4)
    arguments = ["embed", "--engine", "onnx", "--model", str(model), "--run", "lent"]
    said = CliRunner().invoke(app, [*arguments, "--project", str(elsewhere.root)])
    assert said.exit_code == 0
    assert "next:" not in said.output  # evaluate would refuse: the run itself is elsewhere


def test_what_a_file_says(project: Project, model: Path):
    header, config = open_model(model).header, run_header(project, "swing").config
    assert header["version"] == __version__
    assert header["run"] == "swing"
    assert header["weights"] == artifact.file_digest(checkpoint_path(project, "swing"))
    assert header["skeleton"]["joints"] == list(get_skeleton("penn13").joints)
    assert header["settings"]["train"] == asdict(config.train)
    assert header["settings"]["model"]["motion"] == 1.5
    assert header["check"]["lengths"] == [1, 2, 8, 16, 17, 32]
    assert header["check"]["difference"] < 1e-4


def test_a_file_is_plain_onnx_for_old_runtimes_and_keeps_no_path(model: Path):
    loaded = onnx.load(model)
    onnx.checker.check_model(loaded, full_check=True)
    assert loaded.ir_version <= 10  # of onnxruntime 1.20
    assert [(o.domain, o.version) for o in loaded.opset_import] == [("", 18)]
    assert not loaded.functions
    assert [entry.key for entry in loaded.metadata_props] == [ENTRY]
    shape = loaded.graph.input[0].type.tensor_type.shape
    assert [dim.dim_param or dim.dim_value for dim in shape.dim] == ["frames", 117]
    content = model.read_bytes()
    for trace in (b"site-packages", b".py", str(Path(__file__).parents[2]).encode()):
        assert trace not in content


def test_a_file_that_differs_from_torch_is_not_written(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(model_export, "TOLERANCE", -1.0)
    with pytest.raises(UserError, match="nothing was written") as caught:
        export_model(project, run="swing", out=tmp_path / "new.onnx")
    assert caught.value.exit_code == ExitCode.ENVIRONMENT
    assert not (tmp_path / "new.onnx").exists()


class _Branching(SequenceNetwork):
    """Looks at a value to decide what to do, which no graph of fixed operations can."""

    def encode(self, maps: Any, joints: Any, mask: Any, generator: Any = None) -> Any:
        frames = frames_of(joints, mask)
        return frames if float(frames.sum()) > 0 else -frames


def test_a_network_that_cannot_be_exported_is_named(project: Project):
    stored = load_network(project, "swing")[1]
    with pytest.raises(UserError, match=r"the network 'vivit' cannot be exported: .+") as caught:
        exported(_Branching(), stored, "swing")
    assert caught.value.exit_code == ExitCode.UNUSABLE


def test_embedding_by_a_file_loads_no_torch(project: Project):
    script = (
        "import sys\n"
        "from la2ds_cli.main import app\n"
        "try:\n"
        "    app(sys.argv[1:], prog_name='la2ds')\n"
        "except SystemExit as stop:\n"
        "    assert stop.code in (0, None), stop.code\n"
        "sys.exit('torch' in sys.modules)\n"
    )
    root = str(project.root)
    forget(project)
    arguments = ["embed", "--engine", "onnx", "--run", "swing", "--project", root]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "3 ok" in done.stdout


def test_an_embedder_knows_nothing_of_engines(project: Project):
    config = run_header(project, "swing").config
    embedder = Embedder(lambda item: np.zeros((len(item), 16)), config, "penn13", "key")
    (value,) = embedder(poses_of(project)[:1])
    assert value.shape == (20, 32)

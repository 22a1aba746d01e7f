"""The embedder of an exported run: its network computed by onnxruntime, everything else as ever."""

from __future__ import annotations

from pathlib import Path

from la2ds_cli.core import artifact
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import Project
from la2ds_cli.embedding.embed import checkpoint_path
from la2ds_cli.embedding.embedder import Embedder
from la2ds_cli.embedding.onnx_model import open_model
from la2ds_cli.features.frame_features import frame_reader


def exported_path(project: Project, run: str) -> Path:
    """The ONNX file of a run where no other place is given."""
    return project.run_dir(run) / "model.onnx"


def onnx_embedder(
    project: Project, run: str, model: Path | None, device: DeviceName = "auto"
) -> Embedder:
    """The embedder of an exported model, by onnxruntime on the CPU; torch is not loaded.

    model: its file, None = the one of the run. Embeddings go where those of the run lie, so a run
    that has weights must have those of the file. UserError: exit 4 where the run has no file, 5
    for other weights than the run's, 6 for the device `cuda`, and what open_model raises.
    """
    if device == "cuda":
        raise UserError(
            "the engine onnx computes on the CPU",
            hint="use --engine torch with --device cuda",
            exit_code=ExitCode.ENVIRONMENT,
        )
    path = model or exported_path(project, run)
    if model is None and not path.exists():
        raise UserError(
            f"run '{run}' has no exported model",
            hint=f"la2ds export-model --run {run}, or name a file with --model",
            exit_code=ExitCode.UNUSABLE,
        )
    opened = open_model(path)
    weights = checkpoint_path(project, run)
    if weights.exists() and artifact.file_digest(weights) != opened.weights:
        raise UserError(
            f"{path} holds other weights than run '{run}'",
            hint=f"name the run it was exported from, --run {opened.run}; or, after a training, "
            f"export again: la2ds export-model --run {run}",
            exit_code=ExitCode.MISMATCH,
        )
    return opened.embedder(frame_reader(project, opened.config, opened.frames, device))

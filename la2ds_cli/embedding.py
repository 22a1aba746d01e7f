"""Step: per-frame embeddings of clips (u of the paper, sec. 3; config model.embed_at).

A clip is embedded alone, so its embedding never depends on what else is in the project.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from la2ds_cli import artifact
from la2ds_cli.batch import ItemResult
from la2ds_cli.config import Config, load_config
from la2ds_cli.device import DeviceName, free_cores, resolve_device
from la2ds_cli.errors import ExitCode, UserError
from la2ds_cli.network_input import NetworkInput, network_input
from la2ds_cli.progress import Progress
from la2ds_cli.project import DEFAULT_RUN, Project
from la2ds_cli.resample import interpolate, resample_pose, time_grid
from la2ds_cli.skeleton import get_skeleton
from la2ds_cli.types import EmbeddingSequence, FloatArray, PoseSequence

if TYPE_CHECKING:
    import torch

    from la2ds_models.sequence_network import SequenceNetwork

VERSION = 2  # 2: a learned position table is stretched over windows longer than training showed
WEAK = 10.0  # % synthetic warp error above which the user is warned; good runs reach 2 to 4


def embed_input(network: SequenceNetwork, item: NetworkInput, device: torch.device) -> FloatArray:
    """Embedding (T, D) float32 of one clip by a network in eval mode."""
    import torch

    from la2ds_cli.network import collate

    batch = collate([item], device)
    with torch.inference_mode():
        return network.embed(batch.maps, batch.joints, batch.mask)[0].float().cpu().numpy()


class Embedder:
    """A network ready to embed poses: `embedder(poses)` gives one (T, D) float32 per sequence,
    a row for every source frame. key: identity of the weights."""

    def __init__(
        self,
        network: SequenceNetwork,
        config: Config,
        skeleton: str,
        key: str,
        device: torch.device,
    ) -> None:
        import torch

        if device.type == "cpu":
            # Clips go through one by one; threads that wait for a busy core cost far more
            # than they save.
            torch.set_num_threads(min(torch.get_num_threads(), free_cores()))
        self.network = network.to(device).eval()
        self.network.keep_shown_positions(config.train.frames)
        self.config = config
        self.skeleton = skeleton
        self.key = key
        self.device = device

    def __call__(self, poses: Sequence[PoseSequence]) -> list[FloatArray]:
        return [self._embed(pose) for pose in poses]

    def _embed(self, pose: PoseSequence) -> FloatArray:
        """Sample by time to the model's rate, embed, and interpolate back to every frame."""
        if pose.skeleton != self.skeleton:
            raise UserError(
                f"the model reads the skeleton {self.skeleton}, the poses have {pose.skeleton}",
                hint="extract the poses with the pose model the training clips were made with",
                exit_code=ExitCode.MISMATCH,
            )
        grid = time_grid(pose.time, self.config.train.fps)
        sampled = resample_pose(pose, grid)
        window = 2 * self.config.train.frames
        value = np.zeros((len(grid), self.config.model.width), dtype=np.float64)
        weight = np.zeros((len(grid), 1))
        for start in window_starts(len(grid), window):
            part = sampled.cut(start, start + window)
            blend = triangle(len(part))[:, None]
            value[start : start + window] += blend * self._embed_window(part)
            weight[start : start + window] += blend
        features = with_motion(value / weight, self.config.model.motion)
        return interpolate(features.astype(np.float32), grid, pose.time)

    def _embed_window(self, pose: PoseSequence) -> FloatArray:
        skeleton = get_skeleton(pose.skeleton)
        config = self.config
        item = network_input(pose.xy, pose.score, skeleton, config.heatmap, config.model)
        return embed_input(self.network, item, self.device)


def with_motion(value: FloatArray, weight: float) -> FloatArray:
    """Features (T, D) and `weight` times their change per frame, (T, 2D); as they are for 0.

    The change is the central difference; half of it at the two ends. It tells apart moments that
    look alike on the way to and from a turning point, and places where the movement is fast.
    """
    if not weight:
        return value
    padded = np.pad(value, ((1, 1), (0, 0)), mode="edge")
    return np.concatenate([value, weight * (padded[2:] - padded[:-2]) / 2], axis=1)


def window_starts(length: int, window: int) -> list[int]:
    """Starts of half-overlapping windows that cover `length` frames, the last one flush with
    the end; one window where the clip fits into it."""
    if length <= window:
        return [0]
    step = window // 2
    return [*range(0, length - window, step), length - window]


def triangle(length: int) -> FloatArray:
    """Blending weights (length,) > 0, highest in the middle, so that windows join smoothly."""
    return 1 - np.abs(np.linspace(-1, 1, length + 2)[1:-1])


def checkpoint_path(project: Project, run: str) -> Path:
    """The weights that embeddings of a run are made with."""
    return project.run_dir(run) / "best.safetensors"


def has_model(project: Project, run: str = DEFAULT_RUN) -> bool:
    """Whether the run has weights."""
    return checkpoint_path(project, run).exists()


def weakness(project: Project, run: str) -> str:
    """One sentence when the run's model undoes synthetic warps badly, else an empty string."""
    try:
        facts = artifact.read_header(checkpoint_path(project, run))[1]
    except (FileNotFoundError, artifact.ArtifactError):
        return ""
    error = float(facts.get("validation_error", 0.0))
    if error <= WEAK:
        return ""
    return (
        f"the model of run {run} is weak (it undoes warps of its own clips to {error:.0f} % of "
        "their length only): compare with --features pose"
    )


def load_embedder(
    project: Project, run: str = DEFAULT_RUN, device: DeviceName = "auto"
) -> Embedder:
    """The trained embedder of a run.

    UserError (exit 4) when the run has no weights, (exit 3) when they are damaged, (exit 5) when
    the file is no checkpoint.
    """
    from la2ds_cli.network import build_network
    from la2ds_cli.training import checkpoint

    path = checkpoint_path(project, run)
    if not path.exists():
        runs = sorted(p.parent.name for p in project.root.glob("checkpoints/*/best.safetensors"))
        known = f"trained runs: {', '.join(runs)}; " if runs else ""
        raise UserError(
            f"run '{run}' has no trained model",
            hint=f"{known}la2ds train --run {run} trains it",
            exit_code=ExitCode.UNUSABLE,
        )
    weights, made_from, facts = checkpoint.load_weights(path)
    config = load_config(checkpoint.settings_of(made_from))
    network = build_network(
        config.model, config.heatmap, get_skeleton(facts["skeleton"]), config.train.seed
    )
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise UserError(
            f"{path} does not fit the network its settings describe",
            hint="train again with --overwrite, or restore the file",
            exit_code=ExitCode.MISMATCH,
        ) from error
    key = artifact.file_digest(path)
    return Embedder(network, config, facts["skeleton"], key, resolve_device(device))


def untrained_embedder(
    config: Config, skeleton: str, *, seed: int = 0, device: DeviceName = "auto"
) -> Embedder:
    """The same architecture with random weights: the baseline `untrained`."""
    from la2ds_cli.network import build_network

    network = build_network(config.model, config.heatmap, get_skeleton(skeleton), seed)
    return Embedder(network, config, skeleton, f"untrained-{seed}", resolve_device(device))


def recipe(model_key: str, pose_key: str) -> artifact.Recipe:
    """Recipe of one embedding: the weights and the poses decide it."""
    return artifact.Recipe("embedding", VERSION, {}, {"model": model_key, "poses": pose_key})


def embed(
    project: Project,
    *,
    run: str = DEFAULT_RUN,
    device: DeviceName = "auto",
    overwrite: bool = False,
    videos: Collection[str] | None = None,
    progress: Progress | None = None,
) -> list[ItemResult]:
    """Embed every clip of the project that has poses; current embeddings are kept.

    videos: the ids of those to embed, None = all. One failing clip does not stop the others.
    UserError (exit 4) when there is no clip.
    """
    progress = progress or Progress()
    listed = [v for v in project.videos() if project.pose_path(v.id).exists()]
    listed = [v for v in listed if videos is None or v.id in videos]
    if not listed:
        raise UserError(
            "the project has no poses to embed",
            hint="la2ds extract-poses FOLDER, or la2ds import",
            exit_code=ExitCode.UNUSABLE,
        )
    embedder = load_embedder(project, run, device)
    results = []
    progress.begin("embedding", len(listed))
    for video in listed:
        try:
            current, sequence = _embed_one(project, run, video.id, embedder, overwrite)
            status = "cached" if current else "ok"
            results.append(ItemResult(video.path, video.id, status, len(sequence)))
        except UserError as error:
            results.append(
                ItemResult(video.path, video.id, "failed", 0, error.code, error.message, error.hint)
            )
        progress.advance()
    progress.end()
    return results


def ensure_embeddings(
    project: Project,
    run: str,
    videos: Sequence[str],
    device: DeviceName = "auto",
    progress: Progress | None = None,
) -> list[EmbeddingSequence]:
    """The current embeddings of project videos, made first where they are missing or stale."""
    missing = [v for v in videos if not project.embedding_path(run, v).exists()]
    if progress is not None and missing:
        few = ", ".join(missing) if len(missing) <= 2 else f"{len(missing)} clips"
        progress.note(f"embedding {few}")
    embedder = load_embedder(project, run, device)
    return [_embed_one(project, run, video, embedder, False)[1] for video in videos]


def _embed_one(
    project: Project, run: str, video: str, embedder: Embedder, overwrite: bool
) -> tuple[bool, EmbeddingSequence]:
    """(was current, embedding) of one video."""
    pose, pose_recipe = project.read_pose(video)
    made_from = recipe(embedder.key, pose_recipe.key)
    path = project.embedding_path(run, video)
    if not overwrite and artifact.staleness(path, made_from) is None:
        return True, project.read_embedding(run, video)[0]
    value = embedder([pose])[0]
    sequence = EmbeddingSequence(value, pose.frame, pose.time, embedder.key)
    project.write_embedding(run, video, sequence, made_from)
    return False, sequence

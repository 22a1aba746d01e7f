"""Step: per-frame embeddings of clips (u of the paper, sec. 3; config model.embed_at).

A clip is embedded alone, so its embedding never depends on what else is in the project.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from la2ds_cli import artifact
from la2ds_cli.batch import ItemResult
from la2ds_cli.config import Config, load_config
from la2ds_cli.device import DeviceName, free_cores, resolve_device
from la2ds_cli.embedder import Embedder, Pictures
from la2ds_cli.errors import ExitCode, UserError
from la2ds_cli.frame_features import frame_reader
from la2ds_cli.network_input import NetworkInput
from la2ds_cli.progress import Progress
from la2ds_cli.project import DEFAULT_RUN, Project
from la2ds_cli.skeleton import get_skeleton
from la2ds_cli.types import EmbeddingSequence, FloatArray

if TYPE_CHECKING:
    import torch

    from la2ds_models.sequence_network import SequenceNetwork

VERSION = 2  # 2: a learned position table is stretched over windows longer than training showed
EngineName = Literal["torch", "onnx"]
WEAK = 10.0  # % synthetic warp error above which the user is warned; good runs reach 2 to 4


def embed_input(network: SequenceNetwork, item: NetworkInput, device: torch.device) -> FloatArray:
    """Embedding (T, D) float32 of one clip by a network in eval mode."""
    import torch

    from la2ds_cli.network import collate

    batch = collate([item], device)
    with torch.inference_mode():
        return network.embed(batch.maps, batch.joints, batch.mask)[0].float().cpu().numpy()


def torch_embedder(
    network: SequenceNetwork,
    config: Config,
    skeleton: str,
    key: str,
    device: torch.device,
    pictures: Pictures | None = None,
) -> Embedder:
    """An embedder that computes by torch on `device`, of a network that nothing else uses."""
    import torch

    if device.type == "cpu":
        # Clips go through one by one; threads that wait for a busy core cost far more
        # than they save.
        torch.set_num_threads(min(torch.get_num_threads(), free_cores()))
    ready = network.to(device).eval()
    ready.keep_shown_positions(config.train.frames)
    return Embedder(partial(embed_input, ready, device=device), config, skeleton, key, pictures)


def checkpoint_path(project: Project, run: str) -> Path:
    """The weights that embeddings of a run are made with."""
    return project.run_dir(run) / "best.safetensors"


def has_model(project: Project, run: str = DEFAULT_RUN) -> bool:
    """Whether the run has weights."""
    return checkpoint_path(project, run).exists()


def trained_runs(project: Project) -> list[str]:
    """Names of the runs that have weights, sorted."""
    return sorted(p.parent.name for p in project.root.glob("checkpoints/*/best.safetensors"))


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


@dataclass(frozen=True)
class TrainedNetwork:
    """A network with the weights of a run. key: digest of the checkpoint, the identity of the
    weights; facts: of the checkpoint (docs/file-formats.md); frames: identity of the weights that
    made the features of video frames it was trained on, empty where it reads none."""

    network: SequenceNetwork
    config: Config
    key: str
    facts: Mapping[str, Any]
    frames: str = ""

    @property
    def skeleton(self) -> str:
        return self.facts["skeleton"]


def load_network(project: Project, run: str) -> TrainedNetwork:
    """The trained network of a run, on the CPU.

    UserError (exit 4) when the run has no weights, (exit 3) when they are damaged, (exit 5) when
    the file is no checkpoint.
    """
    from la2ds_cli.network import build_network
    from la2ds_cli.training import checkpoint

    path = checkpoint_path(project, run)
    if not path.exists():
        raise _untrained(project, run)
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
    frames = made_from.inputs.get(checkpoint.FRAMES, "")
    return TrainedNetwork(network, config, artifact.file_digest(path), facts, frames)


def _untrained(project: Project, run: str) -> UserError:
    runs = trained_runs(project)
    known = f"trained runs: {', '.join(runs)}; " if runs else ""
    return UserError(
        f"run '{run}' has no trained model",
        hint=f"{known}la2ds train --run {run} trains it",
        exit_code=ExitCode.UNUSABLE,
    )


def load_embedder(
    project: Project, run: str = DEFAULT_RUN, device: DeviceName = "auto"
) -> Embedder:
    """The trained embedder of a run, by torch; UserError as load_network."""
    found = load_network(project, run)
    return torch_embedder(
        found.network,
        found.config,
        found.skeleton,
        found.key,
        resolve_device(device),
        frame_reader(project, found.config, found.frames, device),
    )


def run_frames(project: Project, run: str) -> Pictures | None:
    """What gives a run its video frames, by the header of its checkpoint; None where it reads
    none. Raises artifact.ArtifactError for a damaged checkpoint."""
    from la2ds_cli.training import checkpoint

    made_from, _ = artifact.read_header(checkpoint_path(project, run))
    config = load_config(checkpoint.settings_of(made_from))
    return frame_reader(project, config, made_from.inputs.get(checkpoint.FRAMES, ""))


def untrained_embedder(
    config: Config,
    skeleton: str,
    *,
    seed: int = 0,
    device: DeviceName = "auto",
    pictures: Pictures | None = None,
) -> Embedder:
    """The same architecture with random weights: the baseline `untrained`. pictures: where it reads
    video frames."""
    from la2ds_cli.network import build_network

    network = build_network(config.model, config.heatmap, get_skeleton(skeleton), seed)
    key = f"untrained-{seed}"
    return torch_embedder(network, config, skeleton, key, resolve_device(device), pictures)


def recipe(
    model_key: str, pose_key: str, clip: str = "", pictures: Pictures | None = None
) -> artifact.Recipe:
    """Recipe of the embedding of a clip: the weights and the poses decide it, and the features of
    its video frames where the model reads them."""
    inputs = {"model": model_key, "poses": pose_key}
    if pictures is not None:
        inputs["frames"] = pictures.key(clip)
    return artifact.Recipe("embedding", VERSION, {}, inputs)


def embed(
    project: Project,
    *,
    run: str = DEFAULT_RUN,
    device: DeviceName = "auto",
    overwrite: bool = False,
    videos: Collection[str] | None = None,
    progress: Progress | None = None,
    engine: EngineName = "torch",
    model: Path | None = None,
) -> list[ItemResult]:
    """Embed every clip of the project that has poses; current embeddings are kept.

    videos: the ids of those to embed, None = all. One failing clip does not stop the others.
    engine: what computes the network; the embeddings are equal to 1e-4 and have one key (docs/
    decisions/0011-one-key-for-both-engines.md). model: for `onnx`, a file of export_model, None =
    the one of the run. UserError (exit 4) when there is no clip, and what load_embedder and
    onnx_embedder raise.
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
    if engine == "onnx":
        from la2ds_cli.exported_embedder import onnx_embedder

        embedder = onnx_embedder(project, run, model, device)
    elif model is not None:
        raise UserError(f"the engine {engine} reads no {model}", hint="add --engine onnx")
    else:
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
    made_from = recipe(embedder.key, pose_recipe.key, video, embedder.pictures)
    path = project.embedding_path(run, video)
    if not overwrite and artifact.staleness(path, made_from) is None:
        return True, project.read_embedding(run, video)[0]
    value = embedder([pose])[0]
    sequence = EmbeddingSequence(value, pose.frame, pose.time, embedder.key)
    project.write_embedding(run, video, sequence, made_from)
    return False, sequence

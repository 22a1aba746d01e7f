"""Step: per-frame embeddings of clips (u of the paper, sec. 3; config model.embed_at).

Each clip is embedded alone, so its embedding never depends on the other clips of the project.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from la2ds_cli.core import artifact
from la2ds_cli.core.batch import ItemResult, error_row, unexpected
from la2ds_cli.core.clip import Video
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import ExitCode, Mismatch, Unusable, UserError
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_cli.core.ray_engine import ray_map
from la2ds_cli.core.stored_project import DEFAULT_RUN, StoredProject
from la2ds_cli.core.types import EmbeddingSequence
from la2ds_cli.network.embedder import VERSION, Embedder, FrameFeatureSource
from la2ds_cli.network.load_network import light_embedder, load_embedder, run_frames
from la2ds_cli.network.run_weights import weights_key

MOST_NAMED = 2  # clips that progress names; for more, it counts


def embedding_recipe(
    model_key: str, pose_key: str, clip: str = "", frame_features: FrameFeatureSource | None = None
) -> artifact.Recipe:
    """Return the recipe of the embedding of a clip.

    It depends on the keys of the weights and the poses and, if the model reads video frames, on
    the `frame_features` of the clip.
    """
    inputs = {"model": model_key, "poses": pose_key}
    if frame_features is not None:
        inputs["frames"] = frame_features.key(clip)
    return artifact.Recipe("embedding", VERSION, {}, inputs)


def embed(
    project: StoredProject,
    *,
    run: str = DEFAULT_RUN,
    device: DeviceName = "auto",
    videos: Collection[str] | None = None,
    progress: Progress = SILENT,
    engine: Literal["local", "ray"] = "local",
) -> list[ItemResult]:
    """Embed every clip of the project that has poses; current embeddings are left unchanged.

    A clip that fails does not stop the others.

    Parameters
    ----------
    run: whose network is used.
    videos: ids of the clips to embed, None = all.
    engine: `ray` embeds in the actors of a Ray cluster that shares the project's folder.

    Raises
    ------
    UserError: exit 4 if no clip has poses; if the disk fails or a package is missing; and as
        load_embedder does.
    """
    wanted = None if videos is None else set(videos)
    posed = [v for v in project.posed_videos() if wanted is None or v.id in wanted]
    if not posed and wanted:
        some = ", ".join(sorted(wanted)[:MOST_NAMED]) + ", ..." * (len(wanted) > MOST_NAMED)
        raise Unusable(f"there are no poses of {some} to embed", hint="la2ds extract-poses FOLDER")
    if not posed:
        raise Unusable(
            "the project has no poses to embed", hint="la2ds extract-poses FOLDER, or la2ds import"
        )
    arguments = (str(project.root), run, device)
    progress.begin("embedding", len(posed))
    if engine == "ray":
        embedded = ray_map(EmbedWorker, arguments, posed, device, lost=_failed)
    else:
        embedded = map(EmbedWorker(*arguments), posed)
    results = []
    for result in embedded:
        results.append(result)
        progress.advance()
    progress.end()
    return results


class EmbedWorker:
    """Embeds one clip after another."""

    def __init__(self, root: str, run: str, device: DeviceName) -> None:
        self._project, self._run = StoredProject.open(Path(root)), run
        self._embedder = load_embedder(self._project, run, device)

    def __call__(self, video: Video) -> ItemResult:
        outcome = _embedded(self._project, self._run, video.id, self._embedder)
        if isinstance(outcome, UserError):
            return _failed(video, outcome)
        sequence, current = outcome
        return ItemResult(video.path, video.id, "cached" if current else "ok", len(sequence))


def _failed(video: Video, error: UserError) -> ItemResult:
    return error_row(video.path, error, video.id)


def ensure_embeddings(
    project: StoredProject,
    run: str,
    videos: Sequence[str],
    device: DeviceName = "auto",
    progress: Progress = SILENT,
) -> list[EmbeddingSequence]:
    """Return the embeddings of clips by a run; missing or stale ones are computed first, and only
    then is the network loaded.

    Raises
    ------
    UserError: for the first clip that cannot be embedded, after all others have been, and as
        load_embedder does.
    """
    embeddings, failed = possible_embeddings(project, run, videos, device, progress)
    for error in failed.values():
        raise error
    return [embeddings[video] for video in videos]


def possible_embeddings(
    project: StoredProject,
    run: str,
    videos: Sequence[str],
    device: DeviceName = "auto",
    progress: Progress = SILENT,
) -> tuple[dict[str, EmbeddingSequence], dict[str, UserError]]:
    """Return `ensure_embeddings` of the clips that can be embedded, by id, and the errors of the
    others.

    Raises
    ------
    UserError: if the disk fails, if a package is missing, or (exit 5) if the run was trained again
        meanwhile; and as load_embedder does.
    """
    embeddings = _current_embeddings(project, run, videos)
    failed: dict[str, UserError] = {}
    missing = [video for video in videos if video not in embeddings]
    if not missing:
        return embeddings, failed
    if len(missing) > MOST_NAMED:
        progress.begin("embedding", len(missing))
    else:
        progress.note(f"embedding {', '.join(project.clip(video).title for video in missing)}")
    embedder = light_embedder(project, run, device)
    for video in missing:
        if len(missing) > MOST_NAMED:
            progress.advance()
        outcome = _embedded(project, run, video, embedder)
        if isinstance(outcome, UserError):
            failed[video] = outcome
        else:
            embeddings[video] = outcome[0]
    if len(missing) > MOST_NAMED:
        progress.end()
    if len({embedding.model for embedding in embeddings.values()}) > 1:
        raise trained_meanwhile(run)
    return embeddings, failed


def trained_meanwhile(run: str) -> UserError:
    """Return the error for embeddings of different weights of a run."""
    return Mismatch(
        f"the embeddings of run {run} come from different weights",
        hint="it was trained again meanwhile; run the same command again",
    )


def _current_embeddings(
    project: StoredProject, run: str, videos: Sequence[str]
) -> dict[str, EmbeddingSequence]:
    """Return the stored embeddings that match the run's weights and the clips' poses, by clip.

    Unreadable files are left out; computing their embeddings again reports the cause.
    """
    current: dict[str, EmbeddingSequence] = {}
    try:
        key, frames = weights_key(project, run), run_frames(project, run)
    except (OSError, artifact.ArtifactError):
        return current
    for video in videos:
        with suppress(UserError, OSError):
            pose_key = project.pose_header(video)[0].key
            expected = embedding_recipe(key, pose_key, video, frames)
            embedding, recipe = project.read_embedding(run, video)
            if recipe.key == expected.key:
                current[video] = embedding
    return current


def _embedded(
    project: StoredProject, run: str, video: str, embedder: Embedder
) -> tuple[EmbeddingSequence, bool] | UserError:
    """Return the embedding of a clip and whether the stored one was current, or the error.

    Raises UserError for errors that concern all clips: the disk, or a missing package.
    """
    try:
        pose, pose_recipe = project.read_pose(video)
        expected = embedding_recipe(embedder.key, pose_recipe.key, video, embedder.frame_features)
        path = project.embedding_path(run, video)
        if artifact.staleness(path, expected) is None:
            return project.read_embedding(run, video)[0], True
        sequence = EmbeddingSequence(embedder([pose])[0], pose.frame, pose.time, embedder.key)
        project.write_embedding(run, video, sequence, expected)
        return sequence, False
    except UserError as error:
        if error.exit_code in (ExitCode.STORAGE, ExitCode.ENVIRONMENT):
            raise
        return error
    except Exception as error:
        row = unexpected(project, video, error, video)
        return Unusable(row.message, hint=row.hint, code=row.code)

"""The embeddings of clips by one run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from la2ds_cli.core.data_frames import make_data_frame

if TYPE_CHECKING:
    from la2ds_cli.core.batch import ItemResult
    from la2ds_cli.core.device import DeviceName
    from la2ds_cli.core.progress import Progress
    from la2ds_cli.core.stored_project import StoredProject
    from la2ds_cli.core.types import EmbeddingSequence


class Embedded(NamedTuple):
    """The embeddings of clips by one run.

    run: its name. clips: id -> embedding, with `value` (T, D) float32, a row for each frame,
    `frame` (T,) int64 and `time` (T,) float64 in seconds. items: the outcome for every clip, as in
    Extracted; a clip that failed is not in `clips`.
    """

    run: str
    clips: dict[str, EmbeddingSequence]
    items: tuple[ItemResult, ...]

    def to_frame(self) -> Any:
        """Return a pandas.DataFrame with a row for each frame of each clip: `video`, `frame`,
        `time` in seconds, and the numbers of the vector as columns 0, 1, ...

        Raises UserError (exit 6) if pandas is not installed.
        """
        import numpy as np

        parts = list(self.clips.values())
        columns: dict[Any, Any] = {
            "video": [video for video, part in self.clips.items() for _ in range(len(part))]
        }
        for name in ("frame", "time"):
            columns[name] = np.concatenate([getattr(part, name) for part in parts] or [[]])
        value = np.concatenate([part.value for part in parts]) if parts else np.empty((0, 0))
        return make_data_frame(columns | dict(enumerate(value.T)), {"time": "s"})


def embed_clips(
    project: StoredProject,
    run: str,
    clips: Sequence[str] | None,
    device: DeviceName,
    progress: Progress,
) -> Embedded:
    """Embed clips (ids, None = all that have poses) by a run, and return their embeddings.

    The caller holds the project's lock. Raises UserError as `embed` does.
    """
    from la2ds_cli.network.embed import embed

    items = embed(project, run=run, device=device, videos=clips, progress=progress)
    usable = [item.video for item in items if item.usable]
    embeddings = {video: project.read_embedding(run, video)[0] for video in usable}
    return Embedded(run, embeddings, tuple(items))

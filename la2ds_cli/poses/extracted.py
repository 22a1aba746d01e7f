"""The extraction of videos with networks of the user's choice, and its result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from la2ds_cli.core.data_frames import make_data_frame

if TYPE_CHECKING:
    from la2ds_cli.core.batch import ItemResult
    from la2ds_cli.core.progress import Progress
    from la2ds_cli.core.stored_project import StoredProject
    from la2ds_cli.poses.extract import ExtractOptions


class Extracted(NamedTuple):
    """The outcome of an extraction.

    items: one for each requested clip, in order, with `path` (as given), `video` (its id in the
    project), `status` (`ok`, `cached`, `degraded`, `skipped` or `failed`), `frames`, `code`
    (docs/reference/codes.md), `message` and `hint`.
    """

    items: tuple[ItemResult, ...]

    @property
    def clips(self) -> list[str]:
        """Ids of the clips that later steps can use."""
        return [item.video for item in self.items if item.usable]

    def to_frame(self) -> Any:
        """Return a pandas.DataFrame, one row for each item.

        Raises UserError (exit 6) if pandas is not installed.
        """
        return make_data_frame([item.to_json() for item in self.items])


def extract_videos(
    project: StoredProject,
    paths: Sequence[str],
    chosen: Mapping[str, str | int | None],
    options: ExtractOptions,
    progress: Progress,
) -> Extracted:
    """Extract clips, and store the choice of networks in the project once they have worked.

    The caller holds the lock of the project. Raises UserError as extract_poses does.

    Parameters
    ----------
    paths
        Files, folders, patterns and manifests, as for extract_poses.
    chosen
        Settings of the section [poses] by name, None = unchanged.
    options
        How clips are read and processed.
    """
    from la2ds_cli.core.project_toml import Choice
    from la2ds_cli.poses.extract import extract_poses

    choice = Choice(project, "poses", chosen)

    def keep(item: ItemResult) -> None:
        if item.status != "cached":  # the networks worked
            choice.keep()

    items = extract_poses(
        project, paths, choice.config.poses, options, on_clip=keep, progress=progress
    )
    if any(item.usable for item in items):
        choice.keep()
    return Extracted(tuple(items))

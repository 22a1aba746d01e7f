"""The extraction of videos with networks of the user's choice, and its result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from la2ds_cli.core.clip import ClipOptions
from la2ds_cli.core.clip_names import list_names
from la2ds_cli.core.data_frames import make_data_frame

if TYPE_CHECKING:
    from la2ds_cli.core.batch import ItemResult
    from la2ds_cli.core.device import DeviceName
    from la2ds_cli.core.progress import Progress
    from la2ds_cli.core.stored_project import StoredProject


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
    videos: str | Path | Sequence[str | Path],
    chosen: Mapping[str, str | None],
    clip_options: ClipOptions | None,
    overwrite: bool,
    device: DeviceName,
    progress: Progress,
) -> Extracted:
    """Extract clips, and store the choice of networks in the project once they have worked.

    The caller holds the lock of the project. Raises UserError as extract_poses does.

    Parameters
    ----------
    videos: one or several files, folders, patterns and manifests, as for extract_poses.
    chosen: `detector`, `pose` and `subject`, None = unchanged. The number of a person holds for
        these clips only and is not stored as a setting.
    clip_options: which part of a file is read and how; None = as before.
    overwrite: extract clips again that are done already.
    """
    from la2ds_cli.core.project_toml import Choice
    from la2ds_cli.poses.extract import ExtractOptions, extract_poses

    number = chosen["subject"] or ""
    number = number if number.isdecimal() else ""
    choice = Choice(project, "poses", {**chosen, "subject": None if number else chosen["subject"]})
    part = clip_options.to_json() if clip_options else {}
    options = ExtractOptions(clip=part, subject=number, device=device, overwrite=overwrite)

    def keep(item: ItemResult) -> None:
        if item.status != "cached":  # the networks worked
            choice.keep()

    config = choice.config.poses
    items = extract_poses(
        project, list_names(videos), config, options, on_clip=keep, progress=progress
    )
    if any(item.usable for item in items):
        choice.keep()
    return Extracted(tuple(items))

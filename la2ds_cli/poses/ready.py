"""Provide clips with current poses, which are extracted first where they are missing.

Commands on existing poses import this file and load no part of the extraction.
"""

from __future__ import annotations

from collections.abc import Sequence

from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.poses.current import current_clip


def ensure_poses(
    project: StoredProject,
    names: Sequence[str],
    config: PosesConfig,
    device: DeviceName = "auto",
    progress: Progress = SILENT,
    left_out: dict[str, str] | None = None,
) -> list[str]:
    """Return the ids of clips with current poses, which are extracted first where necessary.

    Parameters
    ----------
    names
        Video files, or names of clips of the project.
    config, device, progress
        As for `poses.missing_poses.ensure_poses`.
    left_out
        Receives the names that cannot be used, and why; their ids are missing from the result.

    Raises
    ------
    UserError
        As `poses.missing_poses.ensure_poses`.
    """
    ready = _ready_clips(project, names, config)
    if ready is not None:
        return ready
    from la2ds_cli.poses.missing_poses import ensure_poses as extract_missing_poses  # loads OpenCV

    return extract_missing_poses(project, names, config, device, progress, left_out)


def _ready_clips(
    project: StoredProject, names: Sequence[str], config: PosesConfig
) -> list[str] | None:
    """Return the ids of clips that all have current poses; None if one of them lacks current poses,
    or a name means no clip: the extraction then says what is wrong."""
    ids: list[str] = []
    for name in names:
        try:
            clip = current_clip(project, name, config)
        except UserError:
            return None
        if clip is None:
            return None
        ids.append(clip)
    return ids

"""Step: put many clips on one timeline, and compare groups of them along the movement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from la2ds_cli.alignment.curve_groups import NO_GROUPS, Grouping, check_grouping
from la2ds_cli.alignment.curve_tests import compare_groups
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.alignment.timeline import align_all, clips_of
from la2ds_cli.alignment.timeline_result import TimelineResult
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_cli.core.stored_project import StoredProject


def align_groups(
    project: StoredProject,
    names: Sequence[str] | None,
    request: AlignRequest,
    grouping: Grouping = NO_GROUPS,
    reference: str | None = None,
    progress: Progress = SILENT,
) -> TimelineResult:
    """Put clips on one timeline as `align_all` does, and compare them in groups, if `grouping` says
    so.

    Parameters
    ----------
    names: as for `align_all`; None = all clips that have poses.

    Raises
    ------
    UserError: as `check_grouping`, before anything is computed, and as `align_all`.
    """
    check_grouping(project.videos(), grouping)
    chosen = clips_of(project) if names is None else names
    result = align_all(project, chosen, request, reference=reference, progress=progress)
    if grouping == NO_GROUPS:
        return result
    result = result.grouped(grouping)
    if grouping.by and result.groups:
        result = replace(result, groups=compare_groups(result.groups))
    return result

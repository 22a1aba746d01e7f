"""What `la2ds` (Python) saves: the files of an alignment, and a timeline with its project."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from la2ds_cli.alignment.alignment import IN_MEMORY
from la2ds_cli.alignment.curve_groups import CLUSTER_COLUMNS
from la2ds_cli.core.data_frames import make_data_frame
from la2ds_cli.core.errors import Unusable, UserError
from la2ds_cli.core.host import unchanged_process
from la2ds_cli.core.output_paths import checked_outputs
from la2ds_cli.core.progress import Progress
from la2ds_cli.views.alignment_files import (
    A_TIMELINE,
    AN_ALIGNMENT,
    write_alignment,
    write_timeline,
)

if TYPE_CHECKING:
    from la2ds_cli.alignment.alignment import Alignment
    from la2ds_cli.alignment.timeline_result import PlacedClip, TimelineResult
    from la2ds_cli.core.stored_project import StoredProject

_PERCENT: tuple[str, ...] = ("tested_from", "tested_to", "start", "end")
_STRETCH = ("start", "end", "p", "difference")
_MEASURED = ("percent", "reference_seconds", "seconds", "confidence", "value")


def save_alignment(
    project: StoredProject, alignment: Alignment, files: Sequence[Path]
) -> list[Path]:
    """Write an alignment to files, as `la2ds align --out` does, and return their paths.

    Without files, a picture and a JSON file go to results/align of the project.

    Raises
    ------
    UserError: exit 2 for an unknown file type, for a file of the project, and for clips in memory.
    """
    if alignment.a is IN_MEMORY[0]:
        raise UserError(
            "clips in memory cannot be saved: they belong to no project and have no pictures",
            hint="to_frame() and to_json() give the numbers",
        )
    targets = checked_outputs(project, files, *AN_ALIGNMENT)
    return list(write_alignment(project, alignment, targets, Progress()).files)


@dataclass(frozen=True)
class Timeline:
    """Many clips on one timeline, from the first frame (0) to the last frame (1) of a reference.

    reference: id of the reference clip. clips: id -> a placed clip with its own `frame` and `time`
    (T,); `position` (T,) float64 in [0, 1], NaN where a frame is not on the timeline; `confidence`
    (T,), the probability that the position is right to 0.05; `mirrored`; `probability` that it
    shows the movement (NaN = unknown); and its number of `repetitions`. left_out: name -> why it is
    not on the timeline. features: `model`, `base` or `pose`.
    """

    reference: str
    clips: dict[str, PlacedClip]
    left_out: dict[str, str]
    features: str
    _project: StoredProject = field(repr=False, compare=False)
    _result: TimelineResult = field(repr=False, compare=False)

    @classmethod
    def of(cls, result: TimelineResult, project: StoredProject) -> Timeline:
        """Return the timeline of clips of a project."""
        return cls(
            reference=result.clock.video.id,
            clips={clip.video.id: clip for clip in result.clips},
            left_out=dict(result.left_out),
            features=result.features,
            _project=project,
            _result=result,
        )

    def seconds_in(self, clip: str, position: float) -> float:
        """Return the seconds of a clip (by id) at a position on the timeline.

        NaN where the clip does not show this moment.

        Raises
        ------
        KeyError: for a clip that is not in `clips`.
        """
        return self._result.seconds_in(clip, position)

    @unchanged_process()
    def save(self, *files: str | Path) -> list[Path]:
        """Write pictures and tables as `la2ds timeline --out` does, and return their paths.

        Without `files`, a picture, a table and a JSON file go to results/timeline of the project.

        Raises
        ------
        UserError: exit 2 for an unknown file type, and for a file of the project.
        """
        targets = checked_outputs(self._project, map(Path, files), *A_TIMELINE)
        return list(write_timeline(self._project, self._result, targets, Progress()).files)

    def to_json(self) -> dict[str, Any]:
        """Return the document that `la2ds timeline --json` prints."""
        return self._result.to_json()

    def to_frame(self) -> Any:
        """Return a pandas.DataFrame with a row for each frame of each clip.

        The columns are `video`, `frame`, `time`, `position` and `confidence`; `attrs["units"]` has
        the unit of `time`. Raises UserError (exit 6) without pandas.
        """
        return self._result.to_frame()

    def clusters(self) -> Any:
        """Return a pandas.DataFrame of where along the movement two groups of clips differ, or they
        change with a number.

        There is a row for each such stretch, and one for each quantity without one. The columns are
        those of the table that `la2ds timeline --by` writes (docs/reference/file-formats.md):
        `start` and `end` in percent of the reference, `difference` of the means (`b` minus `a`) in
        the `unit` of the quantity; NaN and None where there is no stretch or, as `note` says, no
        test. `attrs["units"]` has the units of the other columns.

        Raises
        ------
        UserError: exit 2 without groups (`by` of `align_all`); 4 if nothing could be tested, with
            the reason; 6 without pandas.
        """
        groups = self._result.groups
        if groups is None:
            raise UserError(
                "the clips of this timeline are not divided into groups",
                hint='la2ds.align_all(project, by="COLUMN") divides them by a column of videos.csv',
            )
        if groups.reason:
            raise Unusable(f"nothing was tested: {groups.reason}")
        rows = groups.cluster_rows()
        columns = {name: [row[name] for row in rows] for name in CLUSTER_COLUMNS}
        units = dict.fromkeys(_PERCENT, "%")
        return make_data_frame(columns, units).astype(dict.fromkeys(_STRETCH, float))

    def curves(self) -> Any:
        """Return a pandas.DataFrame of every clip over the timeline, in long form.

        There is a row for each clip, quantity and percent of the reference. Quantities are joint
        angles (180 degrees = straight), the lean of the trunk, the width of the stance, and the
        heights of hips, hands and head. The columns are `video`, `group`, `person`, `percent`,
        `reference_seconds`, `seconds` (in the clip), `confidence`, `quantity`, `unit` and `value`
        (NaN = not seen, or the limb points at the camera). Left and right are as compared with the
        reference. `attrs["units"]` has the units of the other columns.

        Raises
        ------
        UserError: exit 6 without pandas.
        """
        columns = self._result.curves()
        columns["video"] = columns.pop("clip")  # as in to_frame; a frame has a method `clip`
        units = {"percent": "%", "reference_seconds": "s", "seconds": "s"}
        return make_data_frame(columns, units).astype(dict.fromkeys(_MEASURED, float))

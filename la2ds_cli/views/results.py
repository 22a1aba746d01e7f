"""Alignments and timelines that can be saved: a result of a step, and the project it belongs to."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from la2ds_cli.core.data_frames import make_data_frame
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.host import unchanged_process
from la2ds_cli.core.progress import Progress

if TYPE_CHECKING:
    from la2ds_cli.alignment.result import AlignResult
    from la2ds_cli.alignment.timeline_result import PlacedClip, TimelineResult
    from la2ds_cli.core.project import Project as StoredProject
    from la2ds_cli.core.types import FloatArray, IntArray


@dataclass(frozen=True, repr=False)
class Aligned:
    """Which moment of clip B is which moment of clip A. A has N frames and B has M.

    a, b: ids of the clips. time_a: (N,) float64, seconds of A's frames. time_b: (N,) float64, the
    seconds in B that match them, between two frames where the match lies there; NaN where B has no
    counterpart. time_b_low, time_b_high: (N,) float64, the interval that holds the true moment in
    90 % of cases. within: (N,) float64, seconds from the match to the farther of the two.
    certainty: for each frame of A `sure`, `unsure` or `no counterpart`. confidence: (N,) float32,
    the probability that the match is right to within 5 % of B's length or 0.1 s, 0 where there is
    no counterpart. speed_ratio: (N,) float64, seconds of B for a second of A; 2 means that B takes
    twice as long; NaN where unmatched. path: (P, 2) int64, pairs of rows of A and B. cost: (P,)
    float32, the distance of the features of each pair.

    features: `model`, `base` or `pose`. method: how they were aligned. view: in which B was
    compared (`align`). unclear: a sentence if B may have to be compared in another view, which
    leaves nothing sure; else empty. references: the number of reference clips of the consensus, 0
    for a direct alignment. mean_confidence: over the matched frames of A. same_movement: the
    probability that both show the same movement, NaN where that cannot be told; below 0.6 no frame
    is sure, below 0.18 `la2ds align` refuses the clips.
    """

    a: str
    b: str
    time_a: FloatArray
    time_b: FloatArray
    time_b_low: FloatArray
    time_b_high: FloatArray
    within: FloatArray
    certainty: list[str]
    confidence: FloatArray
    speed_ratio: FloatArray
    path: IntArray
    cost: FloatArray
    features: str
    method: str
    view: str
    unclear: str
    references: int
    mean_confidence: float
    same_movement: float
    _project: StoredProject | None = field(repr=False, compare=False)
    _result: AlignResult = field(repr=False, compare=False)

    @classmethod
    def of(cls, result: AlignResult, project: StoredProject | None) -> Aligned:
        """An alignment of clips of a project, or None."""
        from la2ds_cli.alignment.confidence import certainty_words, seconds_within
        from la2ds_cli.alignment.path import matched_time

        alignment, same = result.alignment, result.same_movement
        time_b, low, high = (
            matched_time(place, alignment.time_b)
            for place in (alignment.position, alignment.low, alignment.high)
        )
        return cls(
            a=result.a.id,
            b=result.b.id,
            time_a=alignment.time_a,
            time_b=time_b,
            time_b_low=low,
            time_b_high=high,
            within=seconds_within(alignment),
            certainty=certainty_words(alignment),
            confidence=alignment.confidence,
            speed_ratio=result.speed_ratio,
            path=alignment.path,
            cost=alignment.cost,
            features=alignment.features,
            method=alignment.method,
            view=alignment.view,
            unclear=result.unclear,
            references=result.references,
            mean_confidence=result.mean_confidence,
            same_movement=same.probability if same else float("nan"),
            _project=project,
            _result=result,
        )

    def __repr__(self) -> str:
        return f"<Aligned {self.a} and {self.b}: {self._result.sureness}>"

    def time_in_b(self, seconds: float) -> float:
        """The moment of B, in seconds, that shows what A shows at `seconds`.

        NaN before A's first frame, after its last, and where B has no counterpart.
        """
        import numpy as np

        return float(np.interp(seconds, self.time_a, self.time_b, left=np.nan, right=np.nan))

    @unchanged_process()
    def save(self, *files: str | Path) -> list[Path]:
        """Write pictures (.png, .svg, .pdf) and tables (.csv, .json) as `la2ds align --out` does.

        Returns the paths; without `files`, a picture and a JSON file go to results/align of the
        project. Raises UserError (exit 2) for another ending, for a file of the project, and for
        clips in memory.
        """
        from la2ds_cli.core.output_paths import checked_outputs
        from la2ds_cli.views.alignment_files import AN_ALIGNMENT, write_alignment

        if self._project is None:
            raise UserError(
                "clips in memory belong to no project in which their pictures lie",
                hint="to_frame() and to_json() have the numbers",
            )
        targets = checked_outputs(self._project, map(Path, files), *AN_ALIGNMENT)
        return list(write_alignment(self._project, self._result, targets, Progress()).files)

    def to_json(self) -> dict[str, Any]:
        """The document that `la2ds align --json` prints."""
        return self._result.to_json()

    def to_frame(self) -> Any:
        """A pandas.DataFrame with a row for each frame of A; UserError (exit 6) without pandas.

        frame_a: the number of the frame in its video. The other columns are the arrays of this
        class that have N entries.
        """
        names = ("time_a", "time_b", "time_b_low", "time_b_high", "within", "certainty")
        names += ("confidence", "speed_ratio")
        frames = {"frame_a": self._result.alignment.frame_a}
        return make_data_frame(frames | {name: getattr(self, name) for name in names})


@dataclass(frozen=True)
class Timeline:
    """Many clips on one timeline, the clock of one of them: 0 is its first frame, 1 its last.

    reference: id of that clip. clips: id -> where it lies, with `frame` and `time` (T,) of its own,
    `position` (T,) float64 in [0, 1], NaN where the timeline does not show a frame, `confidence`
    (T,) that the position is right to 0.05, `mirrored`, `probability` that it shows the movement
    (NaN where that cannot be told), and `repetitions` that it holds. left_out: name -> why it is
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
        """The moment of a clip, by its id, in seconds that lies at a position of the timeline.

        NaN where the clip does not show it. Raises KeyError for a clip that is not in `clips`.
        """
        return self._result.seconds_in(clip, position)

    @unchanged_process()
    def save(self, *files: str | Path) -> list[Path]:
        """Write pictures and tables as `la2ds timeline --out` does.

        Returns the paths; without `files`, a picture, a table and a JSON file go to
        results/timeline of the project. Raises UserError (exit 2) for another ending, and for a
        file of the project.
        """
        from la2ds_cli.core.output_paths import checked_outputs
        from la2ds_cli.views.alignment_files import A_TIMELINE, write_timeline

        targets = checked_outputs(self._project, map(Path, files), *A_TIMELINE)
        return list(write_timeline(self._project, self._result, targets, Progress()).files)

    def to_json(self) -> dict[str, Any]:
        """The document that `la2ds timeline --json` prints."""
        return self._result.to_json()

    def to_frame(self) -> Any:
        """A pandas.DataFrame with a row for each frame of each clip; UserError (exit 6) without
        pandas. The columns: `video`, `frame`, `time`, `position`, `confidence`."""
        return self._result.to_frame()

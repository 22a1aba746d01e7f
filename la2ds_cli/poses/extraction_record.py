"""Write the rows of extracted clips into videos.csv, and the report of a run."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path

from la2ds_cli.core import artifact
from la2ds_cli.core.artifact import ArtifactError
from la2ds_cli.core.batch import ItemResult, unexpected
from la2ds_cli.core.clip import Video, family
from la2ds_cli.core.csv_tables import table_text
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.poses.current import STEP
from la2ds_cli.poses.extraction import ClipResult, Extraction
from la2ds_cli.poses.quality import FACTS, clip_facts, verdict
from la2ds_cli.poses.sources import ClipSource
from la2ds_cli.poses.subjects import set_subjects

Shard = tuple[int, int]  # (i, n): the i-th of n parts, i from 1
ClipListener = Callable[[ItemResult], None]  # called in the thread that calls extract_poses
# Facts of a row besides those of quality.assess.
_ABOUT = (
    *("margin", "people", "persons", "cuts", "fps", "width", "height", "hdr"),
    *("skeleton", "detector", "pose"),
)
_ROWS_PAUSE = 10  # rows wait this many times as long as the last writing took
LOCK_WAIT = 120.0  # seconds that a shard waits for another to write its rows


def rows_lock(project: StoredProject, shard: Shard | None):
    """Lock the tables for a shard, since shards take turns; a single run already holds the lock."""
    return project.lock(wait=LOCK_WAIT) if shard else nullcontext()


class ExtractionRecord:
    """Writes finished clips into videos.csv, then passes them to the listener.

    The table is written as a whole each time, which takes most of a second with 100,000 rows, so
    rows wait until that is a small share of the time. If the run is killed, their poses exist, and
    the next run lists them. results: all results so far.
    """

    def __init__(
        self,
        run: Extraction,
        clips: Sequence[ClipSource | ClipResult] = (),
        shard: Shard | None = None,
        on_clip: ClipListener | None = None,
    ) -> None:
        """clips: the whole list, which gives the order of the rows."""
        self.results: list[ClipResult] = []
        self._order = [clip.id() for clip in clips if isinstance(clip, ClipSource)]
        self._run, self._shard = run, shard
        self._on_clip = on_clip or (lambda result: None)
        self._listed = self._told = 0  # number of results written, and passed on
        self._next = 0.0  # earliest time of the next writing

    def add(self, result: ClipResult) -> None:
        """List a clip whose poses are written, now or a little later."""
        self.results.append(result)
        if result.items[0].usable and time.monotonic() >= self._next:
            self.write()
            self.tell()

    def write(self) -> None:
        """Write the waiting rows."""
        start = time.monotonic()
        waiting = self.results[self._listed :]
        self._listed = len(self.results)
        made = [result for result in waiting if result.source and result.items[0].usable]
        if made:
            with rows_lock(self._run.project, self._shard):
                for note in _add_rows(self._run.project, made, self._order):
                    self._run.progress.note(note)
        self._next = time.monotonic() + _ROWS_PAUSE * (time.monotonic() - start)

    def tell(self) -> None:
        """Pass the results whose rows are written to the listener; if it fails with a clip, that is
        noted and the batch continues."""
        waiting, self._told = self.results[self._told : self._listed], self._listed
        usable = [item for result in waiting for item in result.items if item.usable]
        for item in usable:
            try:
                self._on_clip(item)
            except UserError:
                raise
            except Exception as error:
                failed = unexpected(self._run.project, item.path, error, item.video)
                self._run.progress.note(failed.message)


def _add_rows(
    project: StoredProject, results: Sequence[ClipResult], order: Sequence[str]
) -> list[str]:
    """List clips that have poses, with the places of their people and the choices of subjects.

    Clips of people whom the new reading of their part does not keep leave the list, as by
    StoredProject.take_out. Returns notes about them. order: shared ids of the whole list.
    """
    with project.tables():
        listed = {video.id: video for video in project.videos()}
        readings: dict[str, list[Video]] = {}
        for video in listed.values():
            readings.setdefault(video.shared_id, []).append(video)
        rows: list[Video] = []
        removed: list[Video] = []
        people: list[str] = []
        notes, choices = [], {}
        for result in results:
            source = result.source
            assert source is not None
            kept = _rows_of(project, result)
            rows += kept
            people += [item.video for item in result.items]
            before = readings.get(source.id(), [])
            gone = _no_longer_kept(project, kept, before)
            removed += gone
            if note := _about_people(source, kept, gone, before):
                notes.append(note)
            if source.choice is not None:
                choices[source.id()] = source.choice
        project.keep_people([*people, *(video.id for video in removed)])
        changed = [row for row in rows if _differs(listed.get(row.id), row)]
        if changed or removed:
            project.add_videos(changed, [video.id for video in removed], _placed(order, changed))
        set_subjects(project, choices)
    for video in removed:
        project.pose_path(video.id).unlink(missing_ok=True)
    return notes


def _rows_of(project: StoredProject, result: ClipResult) -> list[Video]:
    """Return the rows of the clips of a result, the subject first; none for imported poses, which
    already have a row."""
    rows = []
    for item in result.items:
        recipe, facts = artifact.read_header(project.pose_path(item.video))
        if recipe.step == STEP and result.source is not None:
            number = int(family(item.video)[1])
            rows.append(result.source.row(project, number, facts["info"]["frames"]))
    return rows


def _no_longer_kept(
    project: StoredProject, kept: Sequence[Video], before: Sequence[Video]
) -> list[Video]:
    """Return the clips of a reading that the new one does not keep; imported clips stay."""
    gone = []
    for video in before if kept else ():
        if video.id not in [row.id for row in kept]:
            with suppress(ArtifactError):
                if artifact.read_header(project.pose_path(video.id))[0].step != STEP:
                    continue
            gone.append(video)
    return gone


def _placed(order: Sequence[str], rows: Sequence[Video]) -> list[str]:
    """Return the ids of a list, each followed by the ids of further people of that clip."""
    further: dict[str, list[str]] = {}
    for row in rows:
        if row.id != row.shared_id:
            further.setdefault(row.shared_id, []).append(row.id)
    return [name for first in order for name in (first, *further.get(first, []))]


def _about_people(
    source: ClipSource, kept: Sequence[Video], gone: Sequence[Video], before: Sequence[Video]
) -> str:
    """Return a note about the people of a clip after a new reading; empty if nothing changed."""
    name = Path(source.name).name
    if gone:
        names = ", ".join(video.name for video in gone)
        what = "is" if len(gone) == 1 else "are"
        return (
            f"{name}: the person kept now is {kept[0].name}; {names} {what} no longer kept, but "
            "their labels and marks stay, and count again once they are kept again"
        )
    if source.choice is not None and len(kept) > 1 and before:
        names = ", ".join(video.name for video in kept)
        return f"{name}: the same people are kept, so each keeps the clip it had: {names}"
    return ""


def _differs(old: Video | None, new: Video) -> bool:
    """Return whether a row must be written; an empty new split or group keeps the old one."""
    if old is None:
        return True
    as_before = {name: getattr(old, name) for name in ("split", "group") if not getattr(new, name)}
    return replace(new, **as_before) != old


def write_report(project: StoredProject, results: Sequence[ClipResult], suffix: str = "") -> None:
    """Write results/extract/report.csv: every file with its outcome and its facts.

    Column codes: every weakness of a clip, not only the first; seconds: the time a file took.
    suffix: of the file name, for several reports in one folder.
    """
    columns = [*ItemResult("", "", "ok").to_json(), "codes", *FACTS, *_ABOUT, "seconds"]
    rows = []
    for result in results:
        for number, item in enumerate(result.items):
            facts = clip_facts(project, item.video) if item.usable else {}
            codes = [each.code for each in verdict(facts)] or ([item.code] if item.code else [])
            seconds = 0.0 if number else round(result.seconds, 2)
            row = {**facts, **item.to_json(), "codes": " ".join(codes), "seconds": seconds}
            spans = (f"{limb} {start}-{end}" for limb, start, end in row.get("doubts") or [])
            row["doubts"] = "; ".join(spans)  # right arm 1.2-2.0; left leg 3.5-4.1
            rows.append([row.get(column) for column in columns])
    path = project.results_dir("extract") / f"report{suffix}.csv"
    artifact.write_text(path, table_text(columns, rows))

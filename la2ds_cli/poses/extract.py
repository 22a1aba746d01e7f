"""The step `poses`: turn video files into pose sequences in the project, each written at once."""

from __future__ import annotations

import os
import shlex
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from la2ds_cli.core import artifact
from la2ds_cli.core.artifact import ArtifactError
from la2ds_cli.core.batch import ItemResult, error_row, unexpected
from la2ds_cli.core.clip import ClipOptions, Video, family
from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.csv_tables import table_text
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import ExitCode, Unusable, UserError
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_cli.core.ray_engine import ray_map
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.poses.current import STEP, find_clip, follow_files, is_current, moved_to
from la2ds_cli.poses.extraction import ClipResult, Extraction, failure
from la2ds_cli.poses.known_people import KnownPeople
from la2ds_cli.poses.quality import FACTS, clip_facts, verdict
from la2ds_cli.poses.sources import ClipSource, Entry, collect_entries, load_single, load_source
from la2ds_cli.poses.subjects import NO_SUCH_PERSON, read_subjects, set_subjects
from la2ds_cli.video.media_files import missing_files
from la2ds_cli.video.source_version import SourceChanged, SourceVersion, read_version

Engine = Literal["local", "ray"]
Content = tuple[str, str, str]  # ClipSource.content
Shard = tuple[int, int]  # (i, n): the i-th of n parts, i from 1
ClipListener = Callable[[ItemResult], None]  # called in the thread that calls extract_poses
# Facts of a row besides those of quality.assess.
_ABOUT = (
    *("margin", "people", "persons", "cuts", "fps", "width", "height", "hdr"),
    *("skeleton", "detector", "pose"),
)
_OF_FILE = ("rotate", "mirror", "slowmo", "fps")  # options that hold for all parts of a file
_ROWS_PAUSE = 10  # rows wait this many times as long as the last writing took
LOCK_WAIT = 120.0  # seconds that a shard waits for another to write its rows


@dataclass(frozen=True)
class ExtractOptions:
    """How a list of clips is read and processed.

    clip: ClipOptions by name; for others, a clip is read as the project read it before, else as the
    file is. subject: whom to follow in the named clips; empty = as in subjects.csv. Both are stored
    with the first result that used them. shard: process only one part of the list; shards of one
    project may run at the same time on several machines. engine: `ray` spreads the clips over a Ray
    cluster that shares the project's folder.
    """

    clip: Mapping[str, Any] = field(default_factory=dict)
    subject: str = ""
    device: DeviceName = "auto"
    overwrite: bool = False
    shard: Shard | None = None
    engine: Engine = "local"


_DEFAULTS = ExtractOptions()


def extract_poses(
    project: StoredProject,
    paths: Sequence[str],
    config: PosesConfig,
    options: ExtractOptions = _DEFAULTS,
    *,
    on_clip: ClipListener | None = None,
    progress: Progress = SILENT,
) -> list[ItemResult]:
    """Extract the poses of clips into the project, and write results/extract/report.csv.

    Every file is probed before a network is loaded. Clips whose poses are current are left alone; a
    finished clip is on disk before its row enters videos.csv, with the choice that led to it. The
    people of a film that the project knows keep their numbers (core/people_table.py). A long clip
    is stored in pieces while it is processed, so a killed run loses only seconds. A file that
    cannot be used gets a row in the report and does not end the batch.

    Parameters
    ----------
    paths
        Videos, folders (searched recursively), image folders, patterns and manifests.
    config
        The section [poses] of the settings.
    options
        How the clips are read and processed.
    on_clip
        Called with each usable result, in order, once the poses and the row of the clip are
        written; a UserError that it raises ends the run.

    Returns
    -------
    One result for each clip, that is, for each person kept from a file.

    Raises
    ------
    UserError
        For problems of the whole run: a URL or an unknown detector or pose network (exit 2), a
        missing model file (exit 3), weights or device (exit 6), the disk (exit 7).
    """
    run = Extraction(project, config, options.device, progress, options.overwrite)
    clips = _plan(run, paths, options)
    record = _Record(run, clips, options.shard, on_clip)
    try:
        for result in _run(run, clips, options.engine, record.write):
            record.add(result)
    finally:
        record.write()
    record.tell()
    progress.end()
    if project.videos():  # a new project to which nothing was added is removed again
        suffix = "-shard-{}-of-{}".format(*options.shard) if options.shard else ""
        write_report(project, record.results, suffix)
    return [item for result in record.results for item in result.items]


# --- plan: find the clips -----------------------------------------------------------------------


def _plan(
    run: Extraction, paths: Sequence[str], options: ExtractOptions
) -> list[ClipSource | ClipResult]:
    """Return the clips named by `paths`, probed, or the result of those that cannot be read."""
    entries = collect_entries(paths, options.clip, run.project)
    listed = Counter(Path(entry.name).resolve() for entry in entries)
    if options.shard is not None:
        number, parts = options.shard
        entries = entries[number - 1 :: parts]
    versions = dict.fromkeys(entry.name for entry in entries)
    run.progress.begin("checking files", 2 * len(versions))
    for name in versions:
        with suppress(OSError, ValueError, SourceChanged):  # the probe will say what is wrong
            versions[name] = read_version(Path(name))
        run.progress.advance()
    files = [(version.path, version.digest) for version in versions.values() if version]
    with _rows_lock(run.project, options.shard):
        if note := follow_files(run.project, files):
            run.progress.note(note)
    entries = list(_as_stored(run.project, entries, listed, versions))
    subjects = read_subjects(run.project)
    clips = []
    for entry in entries:
        subject = entry.subject or options.subject
        clip = _probe(run, replace(entry, subject=subject), versions[entry.name])
        if isinstance(clip, ClipSource) and subject:
            unlisted = not entry.subject and subject == run.config.subject == "auto"
            clip = replace(clip, choice="" if unlisted else subject)
        elif isinstance(clip, ClipSource):
            clip = replace(clip, subject=subjects.get(clip.id(), ""))
        clips.append(clip)
        run.progress.advance(len(versions) / len(entries))
    run.progress.end()
    return clips


def _as_stored(
    project: StoredProject,
    entries: Sequence[Entry],
    listed: Mapping[Path, int],
    versions: Mapping[str, SourceVersion | None],
) -> Iterator[Entry]:
    """Yield the entries, completed by the stored options of their clips.

    An entry that names no part stands for every part that the project knows. A new part is read as
    all the others are. listed: how often each file is in the whole list. versions: of the files
    that could be hashed, by name.
    """
    rows = project.video_list()
    for entry in entries:
        path, version = Path(entry.name), versions[entry.name]
        clips = rows.of_content(path, version.digest if version else "") or rows.of_source(path)
        stored = [ClipOptions.from_text(text) for text in dict.fromkeys(r.options for r in clips)]
        if entry.names_part or listed[path.resolve()] > 1:  # then other entries name its parts
            same = [options for options in stored if options.part == entry.options.part]
            stored = same or [_common(stored)]
        yield from (replace(entry, options=entry.amend(o)) for o in stored or [ClipOptions()])


def _common(parts: Sequence[ClipOptions]) -> ClipOptions:
    """Return the options of a file that all its parts have in common."""
    values = {name: {getattr(part, name) for part in parts} for name in _OF_FILE}
    return ClipOptions(**{name: each.pop() for name, each in values.items() if len(each) == 1})


def _probe(run: Extraction, entry: Entry, version: SourceVersion | None) -> ClipSource | ClipResult:
    try:
        limit = run.config.max_duration
        return load_source(run.project, entry, max_duration=limit, version=version)
    except UserError as error:
        return ClipResult(None, [failure(entry.name, error)])
    except Exception as error:
        return ClipResult(None, [unexpected(run.project, entry.name, error)])


def _rows_lock(project: StoredProject, shard: Shard | None):
    """Lock the tables for a shard, since shards take turns; a single run already holds the lock."""
    return project.lock(wait=LOCK_WAIT) if shard else nullcontext()


# --- run: process the clips ---------------------------------------------------------------------


def _run(
    run: Extraction,
    clips: Sequence[ClipSource | ClipResult],
    engine: Engine = "local",
    list_results: Callable[[], None] = lambda: None,
) -> Iterator[ClipResult]:
    """Yield the result of each clip, in order. Files with equal content are one clip.

    list_results: writes the rows of the results so far, which later clips of a film need.
    """
    todo: dict[Content, ClipSource] = {}
    done: dict[Content, ClipResult] = {}
    for clip in clips:
        if isinstance(clip, ClipSource) and not (clip.content in done or clip.content in todo):
            cached = run.cached(clip)
            if cached is None:
                todo[clip.content] = clip
            else:
                done[clip.content] = cached
    sources = list(todo.values())
    extracted = _extracted(run, sources, engine, list_results)
    yielded: set[Content] = set()
    for clip in clips:
        if isinstance(clip, ClipResult):
            yield clip
        elif clip.content in yielded:
            yield _same_film(clip, done[clip.content])
        else:
            yielded.add(clip.content)
            if clip.content in todo:
                done[clip.content] = next(extracted)
            yield done[clip.content]


def _extracted(
    run: Extraction,
    sources: list[ClipSource],
    engine: Engine,
    list_results: Callable[[], None],
) -> Iterator[ClipResult]:
    frames = [source.info.frames_declared for source in sources]
    label = Path(sources[0].name).name if len(sources) == 1 else f"{len(sources)} clips"
    run.progress.begin(label, 2 * sum(frames) if all(frames) else None)  # two passes
    for number, group in enumerate(_without_overlap(sources)):
        if number:
            list_results()
        people = KnownPeople(run.project) if number else run.known
        group = [replace(each, people=people.of(each.file, each.id)) for each in group]
        yield from _run_on_ray(run, group) if engine == "ray" else run.run(group)


def _without_overlap(sources: Sequence[ClipSource]) -> list[list[ClipSource]]:
    """Return the sources in groups, each without two that show the same seconds of a film: the
    people of the first must be known when the second is read."""
    groups: list[list[ClipSource]] = [[]]
    for source in sources:
        start, end = source.options.start, source.options.end
        others = [other.options for other in groups[-1] if other.digest == source.digest]
        if any(other.start < end and start < other.end for other in others):
            groups.append([])
        groups[-1].append(source)
    return groups


def _run_on_ray(run: Extraction, sources: list[ClipSource]) -> Iterator[ClipResult]:
    """Yield the result of each source, in order, computed by the actors of a Ray cluster."""
    arguments = (str(run.project.root), run.config, run.device, run.overwrite)
    without = "run la2ds extract-poses --shard I/N in N jobs"
    for result in ray_map(ClipWorker, arguments, sources, run.device, without, _lost):
        run.progress.advance(2 * result.items[0].frames)
        yield result


def _lost(source: ClipSource, error: UserError) -> ClipResult:
    """Return the result of a clip at which every worker dies."""
    return ClipResult(source, [error_row(source.name, error)])


class ClipWorker:
    """Extracts the poses of one clip after another, with its own networks, for `ray_map`."""

    def __init__(self, root: str, config: PosesConfig, device: DeviceName, overwrite: bool) -> None:
        project = StoredProject.open(Path(root))
        self._run = Extraction(project, config, device, SILENT, overwrite)

    def __call__(self, source: ClipSource) -> ClipResult:
        self._run.open_networks()
        return replace(self._run.attempt(source), error=None)  # an exception may not be picklable


def _same_film(source: ClipSource, twin: ClipResult) -> ClipResult:
    """Return the result of a source with the content of an earlier one in this run, and so no clip
    of its own."""
    item = replace(twin.items[0], path=source.name)
    if item.usable:
        message = f"the same film as {twin.items[0].path}: both are one clip"
        item = replace(item, status="cached", code="", message=message, hint="")
    return ClipResult(None, [item], error=twin.error)


# --- record: rows of videos.csv, and the report ---------------------------------------------------


class _Record:
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
            with _rows_lock(self._run.project, self._shard):
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


# --- poses that another step needs ----------------------------------------------------------------


def ensure_poses(
    project: StoredProject,
    names: Sequence[str],
    config: PosesConfig,
    device: DeviceName = "auto",
    progress: Progress = SILENT,
    left_out: dict[str, str] | None = None,
) -> list[str]:
    """Return the ids of clips with current poses, which are extracted first where necessary.

    All names are checked before the first clip is extracted. Two files with the same content are
    one clip. A clip whose source file is gone keeps its poses if these are current.

    Parameters
    ----------
    names
        Video files or names of clips, as for find_clip; `NAME#2` is the second person.
    config
        The section [poses] of the settings.
    device
        Where the networks run.
    left_out
        Receives the names that cannot be used, and why; their ids are missing from the result.
        None = such a name is an error.

    Raises
    ------
    UserError
        With the code and exit code of the problem: exit 5 if poses must be extracted while another
        command is writing to the project; missing weights; a full disk; and, without `left_out`,
        the problem of a name, such as exit 3 if it is neither a file nor a clip.
    """
    run = Extraction(project, config, device, progress)
    ids: dict[str, str] = {}
    missing: dict[str, ClipSource] = {}
    gone: dict[str, UserError] = {}  # names that mean neither a clip nor a file
    for name in dict.fromkeys(names):
        try:
            ids[name], source = _wanted(run, name)
        except UserError as error:
            if left_out is None and error.code == "V006" and not os.path.lexists(name):
                gone[name] = error
                continue
            if left_out is None or error.exit_code in (ExitCode.ENVIRONMENT, ExitCode.STORAGE):
                raise  # it concerns all clips
            left_out[name] = error.message
            continue
        if source is not None:
            missing[name] = source
    if gone:
        raise _all_gone(gone)
    if missing:
        with project.lock():
            _extract_missing(run, missing, ids, left_out)
    return [ids[name] for name in names if name in ids]


def _all_gone(errors: Mapping[str, UserError]) -> UserError:
    """Return one error that names all files that do not exist, made from the error of each."""
    if len(errors) == 1:
        return next(iter(errors.values()))
    problem = missing_files(list(errors))
    problem.hint = "; ".join(dict.fromkeys(error.hint for error in errors.values() if error.hint))
    return problem


def ensure_pose(
    project: StoredProject,
    path_or_id: str,
    config: PosesConfig,
    device: DeviceName = "auto",
    progress: Progress = SILENT,
) -> str:
    """Return the id of one clip with current poses, as `ensure_poses`."""
    return ensure_poses(project, [path_or_id], config, device, progress)[0]


def _wanted(run: Extraction, name: str) -> tuple[str, ClipSource | None]:
    """Return the id of a clip, empty if it is new, and its source if poses must be extracted."""
    project, config = run.project, run.config
    video, file = find_clip(project, name)
    path, options = name, ClipOptions()
    if video is not None:
        if place := moved_to(project, video, name):
            with project.lock():
                run.progress.note(follow_files(project, [(place, video.sha256)]))
        if is_current(project, config, video, file):
            return video.id, None
        path = str(place or project.source(video))
        options = ClipOptions.from_text(video.options)
    source = load_single(project, path, options, max_duration=config.max_duration)
    source = replace(source, subject=read_subjects(project).get(source.id(), ""))
    return video.id if video is not None else "", source


def _extract_missing(
    run: Extraction,
    sources: Mapping[str, ClipSource],
    ids: dict[str, str],
    left_out: dict[str, str] | None,
) -> None:
    """Extract and list sources by name, and set their ids; a source with the content of another
    one gets the same id. Those that fail move from `ids` to `left_out`, or raise without it."""
    record = _Record(run)
    try:
        results = _run(run, list(sources.values()), list_results=record.write)
        for name, result in zip(sources, results, strict=True):
            if lost := _not_found_again(run.project, name, ids[name], result):
                result = replace(result, items=[error_row(name, lost)], error=lost)
            record.add(result)
            item = result.items[0]
            if isinstance(result.error, UserError) and left_out is not None:
                left_out[name] = result.error.message
                del ids[name]
            elif isinstance(result.error, UserError) and item.code.startswith("V"):
                raise result.error.about(Path(item.path).name)
            elif result.error:
                raise result.error
            elif ids[name] not in [each.video for each in result.items]:
                if result.source is None:
                    run.progress.note(f"{name} is {item.message}")
                ids[name] = item.video
    finally:
        record.write()
        run.progress.end()


def _not_found_again(
    project: StoredProject, name: str, wanted: str, result: ClipResult
) -> UserError | None:
    """Return an error if a new reading of a clip's film lacks its person; None otherwise.

    The new reading is then not kept, so that the clip stays. wanted: id of the clip, empty = new.
    """
    source, ids = result.source, [item.video for item in result.items if item.usable]
    if source is None or not ids or wanted in ids or family(wanted)[0] != source.file:
        return None
    for video in set(ids) - {video.id for video in project.videos()}:
        project.pose_path(video).unlink(missing_ok=True)
    return Unusable(
        f"{Path(name).name}: the person of this clip was not found again, but others were",
        hint=f"la2ds extract-poses {shlex.quote(source.name)} lists them; --subjects N keeps more "
        "people, --subject N chooses one",
        code=NO_SUCH_PERSON,
    )

"""The step `poses`: video files to pose sequences in the project, each written completely at
once."""

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
Content = tuple[str, str, str]  # of a ClipSource
Shard = tuple[int, int]  # (i, n): the i-th of n parts, i from 1
ClipListener = Callable[[ItemResult], None]  # called in the thread that calls extract_poses
# Facts of a row beside those of quality.assess.
_ABOUT = (
    *("margin", "people", "persons", "cuts", "fps", "width", "height", "hdr"),
    *("skeleton", "detector", "pose"),
)
_OF_FILE = ("rotate", "mirror", "slowmo", "fps")  # options that say nothing about a part
_ROWS_PAUSE = 10  # times as long as writing rows took, others wait before they are written
LOCK_WAIT = 120.0  # seconds that a shard waits for another to write its rows


@dataclass(frozen=True)
class ExtractOptions:
    """How a list of clips is read and processed.

    clip: options of ClipOptions by name; those that are not given are as the project read the clip
    before, otherwise as the file is. subject: whom to follow in the named clips; empty = as stored
    in subjects.csv. Both are stored with the first result that used them.
    shard: process only one part of the list; shards of one project may run at the same time on
    several machines. engine: `ray` spreads the clips over a Ray cluster that shares the project's
    folder.
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
    """Poses of videos, folders (recursive), image folders, patterns and manifests; one result for
    each clip, that is, for every person kept from a file.

    Every file is probed before a network is loaded. Clips whose poses are current are left alone; a
    finished clip is on disk before its row enters videos.csv, with the choice that led to it. The
    people of a film that the project knows keep their numbers (core/people_table.py). A long clip
    is stored in pieces while it is processed, so a killed run loses only seconds. A file that
    cannot be used gets a row in the report and does not end the batch. Writes
    results/extract/report.csv.

    on_clip: called with each usable result, in order, once the poses and the row of the clip are
    written; a UserError that it raises ends the run.

    Raises UserError for problems of the whole run: a URL or an unknown detector or pose network
    (exit 2), a missing model file (exit 3), weights or device (exit 6), the disk (exit 7).
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


# --- plan: which clips there are ----------------------------------------------------------------


def _plan(
    run: Extraction, paths: Sequence[str], options: ExtractOptions
) -> list[ClipSource | ClipResult]:
    """The clips named by `paths`, probed, or what is wrong with them."""
    entries = collect_entries(paths, options.clip, run.project)
    listed = Counter(Path(entry.name).resolve() for entry in entries)
    if options.shard is not None:
        number, parts = options.shard
        entries = entries[number - 1 :: parts]
    versions = dict.fromkeys(entry.name for entry in entries)
    run.progress.begin("checking files", 2 * len(versions))
    for name in versions:
        with suppress(OSError, ValueError, SourceChanged):  # as its probe will say
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
    """The entries with what the project stored of how their file is read and they do not say; those
    that name no part once for each part that the project knows. A new part is read as all others
    are. listed: how often each file is in the whole list; versions: of the files that could be
    hashed, by name."""
    rows = project.video_list()
    for entry in entries:
        path, version = Path(entry.name), versions[entry.name]
        known = rows.of_content(path, version.digest if version else "") or rows.of_source(path)
        ways = [ClipOptions.from_text(text) for text in dict.fromkeys(r.options for r in known)]
        if entry.names_part or listed[path.resolve()] > 1:  # where other entries name its parts
            same = [way for way in ways if way.part == entry.options.part]
            ways = same or [_common(ways)]
        yield from (replace(entry, options=entry.amend(w)) for w in ways or [ClipOptions()])


def _common(ways: Sequence[ClipOptions]) -> ClipOptions:
    """The options of all of a file that its known parts have in common."""
    shared = {name: {getattr(way, name) for way in ways} for name in _OF_FILE}
    return ClipOptions(**{name: found.pop() for name, found in shared.items() if len(found) == 1})


def _probe(run: Extraction, entry: Entry, version: SourceVersion | None) -> ClipSource | ClipResult:
    try:
        limit = run.config.max_duration
        return load_source(run.project, entry, max_duration=limit, version=version)
    except UserError as error:
        return ClipResult(None, [failure(entry.name, error)])
    except Exception as error:
        return ClipResult(None, [unexpected(run.project, entry.name, error)])


def _rows_lock(project: StoredProject, shard: Shard | None):
    """Shards of one project take turns with its tables; a single run holds the project's lock
    anyway."""
    return project.lock(wait=LOCK_WAIT) if shard else nullcontext()


# --- run: what becomes of them ------------------------------------------------------------------


def _run(
    run: Extraction,
    clips: Sequence[ClipSource | ClipResult],
    engine: Engine = "local",
    list_results: Callable[[], None] = lambda: None,
) -> Iterator[ClipResult]:
    """The result of each clip, in order. Files with equal content are one clip. list_results: lists
    the results so far, which the next ones need to know."""
    todo: dict[Content, ClipSource] = {}
    done: dict[Content, ClipResult] = {}
    for clip in clips:
        if isinstance(clip, ClipSource) and not (clip.content in done or clip.content in todo):
            known = run.cached(clip)
            if known is None:
                todo[clip.content] = clip
            else:
                done[clip.content] = known
    sources = list(todo.values())
    extracted = _extracted(run, sources, engine, list_results)  # begins with the first of them
    told: set[Content] = set()
    for clip in clips:
        if isinstance(clip, ClipResult):
            yield clip
        elif clip.content in told:
            yield _same_film(clip, done[clip.content])
        else:
            told.add(clip.content)
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
    run.progress.begin(label, 2 * sum(frames) if all(frames) else None)  # in two passes
    for number, group in enumerate(_without_overlap(sources)):
        if number:
            list_results()
        known = KnownPeople(run.project) if number else run.known
        group = [replace(each, people=known.of(each.file, each.id)) for each in group]
        yield from _run_on_ray(run, group) if engine == "ray" else run.run(group)


def _without_overlap(sources: Sequence[ClipSource]) -> list[list[ClipSource]]:
    """The sources in groups, none of which holds two that show the same seconds of a film: the
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
    """The result of each source, in order, by the actors of a Ray cluster."""
    arguments = (str(run.project.root), run.config, run.device, run.overwrite)
    without = "run la2ds extract-poses --shard I/N in N jobs"
    for result in ray_map(ClipWorker, arguments, sources, run.device, without, _lost):
        run.progress.advance(2 * result.items[0].frames)
        yield result


def _lost(source: ClipSource, error: UserError) -> ClipResult:
    """The result of a clip at which every worker dies."""
    return ClipResult(source, [error_row(source.name, error)])


class ClipWorker:
    """Extracts the poses of one clip after the other, with its own networks, for `ray_map`."""

    def __init__(self, root: str, config: PosesConfig, device: DeviceName, overwrite: bool) -> None:
        project = StoredProject.open(Path(root))
        self._run = Extraction(project, config, device, SILENT, overwrite)

    def __call__(self, source: ClipSource) -> ClipResult:
        self._run.open_networks()
        return replace(self._run.attempt(source), error=None)  # one that may not travel


def _same_film(source: ClipSource, twin: ClipResult) -> ClipResult:
    """The result of a source with the same content as an earlier one in the same run: no clip of
    its own."""
    item = replace(twin.items[0], path=source.name)
    if item.usable:
        told = f"the same film as {twin.items[0].path}: both are one clip"
        item = replace(item, status="cached", code="", message=told, hint="")
    return ClipResult(None, [item], error=twin.error)


# --- record: rows of videos.csv, and the report ---------------------------------------------------


class _Record:
    """Results of finished clips, on their way into videos.csv and to those who listen.

    The table is written as a whole each time, which takes most of a second with 100,000 rows, so
    rows wait until that is a small share of the time. If the run is killed, their poses exist, and
    the next run lists them. results: all so far.
    """

    def __init__(
        self,
        run: Extraction,
        clips: Sequence[ClipSource | ClipResult] = (),
        shard: Shard | None = None,
        on_clip: ClipListener | None = None,
    ) -> None:
        """clips: of the whole list, in whose order they are listed."""
        self.results: list[ClipResult] = []
        self._order = [clip.id() for clip in clips if isinstance(clip, ClipSource)]
        self._run, self._shard = run, shard
        self._on_clip = on_clip or (lambda result: None)
        self._listed = self._told = 0  # of the results
        self._next = 0.0  # when they are written at the earliest

    def add(self, result: ClipResult) -> None:
        """List a clip whose poses are written, now or soon."""
        self.results.append(result)
        if result.items[0].usable and time.monotonic() >= self._next:
            self.write()
            self.tell()

    def write(self) -> None:
        """Write the rows that wait."""
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
        """Announce the results whose rows are written; a failure with a clip is noted, and the
        batch continues."""
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
    """List clips that have poses, with where their people are and the choices that led to them.

    Clips of people whom the new reading of their part does not keep leave the list, as by
    StoredProject.take_out. Returns what to tell about them. order: shared ids of the whole list.
    """
    with project.tables():
        known = {video.id: video for video in project.videos()}
        together: dict[str, list[Video]] = {}
        for video in known.values():
            together.setdefault(video.shared_id, []).append(video)
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
            gone = _no_longer_kept(project, kept, together.get(source.id(), []))
            removed += gone
            if note := _about_people(source, kept, gone, together.get(source.id(), [])):
                notes.append(note)
            if source.choice is not None:
                choices[source.id()] = source.choice
        project.keep_people([*people, *(video.id for video in removed)])
        changed = [row for row in rows if _differs(known.get(row.id), row)]
        if changed or removed:
            project.add_videos(changed, [video.id for video in removed], _placed(order, changed))
        set_subjects(project, choices)
    for video in removed:
        project.pose_path(video.id).unlink(missing_ok=True)
    return notes


def _rows_of(project: StoredProject, result: ClipResult) -> list[Video]:
    """The rows of the clips of a result, the subject first; none of imported poses, which have
    theirs."""
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
    """The clips of a reading that the new one does not keep; imported ones stay."""
    gone = []
    for video in before if kept else ():
        if video.id not in [row.id for row in kept]:
            with suppress(ArtifactError):
                if artifact.read_header(project.pose_path(video.id))[0].step != STEP:
                    continue
            gone.append(video)
    return gone


def _placed(order: Sequence[str], rows: Sequence[Video]) -> list[str]:
    """The ids of a list with those of further people of its clips, each behind its first."""
    further: dict[str, list[str]] = {}
    for row in rows:
        if row.id != row.shared_id:
            further.setdefault(row.shared_id, []).append(row.id)
    return [name for first in order for name in (first, *further.get(first, []))]


def _about_people(
    source: ClipSource, kept: Sequence[Video], gone: Sequence[Video], before: Sequence[Video]
) -> str:
    """What a new reading means for the people of a clip, in a sentence; empty if nothing."""
    name = Path(source.name).name
    if gone:
        names = ", ".join(video.name for video in gone)
        what = "is" if len(gone) == 1 else "are"
        return (
            f"{name}: the person kept now is {kept[0].name}; {names} {what} no longer kept, but "
            "what was set for that person stays, and counts again once the person is kept again"
        )
    if source.choice is not None and len(kept) > 1 and before:
        names = ", ".join(video.name for video in kept)
        return f"{name}: the same people are kept, so each keeps the clip it had: {names}"
    return ""


def _differs(old: Video | None, new: Video) -> bool:
    """Whether a row must be written; a split and a group that were not given are kept."""
    if old is None:
        return True
    as_before = {name: getattr(old, name) for name in ("split", "group") if not getattr(new, name)}
    return replace(new, **as_before) != old


def write_report(project: StoredProject, results: Sequence[ClipResult], suffix: str = "") -> None:
    """results/extract/report.csv: every file with its outcome and its facts.

    codes: every weakness of a clip, not only the first. seconds: what each file took. suffix: of
    the file name, for several reports in one folder.
    """
    columns = [*ItemResult("", "", "ok").to_json(), "codes", *FACTS, *_ABOUT, "seconds"]
    rows = []
    for result in results:
        for number, item in enumerate(result.items):
            facts = clip_facts(project, item.video) if item.usable else {}
            codes = [found.code for found in verdict(facts)] or ([item.code] if item.code else [])
            seconds = 0.0 if number else round(result.seconds, 2)
            row = {**facts, **item.to_json(), "codes": " ".join(codes), "seconds": seconds}
            told = (f"{limb} {start}-{end}" for limb, start, end in row.get("doubts") or [])
            row["doubts"] = "; ".join(told)  # right arm 1.2-2.0; left leg 3.5-4.1
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
    """Ids of clips with current poses, of which those that are missing are extracted first, side by
    side; all names are checked before the first is extracted. Two files with the same content are
    one clip.

    names: as find_clip, `NAME#2` for the second person. A clip whose source file is gone keeps its
    poses if these are current. left_out: receives the names that cannot be used, and why; their
    ids are missing then. Raises UserError with the code and exit code of the problem: exit 5 if
    poses must be extracted while another command is writing to the project; missing weights, a full
    disk; and, without `left_out`, those of a name, such as exit 3 for one that is neither.
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
                raise  # no other clip avoids it
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
    """Return the error that names all files that do not exist, of the error of each."""
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
    """Id of one clip with current poses, as `ensure_poses`."""
    return ensure_poses(project, [path_or_id], config, device, progress)[0]


def _wanted(run: Extraction, name: str) -> tuple[str, ClipSource | None]:
    """The id of a clip, empty if it is a new one, and its source if its poses must be extracted."""
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
    """Extract and list sources by name. Those that fail move from `ids` to `left_out`, or raise
    without it; a source with the content of another one gets its id."""
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
                raise result.error.about(Path(item.path).name)  # of several clips: this
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
    """The problem that a new reading of the film of a clip shows other people; it is not kept, so
    that the clip stays. wanted: id of the clip, empty if it is new."""
    source, found = result.source, [item.video for item in result.items if item.usable]
    if source is None or not found or wanted in found or family(wanted)[0] != source.file:
        return None
    for video in set(found) - {video.id for video in project.videos()}:
        project.pose_path(video).unlink(missing_ok=True)
    return Unusable(
        f"{Path(name).name}: the person of this clip was not found again, but others were",
        hint=f"la2ds extract-poses {shlex.quote(source.name)} lists them; --subjects N keeps more "
        "people, --subject N chooses one",
        code=NO_SUCH_PERSON,
    )

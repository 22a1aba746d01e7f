"""The step `poses`: video files to pose sequences in the project, each written completely at
once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from la2ds_cli.core import artifact
from la2ds_cli.core.batch import ItemResult, unexpected
from la2ds_cli.core.clip import ClipOptions
from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.csv_tables import table_text
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress, SharedProgress
from la2ds_cli.core.project import Project
from la2ds_cli.poses.current import find_clip, is_current, moved_to
from la2ds_cli.poses.extraction import Extraction, failure, results_of, stored_options
from la2ds_cli.poses.moved import follow_files
from la2ds_cli.poses.quality import FACTS, clip_facts
from la2ds_cli.poses.sources import (
    ClipSource,
    Entry,
    collect_entries,
    load_single,
    load_source,
)
from la2ds_cli.poses.subjects import ClipSubjects
from la2ds_cli.poses.threads import ordered_map
from la2ds_cli.poses.verdict import verdict
from la2ds_cli.video.media_files import content_digest
from la2ds_cli.video.reader import VideoInfo

Engine = Literal["local", "ray"]
Shard = tuple[int, int]  # (i, n): the i-th of n parts, i from 1
ClipListener = Callable[[ItemResult], None]  # called in the thread that calls extract_poses
_FRAME_BYTES = 1000  # of joints, scores and boxes of a frame; twice that while work is unfinished
_SPARE_BYTES = 10_000_000
# Facts of a row beside those of quality.assess.
_ABOUT = (
    *("margin", "people", "persons", "cuts", "fps", "variable_rate", "width", "height", "hdr"),
    *("skeleton", "detector", "pose"),
)
_ROWS_PAUSE = 10  # times as long as writing rows took, others wait before they are written
LOCK_WAIT = 120.0  # seconds that a shard waits for another to write its rows


@dataclass(frozen=True)
class ExtractOptions:
    """How a list of clips is read and processed.

    clip: how the clips are read; None = as the project read them before, otherwise as they are.
    subject: whom to follow in the named clips, stored in subjects.csv; empty = as stored there.
    shard: process only one part of the list; shards of one project may run at the same time on
    several machines. engine: `ray` spreads the clips over a Ray cluster that shares the project's
    folder.
    """

    clip: ClipOptions | None = None
    subject: str = ""
    device: DeviceName = "auto"
    overwrite: bool = False
    shard: Shard | None = None
    engine: Engine = "local"


_DEFAULTS = ExtractOptions()


def extract_poses(
    project: Project,
    paths: Sequence[str],
    config: PosesConfig,
    options: ExtractOptions = _DEFAULTS,
    *,
    on_clip: ClipListener | None = None,
    progress: Progress | None = None,
) -> list[ItemResult]:
    """Poses of videos, folders (recursive), image folders, patterns and manifests; one result for
    each clip, that is, for every person kept from a file.

    Every file is probed before a network is loaded. Clips whose poses are current are left alone; a
    finished clip is on disk before its row enters videos.csv, and a long one is stored in pieces
    while it is processed, so a killed run loses only seconds. A file that cannot be used gets a row
    in the report and does not end the batch. Writes results/extract/report.json and .csv.

    on_clip: called with each usable result, in order, once the poses and the row of the clip are
    written; a UserError that it raises ends the run.

    Raises UserError for problems of the whole run: a URL or an unknown detector or pose network
    (exit 2), a missing model file (exit 3), weights or device (exit 6), the disk (exit 7).
    """
    progress = SharedProgress(progress or Progress())
    run = Extraction(project, config, options.device, progress, options.overwrite)
    probed = _probe_all(run, paths, options)
    results: list[ItemResult] = []
    seconds: list[float] = []
    rows = _Rows(run, options.shard, on_clip)
    people = range(1, config.subjects + 1)
    rows.order = [s.id(n) for s in probed if isinstance(s, ClipSource) for n in people]
    try:
        for source, made, spent in _outcomes(run, probed, options.engine):
            results += made
            seconds += [spent, *[0.0] * (len(made) - 1)]
            if made[0].usable:
                rows.add(source, made)
    finally:
        rows.write()
    rows.tell()
    progress.end()
    suffix = "-shard-{}-of-{}".format(*options.shard) if options.shard else ""
    if project.videos():  # a new project to which nothing was added is removed again
        write_report(project, results, seconds, suffix)
    return results


class _Rows:
    """Rows of finished clips on their way into videos.csv, and results not yet announced.

    The table is written as a whole each time, which takes most of a second with 100,000 rows, so
    rows wait until that is a small share of the time. If the run is killed, their poses exist, and
    the next run lists them. order: ids of all clips of the list.
    """

    def __init__(self, run: Extraction, shard: Shard | None, on_clip: ClipListener | None) -> None:
        self.order: list[str] = []
        self._run = run
        self._shard = shard
        self._on_clip = on_clip or (lambda result: None)
        self._waiting: list[tuple[ClipSource, int]] = []
        self._results: list[ItemResult] = []
        self._next = 0.0  # when they are written at the earliest

    def add(self, source: ClipSource | None, results: list[ItemResult]) -> None:
        """List a clip whose poses are written, now or soon; None = it is listed already. results:
        of its persons, to announce."""
        self._waiting += [(source, len(results))] if source else []
        self._results += results
        if time.monotonic() >= self._next:
            self.write()
            self.tell()

    def write(self) -> None:
        """Write the rows that wait."""
        start = time.monotonic()
        if self._waiting:
            with _rows_lock(self._run.project, self._shard):
                self._run.add_rows(self._waiting, self.order)
        self._waiting = []
        self._next = time.monotonic() + _ROWS_PAUSE * (time.monotonic() - start)

    def tell(self) -> None:
        """Announce the results whose rows are written; a failure with a clip is noted, and the
        batch continues."""
        results, self._results = self._results, []
        for result in results:
            try:
                self._on_clip(result)
            except UserError:
                raise
            except Exception as error:
                failed = unexpected(self._run.project, result.path, error, result.video)
                self._run.progress.note(failed.message)


def _probe_all(
    run: Extraction, paths: Sequence[str], options: ExtractOptions
) -> list[ClipSource | ItemResult]:
    """The clips named by `paths`, probed, or what is wrong with them; named subjects are stored."""
    entries = collect_entries(paths, options.clip or ClipOptions())
    entries = [replace(entry, subject=entry.subject or options.subject) for entry in entries]
    listed = Counter(Path(entry.name).resolve() for entry in entries)
    if options.shard is not None:
        number, parts = options.shard
        entries = entries[number - 1 :: parts]
    names = dict.fromkeys(entry.name for entry in entries)
    run.progress.begin("checking files", 2 * len(names))
    digests = {name: _digest(run, name) for name in names}
    files = [(Path(name).resolve(), digest) for name, digest in digests.items() if digest]
    with _rows_lock(run.project, options.shard):
        if note := follow_files(run.project, files):
            run.progress.note(note)
    if options.clip is None:
        entries = list(_as_stored(run.project, entries, listed, digests))
    subjects = ClipSubjects.read(run.project)
    probed = []
    for entry in entries:
        probed.append(_probe(run, entry, subjects, digests[entry.name]))
        run.progress.advance(len(names) / len(entries))
    run.progress.end()
    _note_unknown(run, subjects, probed)
    named = {
        source.id(): entry.subject
        for entry, source in zip(entries, probed, strict=True)
        if entry.subject and isinstance(source, ClipSource)
    }
    if named:
        with _rows_lock(run.project, options.shard), run.project.tables():
            ClipSubjects.read(run.project).add(named)
    return probed


def _as_stored(
    project: Project,
    entries: Sequence[Entry],
    listed: Mapping[Path, int],
    digests: Mapping[str, str],
) -> Iterator[Entry]:
    """The entries, those that do not say how their file is read once for each part of it that the
    project knows. listed: how often each file is in the whole list; digests: by name."""
    for entry in entries:
        ways = [entry.options]
        if not entry.says_how and entry.options == ClipOptions():
            ways = stored_options(project, Path(entry.name), digests[entry.name]) or ways
            if listed[Path(entry.name).resolve()] > 1:  # other entries name its parts
                ways = [way for way in ways if not way.is_cut] or [entry.options]
        yield from (replace(entry, options=way) for way in ways)


def _digest(run: Extraction, name: str) -> str:
    """SHA-256 of the content of a file; empty if it cannot be read, as its probe will say."""
    try:
        return content_digest(Path(name).resolve())
    except (OSError, ValueError):
        return ""
    finally:
        run.progress.advance()


def _probe(
    run: Extraction, entry: Entry, subjects: ClipSubjects, digest: str
) -> ClipSource | ItemResult:
    try:
        limit = run.config.max_duration
        source = load_source(run.project, entry, max_duration=limit, digest=digest)
        return replace(source, subject=entry.subject or subjects.of(source.row(run.project, 1, 0)))
    except UserError as error:
        return failure(entry.name, error)
    except Exception as error:
        return unexpected(run.project, entry.name, error)


def _note_unknown(
    run: Extraction, subjects: ClipSubjects, probed: Sequence[ClipSource | ItemResult]
) -> None:
    """Report rows of subjects.csv that match no clip, since a typing error would go unnoticed."""
    project = run.project
    sources = [source.row(project, 1, 0) for source in probed if isinstance(source, ClipSource)]
    for name in subjects.unknown([*project.videos(), *sources]):
        run.progress.note(
            f"{project.subjects_path} names '{name}', which is not a clip of this project"
        )


def _rows_lock(project: Project, shard: Shard | None):
    """Shards of one project take turns with its tables; a single run holds the project's lock
    anyway."""
    return project.lock(wait=LOCK_WAIT) if shard else nullcontext()


def _outcomes(
    run: Extraction, probed: Sequence[ClipSource | ItemResult], engine: Engine
) -> Iterator[tuple[ClipSource | None, list[ItemResult], float]]:
    """For each clip, in the order given: its source, None if it is not to be listed; a result for
    each person; the seconds it took. Files with equal content are one clip."""
    clips = {i: source for i, source in enumerate(probed) if isinstance(source, ClipSource)}
    done = {i: (known, 0.0) for i, source in clips.items() if (known := _cached(run, source))}
    first: dict[tuple[str, str, str], int] = {}  # content -> index
    for index in done:
        if not run.is_imported(clips[index]):  # such poses belong to one clip
            first.setdefault(clips[index].content, index)
    todo: dict[int, ClipSource] = {}
    for index, source in clips.items():
        if index not in done and first.setdefault(source.content, index) == index:
            todo[index] = source
    extracted = _extracted(run, list(todo.values()), engine)  # begins with the first of them
    for index, found in enumerate(probed):
        if isinstance(found, ItemResult):
            yield None, [found], 0.0
            continue
        if index in todo:
            done[index] = next(extracted)
        if index in done:
            yield found, *done[index]
        else:
            yield None, [_same_film(found, done[first[found.content]][0][0])], 0.0


def _cached(run: Extraction, source: ClipSource) -> list[ItemResult] | None:
    """The results of a source whose poses are current; None also if their facts are not what
    extraction writes, so that they are extracted again."""
    try:
        infos = run.current(source)
        return results_of(source, infos, cached=True) if infos else None
    except (AttributeError, KeyError, OverflowError, RecursionError, TypeError, ValueError):
        return None


def _extracted(
    run: Extraction, sources: list[ClipSource], engine: Engine
) -> Iterator[tuple[list[ItemResult], float]]:
    frames = sum(source.info.frames_declared for source in sources)
    artifact.check_space(run.project.root, _SPARE_BYTES + 2 * _FRAME_BYTES * frames)
    _begin(run, sources)
    if engine == "ray":
        yield from _ray_outcomes(run, sources)
        return
    with run.networks(sources):
        yield from ordered_map(run.attempt, sources, run.clips_at_once, run.stop)


def _begin(run: Extraction, sources: Sequence[ClipSource]) -> None:
    """Begin the progress of sources, each of which is read in two passes."""
    frames = [source.info.frames_declared for source in sources]
    names = [Path(source.name).name for source in sources]
    label = names[0] if len(names) == 1 else f"{len(names)} clips"
    run.progress.begin(label, 2 * sum(frames) if all(frames) else None)


def _ray_outcomes(
    run: Extraction, sources: list[ClipSource]
) -> Iterator[tuple[list[ItemResult], float]]:
    """Outcomes of the sources in order, by the actors of a Ray cluster."""
    from la2ds_cli.core.ray_engine import ray_map

    arguments = (str(run.project.root), run.config, run.device, run.overwrite)
    items = [source_item(source) for source in sources]
    for item in ray_map(ClipWorker, arguments, items, run.device, "use --shard I/N in N jobs"):
        results = [ItemResult(**result) for result in item["results"]]
        run.progress.advance(2 * results[0].frames)
        yield results, item["seconds"]


class ClipWorker:
    """Extracts the poses of one clip after the other, with its own networks, for `ray_map`."""

    def __init__(self, root: str, config: PosesConfig, device: DeviceName, overwrite: bool) -> None:
        project = Project.open(Path(root))
        self._run = Extraction(project, config, device, Progress(), overwrite, workers=1)

    def __call__(self, item: Mapping[str, Any]) -> dict[str, Any]:
        source = source_of(item)
        with self._run.networks([source]):
            results, seconds = self._run.attempt(source)
        return {"results": [result.to_json() for result in results], "seconds": seconds}


def source_item(source: ClipSource) -> dict[str, Any]:
    """A clip as JSON values."""
    path, options = str(source.path), source.options.to_text()
    return {**vars(source), "path": path, "options": options, "info": vars(source.info)}


def source_of(item: Mapping[str, Any]) -> ClipSource:
    """The clip of a `source_item`."""
    path, options = Path(item["path"]), ClipOptions.from_text(item["options"])
    info = VideoInfo(**item["info"])
    return ClipSource(**{**item, "path": path, "options": options, "info": info})


def _same_film(source: ClipSource, twin: ItemResult) -> ItemResult:
    """The result of a source with the same content as an earlier one in the same run: no clip of
    its own."""
    result = replace(twin, path=source.name)
    if result.usable:
        told = f"the same film as {twin.path}: both are one clip"
        result = replace(result, status="cached", code="", message=told, hint="")
    return result


def write_report(
    project: Project, results: Sequence[ItemResult], seconds: Sequence[float], suffix: str = ""
) -> None:
    """results/extract/report.json and report.csv: every file with its outcome and its facts.

    codes: every weakness of a clip, not only the first. seconds: what each file took. suffix: of
    the file names, for several reports in one folder.
    """
    rows = []
    for result, spent in zip(results, seconds, strict=True):
        facts = clip_facts(project, result.video) if result.usable else {}
        known = {name: facts.get(name) for name in (*FACTS, *_ABOUT)}
        codes = [found.code for found in verdict(facts)] or ([result.code] if result.code else [])
        rows.append({**result.to_json(), "codes": codes, **known, "seconds": round(spent, 2)})
    folder = project.results_dir("extract")
    artifact.write_json(folder / f"report{suffix}.json", {"schema_version": 1, "items": rows})
    columns = [*ItemResult("", "", "ok").to_json(), "codes", *FACTS, *_ABOUT, "seconds"]
    cells = [{**row, "codes": " ".join(row["codes"]), "doubts": _doubts(row)} for row in rows]
    table = table_text(columns, ([row[column] for column in columns] for row in cells))
    artifact.write_text(folder / f"report{suffix}.csv", table)


def _doubts(row: Mapping[str, Any]) -> str:
    """`right arm 1.2-2.0; left leg 3.5-4.1`"""
    return "; ".join(f"{limb} {start}-{end}" for limb, start, end in row["doubts"] or [])


_OF_THE_RUN = (ExitCode.ENVIRONMENT, ExitCode.STORAGE)  # exit codes that no other clip avoids


def ensure_poses(
    project: Project,
    names: Sequence[str],
    config: PosesConfig,
    device: DeviceName = "auto",
    progress: Progress | None = None,
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
    run = Extraction(project, config, device, SharedProgress(progress or Progress()))
    ids: list[str] = []
    missing: dict[tuple[str, str, str], ClipSource] = {}
    for name in names:
        try:
            video, source = _wanted(run, name)
        except UserError as error:
            if left_out is None or error.exit_code in _OF_THE_RUN:
                raise
            left_out[name] = error.message
            continue
        if source is not None:
            same = missing.setdefault(source.content, source)
            if same.path != source.path:
                run.progress.note(f"{name} is the same film as {same.name}: both are one clip")
                video = same.id()
        ids.append(video)
    if missing:
        with project.lock():
            failed = _extract_missing(run, list(missing.values()), left_out)
        ids = [video for video in ids if video not in failed]
    return ids


def ensure_pose(
    project: Project,
    path_or_id: str,
    config: PosesConfig,
    device: DeviceName = "auto",
    progress: Progress | None = None,
) -> str:
    """Id of one clip with current poses, as `ensure_poses`."""
    return ensure_poses(project, [path_or_id], config, device, progress)[0]


def _wanted(run: Extraction, name: str) -> tuple[str, ClipSource | None]:
    """The id of a clip, and its source if its poses must be extracted."""
    project, config = run.project, run.config
    video, file = find_clip(project, name)
    path, options, person = name, ClipOptions(), 1
    if video is not None:
        if place := moved_to(project, video, name):
            with project.lock():
                run.progress.note(follow_files(project, [(place, video.sha256)]))
        if is_current(project, config, video, file):
            return video.id, None
        path, person = str(place or project.source(video)), video.person
        options = ClipOptions.from_text(video.options)
    source = load_single(project, path, options, max_duration=config.max_duration)
    source = replace(source, subject=ClipSubjects.read(project).of(source.row(project, 1, 0)))
    return video.id if video is not None and person > 1 else source.id(), source


def _extract_missing(
    run: Extraction, sources: Sequence[ClipSource], left_out: dict[str, str] | None
) -> set[str]:
    """Extract and list sources whose poses are not current; the ids of those that failed, which
    are added to `left_out`, or raise without it."""
    failed: set[str] = set()
    known = [(source, run.current(source) or []) for source in sources]
    run.add_rows((source, len(infos)) for source, infos in known if infos)
    todo = [source for source, infos in known if not infos]
    if not todo:
        return failed

    def extract(source: ClipSource) -> int:
        try:
            return len(run.extract(source))
        except UserError as error:
            if left_out is not None and error.exit_code not in _OF_THE_RUN:
                left_out[source.name] = error.message
                failed.add(source.id())
                return 0
            # One of several clips: an item code says that it is this.
            short = Path(source.name).name
            raise (error.about(short) if error.code.startswith("V") else error) from None

    _begin(run, todo)
    try:
        with run.networks(todo):
            persons = ordered_map(extract, todo, run.clips_at_once, run.stop)
            for source, kept in zip(todo, persons, strict=True):
                if kept:
                    run.add_rows([(source, kept)])
    finally:
        run.progress.end()
    return failed

"""The step `poses`: turn video files into pose sequences in the project, each written at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from la2ds_cli.core.batch import ItemResult, unexpected
from la2ds_cli.core.clip import ClipOptions
from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.poses.current import follow_files
from la2ds_cli.poses.extraction import ClipResult, Extraction, failure
from la2ds_cli.poses.extraction_record import (
    ClipListener,
    ExtractionRecord,
    Shard,
    rows_lock,
    write_report,
)
from la2ds_cli.poses.process_clips import Engine, process_clips
from la2ds_cli.poses.sources import ClipSource, Entry, collect_entries, load_source
from la2ds_cli.poses.subjects import read_subjects
from la2ds_cli.video.source_version import SourceChanged, SourceVersion, read_version

_OF_FILE = ("rotate", "mirror", "slowmo", "fps")  # options that hold for all parts of a file


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
    record = ExtractionRecord(run, clips, options.shard, on_clip)
    try:
        for result in process_clips(run, clips, options.engine, record.write):
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
    with rows_lock(run.project, options.shard):
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

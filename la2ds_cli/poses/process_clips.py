"""Extract the poses of a list of clips, in this process or on a Ray cluster, in the order given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from la2ds_cli.core.batch import error_row
from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.progress import SILENT
from la2ds_cli.core.ray_engine import ray_map
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.poses.extraction import ClipResult, Extraction
from la2ds_cli.poses.known_people import KnownPeople
from la2ds_cli.poses.sources import ClipSource

Engine = Literal["local", "ray"]
Content = tuple[str, str, str]  # ClipSource.content


def process_clips(
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

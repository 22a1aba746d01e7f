"""Make the tables of docs/results/human-labels.md: events that people set, people never trained on.

    python benchmarks/human_labels.py --data HUMAN_EVENTS --work DIR [--preset default] [--set K=V]
        [--seeds 0,1,2] [--sets golf,skijump,squat,push_up,pull_up,walk] [--baselines]
    python benchmarks/human_labels.py --data HUMAN_EVENTS --work DIR --defaults NAME
        [--penn FOLDER] [--pairs 40]

HUMAN_EVENTS: a folder with golf, skijump and repetitions; the walks are in one beside it, gait.
Imports each data set into two projects below --work, one for each half of the people: it tests that
half and trains on the joints of the other. Trains every preset there for each seed, measures it
beside the baselines, and replaces what stands between the two marks of the page. The same command
goes on after an interruption: nothing is trained or scored twice. --sets makes a part of the work,
as for two processes beside each other.

--defaults trains nothing: it measures what a user gets who names two clips and no option, in a
project of these two and through the other half of the people, and keeps it under NAME in --work.
With PYTHONPATH=OLDER_CHECKOUT, it measures that one. Prints a column for every NAME.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from across_people import (
    Pooled,
    Statistic,
    cached_coverage,
    cached_transfers,
    event_pairs,
    halves,
    mark_test,
    mean,
    median,
    over_runs,
    pool,
)
from page import put_into

from la2ds_cli.alignment.align import find_alignment
from la2ds_cli.alignment.cache import AlignmentCache
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.core import artifact
from la2ds_cli.core.config import Config
from la2ds_cli.core.csv_tables import table_text
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.table import Cell, Column, Row, Table, markdown
from la2ds_cli.evaluation.features import FEATURE_NAMES
from la2ds_cli.evaluation.measure import video_counts
from la2ds_cli.experiments.runs import Budget, train_run
from la2ds_cli.formats.file_clip import ImportOptions
from la2ds_cli.formats.penn_action import import_penn_action
from la2ds_cli.formats.wide_csv import import_wide_csv
from la2ds_cli.training.checkpoint import SPEED_ONLY, training_recipe

PAGE = Path(__file__).parents[1] / "docs" / "results" / "human-labels.md"
RATE = 30.0  # nominal
COVERAGE_PAIRS = 100  # whole clips of each kind; they take longer than trimmed ones
LABELS = {
    "raw_pose": "raw pose",
    "raw_pose_best": "best raw pose",
    "time_only": "clock",
    "untrained": "untrained",
    "base": "base model",
}
Info = Mapping[str, str]  # a row of clips.csv
UNLABELLED = "background"
GOLF_MIXED = "real speed with slow motion"


# --- the data sets -------------------------------------------------------------------------------


def golf_pair(a: Info, b: Info) -> str:
    """Many videos hold one swing twice, at real speed and in slow motion: these are no pairs."""
    if a["youtube_id"] == b["youtube_id"]:
        return ""
    if a["slow"] != b["slow"]:
        return GOLF_MIXED
    return "slow motion" if a["slow"] == "1" else "real speed"


def jump_pair(a: Info, b: Info) -> str:
    return "all"


def repetition_pair(a: Info, b: Info) -> str:
    """One source video shows one person; clips cut in another pose than usual are left out."""
    usual = a["usual_border"] == b["usual_border"] == "1"
    return "all" if usual and a["source_video"] != b["source_video"] else ""


def walk_pair(a: Info, b: Info) -> str:
    """Walks of children and of adults have other events; both are filmed from the side."""
    return "all" if a["set"] == b["set"] and a["person"] != b["person"] else ""


@dataclass(frozen=True)
class DataSet:
    """folder: with clips.csv and phases.csv. clips: the folder of its joints below it. person:
    column of clips.csv. pair: kind of pair of two rows of clips.csv. kinds: those that `pair`
    gives, in the order of the page."""

    name: str
    folder: str
    clips: str
    skeleton: str
    size: tuple[int, int]
    person: str
    pair: Callable[[Info, Info], str]
    kinds: tuple[str, ...] = ("all",)

    def title(self, kind: str) -> str:
        name = "ski jump" if self.name == "skijump" else self.name.replace("_", "-")
        return name if kind == "all" else f"{name}, {kind}"


def _repetitions(movement: str) -> DataSet:
    joints = "mediapipe33", (160, 160), "source_video"
    return DataSet(movement, "repetitions", f"clips/{movement}", *joints, repetition_pair)


SETS = {
    one.name: one
    for one in (
        DataSet(
            *("golf", "golf", "clips", "mediapipe33", (160, 160), "player", golf_pair),
            kinds=("real speed", "slow motion", GOLF_MIXED),
        ),
        DataSet("skijump", "skijump", "clips", "penn13", (1280, 720), "athlete", jump_pair),
        *map(_repetitions, ("squat", "push_up", "pull_up")),
        DataSet("walk", "../gait", "side", "penn13", (1280, 720), "person", walk_pair),
    )
}


@dataclass(frozen=True)
class Fold:
    """A project whose clips of split `test` show one half of the people. info: id of a clip -> its
    row of clips.csv."""

    data: DataSet
    project: Project
    info: Mapping[str, Info]

    def kind(self, a: str, b: str) -> str:
        """Kind of the pair of two clips by their ids."""
        return self.data.pair(self.info[a], self.info[b])

    def person(self, clip: str) -> str:
        return self.info[clip][self.data.person]


def make_folds(data: DataSet, source: Path, work: Path, seed: int) -> list[Fold]:
    """Two projects, one for each half of the people, imported where they are not there yet."""
    folder = source / data.folder
    rows = list(csv.DictReader((folder / "clips.csv").read_text("utf-8").splitlines()))
    by_name = {row["video"]: row for row in rows}
    folds: list[Fold] = []
    for number in (0, 1):
        project = Project.create(work / f"{data.name}-{number}")
        if not project.videos():
            options = ImportOptions(fps=RATE, size=data.size, skeleton=data.skeleton)
            results = import_wide_csv(project, folder / data.clips, options)
            refused = [item for item in results if not item.usable]
            if refused:
                raise SystemExit(f"{data.name}: {refused[0].path} {refused[0].message}")
        info = {video.id: by_name[Path(video.path).stem] for video in project.videos()}
        fold = Fold(data, project, info)
        people = halves({fold.person(clip) for clip in info}, seed)
        mark_test(project, {clip: fold.person(clip) for clip in info}, people[number])
        artifact.write_text(project.phases_path, phases_of(folder, info))
        folds.append(fold)
    return folds


def phases_of(folder: Path, info: Mapping[str, Info]) -> str:
    """phases.csv of a project: the rows of its clips under their ids.

    A clip whose first label begins later than the clip gets a row for the frames before, since the
    start of a clip's first phase is no event: of two ski jumps the landing alone is labelled.
    """
    ids = {row["video"]: clip for clip, row in info.items()}
    rows: list[list[object]] = []
    for row in csv.DictReader((folder / "phases.csv").read_text("utf-8").splitlines()):
        clip = ids.get(row["video"])
        if clip is None:
            continue
        if not any(known[0] == clip for known in rows) and row["start"] != "0":
            rows.append([clip, 0, row["start"], UNLABELLED])
        rows.append([clip, row["start"], row["end"], row["phase"]])
    return table_text(["video", "start", "end", "phase"], rows)


# --- measuring -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """What every data set is measured by. presets: a row of the tables for each. settings:
    overrides of all of them."""

    presets: tuple[str, ...]
    settings: tuple[str, ...]
    seeds: tuple[int, ...]
    split_seed: int
    pairs: int
    progress: Progress

    def label(self, preset: str) -> str:
        told = [s for s in self.settings if tuple(s.partition("=")[0].split(".")) not in SPEED_ONLY]
        return ", ".join([f"model, {preset}", *told])

    def config(self, project: Project, preset: str, seed: int) -> Config:
        """Settings of a model. Its pairs and trims are those of the baselines, come what may."""
        config = project.config(preset=preset, overrides=[*self.settings, f"train.seed={seed}"])
        return replace(config, evaluate=self.baselines(project).evaluate)

    def baselines(self, project: Project) -> Config:
        evaluate = [s for s in self.settings if s.startswith("evaluate.")]
        overrides = [f"evaluate.pairs={self.pairs}", *evaluate]
        return project.config(preset="default", overrides=overrides)


def digest(config: Config, *sections: str) -> str:
    text = repr([getattr(config, section) for section in sections])
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def for_coverage(config: Config) -> Config:
    pairs = min(COVERAGE_PAIRS, config.evaluate.pairs)
    return replace(config, evaluate=replace(config.evaluate, pairs=pairs, trim_draws=1))


def trained(fold: Fold, plan: Plan, preset: str, seed: int) -> tuple[Config, str]:
    """The settings and the name of a run; it is trained where it is not there yet."""
    config = plan.config(fold.project, preset, seed)
    unseeded = replace(config, train=replace(config.train, seed=0))
    run = f"{preset}-{training_recipe(unseeded, '').key[:8]}-s{seed}"
    budget = Budget(
        fold.project, preset, plan.settings, None, "auto", overwrite=False, progress=plan.progress
    )
    train_run(budget, run, config)
    return config, run


@dataclass(frozen=True)
class Measured:
    """A row of the tables on one data set. transfers, coverage: seed -> a document of
    across_people for each fold; one seed for what is not trained. feature: the feature set.
    coverage is empty for what `align` does not do."""

    label: str
    feature: str
    transfers: list[list[dict[str, Any]]]
    coverage: list[list[dict[str, Any]]]


def measure(folds: Sequence[Fold], plan: Plan) -> list[Measured]:
    """The baselines, then the presets. A feature set that FEATURE_NAMES gains is a baseline."""
    names = [name for name in FEATURE_NAMES if name != "model"]
    scores = [
        scored(fold, "baselines", plan.baselines(fold.project), names, plan) for fold in folds
    ]
    transfers, coverage = ([one[part] for one in scores] for part in (0, 1))
    rows = [Measured(LABELS.get(name, name), name, [transfers], []) for name in names]
    rows.append(Measured("poses alone", "", [], [coverage]))
    for preset in plan.presets:
        by_seed = []
        for seed in plan.seeds:
            runs = [trained(fold, plan, preset, seed) for fold in folds]
            by_seed.append(
                [
                    scored(
                        *(fold, f"{run}-{digest(config, 'align', 'evaluate')}", config),
                        *(["model"], plan, run),
                    )
                    for fold, (config, run) in zip(folds, runs, strict=True)
                ]
            )
        transfers, coverage = ([[one[part] for one in seed] for seed in by_seed] for part in (0, 1))
        rows.append(Measured(plan.label(preset), "model", transfers, coverage))
    return rows


def scored(
    fold: Fold, name: str, config: Config, features: Sequence[str], plan: Plan, run: str = ""
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Transfers by the feature sets, and the coverage of `align` with the run or without any."""
    common = {"kind": fold.kind, "run": run, "progress": plan.progress}
    transfers = cached_transfers(fold.project, name, config=config, features=features, **common)
    coverage = cached_coverage(
        *(fold.project, f"{name}-coverage"), config=for_coverage(config), **common
    )
    return transfers, coverage


# --- what two clips get by default ----------------------------------------------------------------

PENN = ("golf_swing", "squat", "pullup", "jumping_jacks")
Errors = dict[str, list[float]]  # "alone" and "through others" -> in % of B


def penn_fold(penn: Path, action: str, work: Path) -> Fold:
    """The clips of an action, by its own split; their events are found by joint rules."""
    project = Project.create(work / action)
    if not project.videos():
        phases = penn / "phases_kinematic.csv"
        import_penn_action(project, penn, action=action, phases=phases)
    info = {video.id: {"video": video.id} for video in project.videos()}
    folder = (penn.name, "labels", "penn13", (0, 0), "video")
    return Fold(DataSet(f"Penn {action}", *folder, lambda a, b: "all"), project, info)


def by_default(fold: Fold, plan: Plan, work: Path) -> dict[str, Errors]:
    """Errors of `align` without options, by kind of pair; no counterpart counts as half of B."""
    config = plan.baselines(fold.project)
    found: dict[str, Errors] = {}
    cache = AlignmentCache()
    for a, b in event_pairs(fold.project, config, fold.kind):
        cache = cache if cache.a == a.id else AlignmentCache()
        errors = found.setdefault(fold.kind(a.id, b.id), {"alone": [], "through others": []})
        with TemporaryDirectory(dir=work) as folder:
            pair = Project.create(Path(folder))
            pair.add_videos(video for video in fold.project.videos() if video.id in (a.id, b.id))
            for clip in (a.id, b.id):
                pair.write_pose(clip, *fold.project.read_pose(clip))
            request = AlignRequest(config, device="cpu")
            both = {
                "alone": find_alignment(pair, a.id, b.id, request),
                "through others": find_alignment(fold.project, a.id, b.id, request, cache=cache),
            }
        for event in sorted(a.events.keys() & b.events.keys()):
            for way, result in both.items():
                off = abs(result.alignment.position[a.events[event]] - b.events[event])
                share = 50.0 if np.isnan(off) else 100 * off / len(b.pose)
                errors[way].append(round(float(share), 4))
    return found


def measure_defaults(given: argparse.Namespace, plan: Plan) -> None:
    """Measure the installed package and print all columns of --work."""
    work, path = given.work, given.work / "defaults.json"
    data_sets = [SETS[name] for name in given.sets.split(",")]
    sets = [(data, make_folds(data, given.data, work, plan.split_seed)) for data in data_sets]
    if given.penn:
        folds = [penn_fold(given.penn, action, work) for action in PENN]
        sets += [(fold.data, [fold]) for fold in folds]
    for data, folds in sets:
        for fold in folds:
            known = artifact.read_document(path)
            place = f"{given.defaults}/{fold.project.root.name}"
            if place not in known:
                known[place] = {data.title(k): v for k, v in by_default(fold, plan, work).items()}
                artifact.write_json(path, known)
                print(f"{place}: done", flush=True)
    print("\n".join(defaults_table(artifact.read_document(path))))


def defaults_table(known: Mapping[str, Any]) -> list[str]:
    """Median / mean of every set, for two clips alone and through others, by NAME."""
    pooled: dict[tuple[str, str, str], list[float]] = {}
    for place, by_title in known.items():
        for title, errors in by_title.items():
            for way, values in errors.items():
                pooled.setdefault((title, way, place.split("/")[0]), []).extend(values)
    names = list(dict.fromkeys(name for _, _, name in pooled))
    headings = [f"{way}, {name}" for way in ("alone", "through others") for name in names]
    columns = [
        Column("", kind="name"),
        *(Column(heading) for heading in headings),
        Column("events"),
    ]
    rows = []
    for title in dict.fromkeys(title for title, _, _ in pooled):
        both = [pooled[title, way, name] for way in ("alone", "through others") for name in names]
        cells = [Cell(f"{np.median(one):.2f} / {np.mean(one):.2f}") for one in both]
        rows.append(Row([Cell(title), *cells, Cell(str(len(both[0])))]))
    return markdown(Table(columns, rows))


# --- figures -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Figure:
    """One row on one kind of pairs. variants: that the median and the mean are of, where there was
    a choice. runs: median and mean of each training."""

    label: str
    median: Statistic
    mean: Statistic
    events: int
    pairs: int
    variants: tuple[str, str]
    runs: list[tuple[Statistic, Statistic]]

    @property
    def by_seed(self) -> list[tuple[float, float]]:
        """Medians and means."""
        return [(middle.value, average.value) for middle, average in self.runs]


def figures(folds: Sequence[Fold], rows: Sequence[Measured], kind: str) -> list[Figure]:
    """Every row on one kind of pairs; of several variants each statistic takes its own best."""
    person, counts = numbered(folds)
    result = []
    for row in rows:
        if not row.transfers:
            continue
        medians, means, sample = [], [], None
        names: tuple[str, str] = ("", "")
        for documents in row.transfers:
            variants = []
            # Both folds have the same variants, of which one may name its number of references.
            for entries in zip(*(d["percent"][row.feature] for d in documents), strict=True):
                values = [
                    (d["events"], e["percent"]) for d, e in zip(documents, entries, strict=True)
                ]
                variants.append((entries[0]["variant"], pool(values, kind, person)))
            sample = variants[0][1]
            best = {
                statistic: min(variants, key=lambda one, of=statistic: of(one[1].value))
                for statistic in (np.median, np.mean)
            }
            names = best[np.median][0], best[np.mean][0]
            medians.append(median(best[np.median][1], counts))
            means.append(mean(best[np.mean][1], counts))
        assert sample is not None
        result.append(
            Figure(
                *(row.label, over_runs(medians), over_runs(means)),
                *(len(sample.value), sample.pairs, names),
                list(zip(medians, means, strict=True)),
            )
        )
    return result


@dataclass(frozen=True)
class Coverage:
    """held: % of events inside the interval. width: median, in % of B. unmatched: events without
    a counterpart, in all runs."""

    label: str
    held: Statistic
    width: Statistic
    events: int
    unmatched: int


def coverages(folds: Sequence[Fold], rows: Sequence[Measured], kind: str) -> list[Coverage]:
    person, counts = numbered(folds)
    result = []
    for row in rows:
        if not row.coverage:
            continue
        held, width, sample = [], [], None
        for documents in row.coverage:
            values = {
                key: pool([(d["events"], d[key]) for d in documents], kind, person)
                for key in ("held", "width")
            }
            sample = values["held"]
            shares = Pooled(100 * sample.value, sample.a, sample.b, sample.pairs)
            held.append(mean(shares, counts))
            width.append(median(values["width"], counts))
        assert sample is not None
        lost = [e for documents in row.coverage for d in documents for e in d["unmatched"]]
        unmatched = sum(event[0] == kind for event in lost)
        result.append(
            Coverage(row.label, over_runs(held), over_runs(width), len(sample.value), unmatched)
        )
    return result


def numbered(folds: Sequence[Fold]) -> tuple[dict[str, int], np.ndarray]:
    """Id of a clip -> number of its person, and how often each resample draws each person."""
    names = sorted({fold.person(clip) for fold in folds for clip in fold.info})
    person = {clip: names.index(fold.person(clip)) for fold in folds for clip in fold.info}
    return person, video_counts(len(names), seed=0)


# --- the page ------------------------------------------------------------------------------------


def with_interval(statistic: Statistic, digits: int = 2) -> str:
    ends = statistic.interval
    spread = f" [{ends[0]:.{digits}f}, {ends[1]:.{digits}f}]" if ends else ""
    return f"{statistic.value:.{digits}f}{spread}"


def transfer_table(shown: Sequence[Figure]) -> list[str]:
    best = next(f for f in shown if f.label == LABELS["raw_pose_best"])
    lead = [min(range(len(shown)), key=lambda n: f(shown[n]).value) for f in (_median, _mean)]
    columns = [
        Column("", kind="name"),
        *(Column(name) for name in ("median %", "mean %", "median / best raw", "mean / best raw")),
    ]
    rows = [
        Row(
            [
                Cell(f.label),
                Cell(with_interval(f.median), rank=int(lead[0] == n)),
                Cell(with_interval(f.mean), rank=int(lead[1] == n)),
                Cell("–" if f is best else with_interval(f.median.over(best.median))),
                Cell("–" if f is best else with_interval(f.mean.over(best.mean))),
            ]
        )
        for n, f in enumerate(shown)
    ]
    return markdown(Table(columns, rows))


def _median(figure: Figure) -> Statistic:
    return figure.median


def _mean(figure: Figure) -> Statistic:
    return figure.mean


def overview(figured: Mapping[str, Sequence[Figure]]) -> list[str]:
    """Median / mean of every row on every kind of pairs."""
    columns = [Column("", kind="name"), *(Column(title) for title in figured)]
    labels = [figure.label for figure in next(iter(figured.values()))]
    rows = [
        Row(
            [
                Cell(label),
                *(
                    Cell(f"{shown[n].median.value:.2f} / {shown[n].mean.value:.2f}")
                    for shown in figured.values()
                ),
            ]
        )
        for n, label in enumerate(labels)
    ]
    return markdown(Table(columns, rows))


def coverage_table(covered: Mapping[str, Sequence[Coverage]]) -> list[str]:
    columns = [
        *(Column(name, kind="text") for name in ("", "aligned by")),
        *(Column(name) for name in ("held, %", "width, % of B", "events", "unmatched")),
    ]
    rows = [
        Row(
            [
                *(Cell(title), Cell(c.label), Cell(with_interval(c.held, 1))),
                *map(Cell, (f"{c.width.value:.1f}", str(c.events), str(c.unmatched))),
            ]
        )
        for title, shown in covered.items()
        for c in shown
    ]
    return markdown(Table(columns, rows))


def tables(
    figured: Mapping[str, Sequence[Figure]], covered: Mapping[str, Sequence[Coverage]], plan: Plan
) -> str:
    lines = ["### Overview: median / mean error, % of the clip", "", *overview(figured), ""]
    for title, shown in figured.items():
        lines += [f"### {title.capitalize()}", "", *transfer_table(shown), ""]
        facts = [f"{shown[0].pairs} trimmed pairs, {shown[0].events} events"]
        best = next(f for f in shown if f.label == LABELS["raw_pose_best"])
        facts.append(f"best raw pose: {best.variants[0]} (median), {best.variants[1]} (mean)")
        for f in shown:
            if len(f.by_seed) > 1:
                seeds = ", ".join(f"{m:.2f} / {n:.2f}" for m, n in f.by_seed)
                facts.append(f"{f.label}, seeds {', '.join(map(str, plan.seeds))}: {seeds}")
        lines += [f"{'; '.join(facts)}.", ""]
    lines += ["### Coverage of the 90 % intervals", "", *coverage_table(covered)]
    return "\n".join(lines)


def document(
    figured: Mapping[str, Sequence[Figure]], covered: Mapping[str, Sequence[Coverage]]
) -> dict[str, Any]:
    """All figures as JSON."""

    def plain(statistic: Statistic) -> dict[str, Any]:
        return {"value": statistic.value, "interval": statistic.interval}

    transfers: dict[str, Any] = {}
    for title, shown in figured.items():
        best = next(f for f in shown if f.label == LABELS["raw_pose_best"])
        transfers[title] = {
            f.label: {
                "median": plain(f.median),
                "mean": plain(f.mean),
                "median_ratio": plain(f.median.over(best.median)),
                "mean_ratio": plain(f.mean.over(best.mean)),
                "pairs": f.pairs,
                "events": f.events,
                "variants": f.variants,
                "by_seed": f.by_seed,
            }
            for f in shown
        }
    coverage = {
        title: {
            c.label: {
                "held": plain(c.held),
                "width": plain(c.width),
                "events": c.events,
                "unmatched": c.unmatched,
            }
            for c in shown
        }
        for title, shown in covered.items()
    }
    return {"transfer": transfers, "coverage": coverage}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--preset", action="append", help="A row; may be repeated.")
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="K=V")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--split-seed", type=int, default=0, help="Of the two halves.")
    parser.add_argument("--pairs", type=int, default=300, help="Of each kind and draw, at most.")
    parser.add_argument("--baselines", action="store_true", help="Train nothing.")
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--defaults", metavar="NAME", help="Measure what two clips get; see above.")
    parser.add_argument("--penn", type=Path, help="With labels/ and phases_kinematic.csv.")
    given = parser.parse_args()
    plan = Plan(
        presets=() if given.baselines else tuple(given.preset or ["default"]),
        settings=tuple(given.settings),
        seeds=tuple(int(seed) for seed in given.seeds.split(",")),
        split_seed=given.split_seed,
        pairs=given.pairs,
        progress=Progress(),
    )
    if given.defaults:
        return measure_defaults(given, plan)
    names = given.sets.split(",")
    figured: dict[str, list[Figure]] = {}
    covered: dict[str, list[Coverage]] = {}
    for data in (SETS[name] for name in names):
        folds = make_folds(data, given.data, given.work, plan.split_seed)
        rows = measure(folds, plan)
        for kind in data.kinds:
            figured[data.title(kind)] = figures(folds, rows, kind)
            covered[data.title(kind)] = coverages(folds, rows, kind)
        print(f"{data.name}: done", flush=True)
    text = tables(figured, covered, plan)
    artifact.write_json(given.work / f"{'-'.join(names)}.json", document(figured, covered))
    if names == list(SETS):
        put_into(given.page, text)
    print(text)


if __name__ == "__main__":
    main()

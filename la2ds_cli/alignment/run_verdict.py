"""The verdict on a run: does it align its project's clips better than the base model?

No labels are used. Pairs of clips that training held out are trimmed at random at both ends and
aligned directly, once by the run and once by the base model, each as `la2ds align` uses it. Both
results are compared with a reference in which the run has no part: the mean of two alignments of
the entire clips through all others, by the base model and by the movement of the joints. A
reference by the run's own features would favour the run, which agrees with itself more than with
people. This reference favours the base model, if any, so a gain that it shows is real. A model that
only counts elapsed time gains nothing, because trimmed clips start at other moments than entire
ones.

Clips that show a film the run was trained on do not count, clips of one film are compared neither
with each other nor through each other, and the interval resamples films (core/independence.py). A
gain counts as shown only if its interval lies above zero. docs/decisions/0022-certainty.md
compares these verdicts with labelled events.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np

from la2ds_cli.alignment.align import align
from la2ds_cli.alignment.clip_features import (
    ClipFeatures,
    Embedding,
    movement_features,
    network_features,
)
from la2ds_cli.core import artifact, regular_file
from la2ds_cli.core.clip import Video
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.independence import independent_groups, joints_digest
from la2ds_cli.core.memo import Memo
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_cli.core.source_digest import source_digest
from la2ds_cli.core.stored_project import BASE_RUN, StoredProject
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.features.body_joints import as_skeleton, holds, is_body
from la2ds_cli.features.pose_features import movement
from la2ds_cli.features.resample import evenly_spaced
from la2ds_cli.network.base_weights import base_key
from la2ds_cli.network.load_network import light_embedder
from la2ds_cli.network.run_weights import RunHeader, run_header, weights_key

VERSION = 6  # 6: independent clips alone
ALIGN = ("movement", "base", "skip_cost", "open_ends")  # settings used; others have their defaults
VERDICT = "verdict.json"  # beside the weights of the run
FEWEST_HELD_OUT = 6
MOST_HELD_OUT = 16
MOST_OTHERS = 20  # training clips of the consensus
PAIRS = 240  # trimmed pairs; with few clips, a pair is trimmed several times
LARGEST_TRIM = 0.3  # largest share of the clip that is cut off each end
SHORTEST = 8  # frames; of a shorter clip too little remains once both ends are cut off
DRAWS = 1000
LEVEL = 0.95

Outcome = Literal["better", "not shown", "worse"]


# --- the three outcomes, in words ---------------------------------------------------------------


class Gain(NamedTuple):
    """How much lower the error of a run is than the base model's, in percent, with the ends of the
    95 % interval."""

    percent: float
    low: float
    high: float

    @property
    def outcome(self) -> Outcome:
        """What the interval shows."""
        if self.low > 0:
            return "better"
        return "worse" if self.high < 0 else "not shown"

    @property
    def words(self) -> str:
        """The outcome with figures: "better than the base model by 12 % (4 to 19 %)"."""
        if self.outcome == "not shown":
            return (
                f"not shown to help (gain over the base model {round(self.percent)} %, 95 % "
                f"interval {round(self.low)} to {round(self.high)} %)"
            )
        ends = sorted((abs(self.low), abs(self.high)))
        return (
            f"{self.outcome} than the base model by {abs(self.percent):.0f} % "
            f"({ends[0]:.0f} to {ends[1]:.0f} %)"
        )


@dataclass(frozen=True)
class Verdict:
    """Whether a run is better than the base model.

    Attributes
    ----------
    clips: number of held-out clips used.
    gain: None if it could not be measured; `why_not` has the reason.
    known_performers: whether some of these clips show a performer that the run was trained on, as
        far as videos.csv names performers.
    """

    clips: int
    gain: Gain | None = None
    why_not: str = ""
    known_performers: bool = False

    @property
    def outcome(self) -> Outcome:
        """Outcome of the gain; `not shown` if it was not measured."""
        return self.gain.outcome if self.gain else "not shown"

    @property
    def words(self) -> str:
        """The outcome with its figures, or the reason why there are none."""
        return self.gain.words if self.gain else f"not shown to help: {self.why_not}"

    def sentence(self, run: str) -> str:
        """Return the verdict as a sentence."""
        judged = f", judged without labels by {self.clips} clips held out of training"
        if self.known_performers:
            judged += ", of performers it was trained on"
        return f"run {run} is {self.words}{judged if self.gain else ''}"

    def to_json(self, run: str) -> dict[str, Any]:
        """Return the stored values, the outcome and the sentence as JSON."""
        return {**self.stored(), "outcome": self.outcome, "text": self.sentence(run)}

    def stored(self) -> dict[str, Any]:
        """Return the plain values from which `read_verdict` restores a verdict."""
        return {**vars(self), "gain": self.gain and self.gain._asdict()}


# --- judging a run --------------------------------------------------------------------------------


def ensure_verdict(
    project: StoredProject, run: str, device: DeviceName, progress: Progress
) -> Verdict | None:
    """Return the verdict on a finished run, computed if it does not exist yet.

    None, with a note, if that fails: the training still counts as successful.
    """
    try:
        return read_verdict(project, run) or judge_run(project, run, device, progress)
    except UserError as problem:
        progress.note(f"run {run} was not compared with the base model: {problem.message}")
        return None


def judge_run(
    project: StoredProject, run: str, device: DeviceName = "auto", progress: Progress = SILENT
) -> Verdict:
    """Compare a run with the base model on its held-out clips, and store the verdict beside the
    run's weights for `read_verdict`.

    Raises UserError as load_network does.
    """
    verdict = _judged(project, run, device, progress)
    content = {**_measured_with(project, run), **verdict.stored()}
    artifact.write_json(project.run_dir(run) / VERDICT, content)
    return verdict


def _measured_with(project: StoredProject, run: str) -> dict[str, Any]:
    """Return the inputs of a verdict; if any of them changes, the stored verdict is out of date."""
    align, clips = project.config().align, {}
    for video in _chosen(run_header(project, run)):
        try:
            clips[video] = project.pose_header(video)[0].key
        except artifact.UnreadableArtifact:
            raise  # its content is unknown, so the verdict may be out of date
        except UserError:  # damaged, or gone
            continue
    listed = [
        (video.id, video.path, video.sha256, video.group)
        for video in project.videos()
        if video.id in clips
    ]
    return {
        "version": VERSION,
        "model": weights_key(project, run),
        "base": base_key(),
        "code": source_digest(__name__),
        "align": {name: getattr(align, name) for name in ALIGN},
        "compared": hashlib.sha256(json.dumps([clips, listed]).encode()).hexdigest(),
    }


def read_verdict(project: StoredProject, run: str) -> Verdict | None:
    """Return the stored verdict on a run if it is current, else None, without computing one.

    It is current if the run's weights, the base model, the poses, the project's settings and the
    source code have not changed.

    Raises
    ------
    OSError: if the file cannot be read.
    UserError: as `base_key`, and exit 3 if the system refuses to read poses used for the verdict.
    """
    try:
        stored = json.loads(regular_file.text(project.run_dir(run) / VERDICT))
        now = _measured_with(project, run)
        if {name: stored[name] for name in now} != now:
            return None
        gain = stored["gain"] and Gain(*(float(stored["gain"][name]) for name in Gain._fields))
        why_not, familiar = str(stored["why_not"]), bool(stored["known_performers"])
        return Verdict(int(stored["clips"]), gain, why_not, familiar)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except artifact.FOREIGN as error:
        if isinstance(error, OSError):
            raise
        return None  # not written by la2ds


def _judged(project: StoredProject, run: str, device: DeviceName, progress: Progress) -> Verdict:
    """Return the verdict on a run."""
    embed, header = light_embedder(project, run, device), run_header(project, run)
    if embed.config.model.input in ("rgb", "joints3d"):
        return Verdict(0, why_not="only runs that read joints in the image are compared")
    if not is_body(header.skeleton):
        return Verdict(0, why_not=f"the base model does not read the joints of {header.skeleton}")
    if header.held_out is None:
        return Verdict(0, why_not="its weights do not name the clips held out of training")
    clips = _held_out_clips(project, header)
    few = len(clips.films)
    if clips.number_of_films < FEWEST_HELD_OUT:
        return Verdict(few, why_not=clips.too_few)
    progress.begin(f"comparing run {run} with the base model on {few} clips held out of training")
    align = project.config().align
    settings = AlignConfig(method="dtw", **{name: getattr(align, name) for name in ALIGN})
    embed_base = light_embedder(project, BASE_RUN, device)
    memo = Memo()
    run_network, base_network = (
        Embedding(lambda clip, by=by: by([clip.seen()])[0], by.spread) for by in (embed, embed_base)
    )
    by_run = network_features(run_network, settings, base_network, run=run, memo=memo)
    by_base = network_features(base_network, settings, kind="base", run=BASE_RUN, memo=memo)
    by_movement = movement_features(memo=memo)
    compared, referees = (by_run, by_base), (by_base, by_movement)
    gain = measure_gain(clips.poses, clips.others, compared, referees, settings, films=clips.films)
    progress.end()
    why_not = "" if gain else "its clips could not be compared"
    return Verdict(few, gain, why_not, clips.known_performers)


# --- the clips: held out, and from films that training did not use --------------------------------


@dataclass(frozen=True)
class _HeldOutClips:
    """The clips used for a verdict.

    poses: of the held-out clips. films: number of the film that each of them shows. others: poses
    of clips that the run was trained on. seen: number of held-out clips left out because training
    used their films. known_performers: see Verdict.
    """

    poses: Sequence[PoseSequence]
    films: Sequence[int]
    others: Sequence[PoseSequence]
    seen: int
    known_performers: bool

    @property
    def number_of_films(self) -> int:
        return len(set(self.films))

    @property
    def too_few(self) -> str:
        """Reason why there is no verdict."""
        count, films = len(self.films), self.number_of_films
        which = f"{count or 'no'} clip{'s were' if count != 1 else ' was'} held out of training"
        if self.seen:
            which += f" beside {self.seen} of films that it was trained on"
        if films < count:
            return f"{which}, of {films} film{'s' * (films > 1)}; {FEWEST_HELD_OUT} are needed"
        return f"{which}, {FEWEST_HELD_OUT} are needed"


def _chosen(header: RunHeader) -> list[str]:
    """Return the ids of the held-out clips and of the training clips to read."""
    sides = (header.held_out or (), MOST_HELD_OUT), (header.trained, MOST_OTHERS)
    return [video for ids, most in sides for video in evenly_spaced(sorted(ids), most)]


def _held_out_clips(project: StoredProject, header: RunHeader) -> _HeldOutClips:
    """Read the clips, and leave out held-out clips that show a film the run was trained on."""
    held, listed = set(header.held_out or ()), {video.id: video for video in project.videos()}
    poses = _poses(project, header.skeleton, [v for v in _chosen(header) if v in listed])
    joints = {video: joints_digest(pose) for video, pose in poses.items()}
    videos = [listed[video] for video in header.clips if video in listed]
    groups = independent_groups(videos, project.source, joints, performers=False)
    trained = [any(video.id not in held for video in group) for group in groups]
    film = {video.id: n for n, group in enumerate(groups) for video in group}
    unseen = [video for video in poses if video in held and not trained[film[video]]]
    names = _performers(listed, unseen), _performers(listed, set(header.trained) & listed.keys())
    return _HeldOutClips(
        [poses[video] for video in unseen],
        [film[video] for video in unseen],
        [pose for video, pose in poses.items() if video not in held],
        sum(video in held for video in poses) - len(unseen),
        not names[0].isdisjoint(names[1]),
    )


def _performers(listed: Mapping[str, Video], videos: Collection[str]) -> set[str]:
    """Return the performers of clips, as far as they are named."""
    return {listed[video].group for video in videos} - {""}


def _poses(project: StoredProject, skeleton: str, ids: Sequence[str]) -> dict[str, PoseSequence]:
    """Return the poses of clips that are long enough, have the joints of the skeleton, and keep
    something visible however they are trimmed."""
    poses = {}
    for video in ids:
        with suppress(UserError):  # damaged, or gone
            pose = project.read_pose(video)[0]
            cut = int(len(pose) * LARGEST_TRIM)
            seen = not np.isnan(pose.xy[cut : len(pose) - cut]).all()
            if seen and len(pose) >= SHORTEST and holds(pose.skeleton, skeleton):
                poses[video] = as_skeleton(pose, skeleton)
    return poses


# --- measuring the gain ---------------------------------------------------------------------------


def measure_gain(
    clips: Sequence[PoseSequence],
    others: Sequence[PoseSequence],
    features: tuple[ClipFeatures, ClipFeatures],
    referees: Sequence[ClipFeatures],
    settings: AlignConfig,
    films: Sequence[int] | None = None,
) -> Gain | None:
    """Return the gain of the first of two features over the second on pairs of clips.

    The error is the mean distance of the direct alignment of trimmed clips from the reference, in %
    of B, with frames weighted by the speed of A. The interval resamples the films of both clips of
    a pair. The gain is None if nothing can be compared.

    Parameters
    ----------
    clips: form the pairs.
    others: more clips of the movement, for the reference.
    features: the two to compare.
    referees: features whose mean alignment of the entire clips is the reference.
    settings: of DTW.
    films: number of the film that each clip shows, None = all different. Clips of one film are
        neither a pair nor a reference for each other.
    """
    rng = np.random.default_rng(0)
    film = np.arange(len(clips)) if films is None else np.unique(films, return_inverse=True)[1]
    every = range(len(clips))
    ordered = [(a, b) for a in every for b in every if film[a] != film[b]]
    if not ordered:
        return None
    rounds = math.ceil(PAIRS / len(ordered))
    drawn = rng.permutation(rounds * len(ordered))[:PAIRS]
    chosen = [ordered[n % len(ordered)] for n in drawn]
    direct = replace(settings, reference_clips=0)
    through = replace(settings, reference_clips=MOST_OTHERS)
    pairs, errors = [], []
    for a, b in chosen:
        trim_a, trim_b = _trim(len(clips[a]), rng), _trim(len(clips[b]), rng)
        part_a = clips[a].cut(trim_a.start, trim_a.stop)
        part_b = clips[b].cut(trim_b.start, trim_b.stop)
        rest = [*others, *(clips[n] for n in every if film[n] not in (film[a], film[b]))]
        entire = [align(clips[a], clips[b], rest, of, through).position for of in referees]
        truth = np.mean(entire, axis=0)[trim_a] - trim_b.start
        positions = np.array([align(part_a, part_b, (), of, direct).position for of in features])
        # False where either is NaN
        valid = (truth >= 0) & (truth <= len(part_b) - 1) & (positions >= 0).all(axis=0)
        moved = np.gradient(movement(part_a, weight=0.0), axis=0)
        speed = np.linalg.norm(moved, axis=1)[valid]
        if speed.sum() > 0:
            apart = np.average(np.abs(positions - truth)[:, valid], axis=1, weights=speed)
            pairs.append((a, b))
            errors.append(100 * apart / len(clips[b]))
    films_of_pairs = film[np.array(pairs, dtype=np.int64).reshape(-1, 2)]
    return _gain(films_of_pairs, np.array(errors), int(film.max()) + 1, rng) if pairs else None


def _gain(
    pairs: np.ndarray, errors: FloatArray, films: int, rng: np.random.Generator
) -> Gain | None:
    """Return the gain by the errors (P, 2) of pairs, given the numbers (P, 2) of their films."""
    drawn = rng.multinomial(films, np.full(films, 1 / films), size=DRAWS)
    weights = drawn[:, pairs[:, 0]] * drawn[:, pairs[:, 1]]
    sums = weights @ errors
    sums = sums[sums[:, 1] > 0]
    run, base = errors.mean(axis=0)
    if base <= 0 or not len(sums):
        return None
    ends = np.percentile(sums[:, 0] / sums[:, 1], [50 * (1 + LEVEL), 50 * (1 - LEVEL)])
    return Gain(*(100 * (1 - float(ratio)) for ratio in (run / base, *ends)))


def _trim(length: int, rng: np.random.Generator) -> slice:
    """Return the part of a clip that remains after a random share is cut off each end."""
    start, stop = (int(length * share) for share in rng.uniform(0, LARGEST_TRIM, 2))
    return slice(start, length - stop)

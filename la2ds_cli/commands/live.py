"""`la2ds live`: where in A a live performer is."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from la2ds_cli.commands.options import CLIP_A, Features, Here, argument, flag, option

if TYPE_CHECKING:
    from la2ds_cli.alignment.live import LiveEstimate, LiveFilter
    from la2ds_cli.alignment.request import AlignRequest
    from la2ds_cli.alignment.result import AlignResult
    from la2ds_cli.core.console import Console
    from la2ds_cli.core.project import Project
    from la2ds_cli.core.types import PoseSequence
    from la2ds_cli.poses.live import LiveJoints, LivePoses
    from la2ds_cli.video.playing import Player
    from la2ds_cli.video.reader import Frame

SCHEMA_VERSION = 1
RESTING = 0.5  # probability from which it is said that the performer rests before or after A
FEWEST = 8  # frames with a person of which an alignment in hindsight is made


@dataclass
class Followed:
    """What has been seen of SOURCE.

    rows: of each processed frame, see live_row. busy: seconds that each took. shown: number, time
    and joints of each frame that shows a person, if they are kept.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)
    shown: list[tuple[int, float, LiveJoints]] = field(default_factory=list)
    interrupted: bool = False

    @property
    def seen(self) -> int:
        """How many frames show a person."""
        return sum(row["seen"] for row in self.rows)


def live(
    a: str = CLIP_A,
    source: str = argument("SOURCE", "A video, a clip of the project, or camera:0."),
    out: list[Path] | None = option("FILE", "Write .png, .svg, .pdf, .csv or .json; repeatable."),
    every_frame: bool = flag("--every-frame", "Use every frame of a file, not in real time."),
    *,
    how: Features,
    here: Here,
) -> None:
    """Follow a live performer through clip A.

    \b
      la2ds live anna.mp4 camera:0 --project swings
      la2ds live anna.mp4 ben.mp4 --every-frame --json

    Reports, for each frame of SOURCE as it plays, where in A the performer is and how sure that
    is. --json prints a line of JSON for each frame, and a summary at the end. Ctrl-C ends it.
    --out writes the alignment of A with all that was seen, by --run and --features.
    """
    with here.console() as console:
        opened = here.clips((a,), console)
        _run(console, opened, (a, source), how.request(opened), out or [], every_frame=every_frame)


def _file_of(project: Project, source: str) -> str:
    """The video of SOURCE, if it is the name of a clip of the project; else SOURCE."""
    if source.startswith("camera:") or Path(source).exists():
        return source
    clip = project.find(source)
    return source if clip is None else str(project.source(clip))


def _run(
    console: Console,
    project: Project,
    clips: tuple[str, str],
    request: AlignRequest,
    out: Sequence[Path],
    *,
    every_frame: bool,
) -> None:
    """Follow the performer in SOURCE through clip A, frame by frame, until it ends or Ctrl-C is
    pressed. Then print a summary, and write the alignment of all that was seen to `out`.

    clips: A and SOURCE. Raises UserError: as `open_player` and `live_poses`, as extraction does for
    A, and with exit 4 for `out` with a run that has no model, for a clip A of one frame, and, after
    the summary, if nobody was seen.
    """
    from la2ds_cli.alignment.live import LiveFilter, LiveReference
    from la2ds_cli.alignment.pair import clip_of, with_poses
    from la2ds_cli.alignment.request import choose_features
    from la2ds_cli.core.errors import ExitCode, UserError
    from la2ds_cli.core.output_paths import checked_outputs
    from la2ds_cli.core.project import DEFAULT_RUN
    from la2ds_cli.poses.live import live_poses
    from la2ds_cli.video.playing import open_player
    from la2ds_cli.views.alignment_files import AN_ALIGNMENT, write_alignment

    a, source = clips
    targets = checked_outputs(project, out, *AN_ALIGNMENT)
    if targets and (request.features == "model" or request.run != DEFAULT_RUN):
        # A missing run is said now: after the performance, what was seen would be lost.
        choose_features(project, request.run, request.features)
    player = open_player(_file_of(project, source), every_frame=every_frame)
    settings, progress = request.config.poses, console.progress
    (id_a,) = with_poses(project, [a], settings, request.device, progress)
    clip = clip_of(project, id_a)
    pose = project.read_pose(clip.id)[0]
    try:
        reference = LiveReference(pose)
    except ValueError as error:
        raise UserError(f"{a}: {error}", exit_code=ExitCode.UNUSABLE) from error
    poses = live_poses(project, settings, pose, request.device, progress)
    followed = follow(
        console, player, poses, LiveFilter(reference, poses.skeleton), keep=bool(targets)
    )
    result = None
    if targets and len(followed.shown) >= FEWEST:
        shown = pose_sequence(player, poses.skeleton, followed)
        result = in_hindsight(project, clips, shown, request, console)
        result = write_alignment(project, result, targets, progress)
    elif targets:
        progress.note("no file was written: too few frames show a person")
    summary = summarise(clips, player, followed, result)
    console.record({"schema_version": SCHEMA_VERSION, "command": "live", "summary": summary})
    show(console, summary)
    if not followed.seen:
        raise UserError(
            f"nobody was seen in the {len(followed.rows)} frames of {source}",
            hint="check the picture, or set detect_threshold = 0.2 under [poses] in project.toml",
            exit_code=ExitCode.UNUSABLE,
            code="V020",
        )


def follow(
    console: Console, player: Player, poses: LivePoses, live: LiveFilter, *, keep: bool
) -> Followed:
    """Report where in A each frame is, until the player ends or Ctrl-C is pressed. keep: the
    joints."""
    followed, ever = Followed(), False
    try:
        with closing(player.frames()) as frames:
            for frame in frames:
                begun = time.perf_counter()
                joints = poses.joints(frame)
                estimate = live.step(frame.time, None if joints is None else joints.xy)
                followed.busy.append(time.perf_counter() - begun)
                ever = ever or joints is not None
                row = live_row(frame, estimate, seen=joints is not None, ever=ever)
                followed.rows.append(row)
                if keep and joints is not None:
                    followed.shown.append((frame.source, frame.time, joints))
                console.record(row)
                console.status(status_line(row))
    except KeyboardInterrupt:
        followed.interrupted = True
    console.status("")
    return followed


def live_row(frame: Frame, estimate: LiveEstimate, *, seen: bool, ever: bool) -> dict[str, Any]:
    """A frame as JSON. time_a is null until somebody is seen; `at` is `before`, `within` or
    `after`: whether the performer rests at A's beginning or at its end."""
    at = "before" if estimate.before >= RESTING else "within"
    at = "after" if estimate.after >= RESTING else at
    return {
        "frame": frame.source,
        "time": round(frame.time, 4),
        "time_a": round(estimate.time_a, 4) if ever else None,
        "confidence": round(estimate.confidence, 4) if ever else 0.0,
        "tempo": round(estimate.tempo, 3) if ever else None,
        "at": at if ever else None,
        "seen": seen,
    }


def status_line(row: dict[str, Any]) -> str:
    """A frame in one line for people."""
    if row["time_a"] is None:
        return f"{row['time']:7.2f} s   nobody seen so far"
    text = f"{row['time']:7.2f} s   A {row['time_a']:6.2f} s   confidence {row['confidence']:.2f}"
    where = {"before": "   rests before A", "after": "   at the end of A"}.get(row["at"], "")
    return (
        text + (where or f"   tempo {row['tempo']:.2g}") + "   nobody in sight" * (not row["seen"])
    )


# --- all that was seen ----------------------------------------------------------------------------


def pose_sequence(player: Player, skeleton: str, followed: Followed) -> PoseSequence:
    """The joints of the frames that show a person."""
    import numpy as np

    from la2ds_cli.core.types import PoseSequence

    frames, times, joints = zip(*followed.shown, strict=True)
    return PoseSequence(
        xy=np.stack([each.xy for each in joints]),
        score=np.stack([each.score for each in joints]),
        box=np.stack([each.box for each in joints]),
        frame=np.array(frames),
        time=np.array(times),
        fps=player.fps,
        size=player.size,
        skeleton=skeleton,
    )


def in_hindsight(
    project: Project,
    clips: tuple[str, str],
    shown: PoseSequence,
    request: AlignRequest,
    console: Console,
) -> AlignResult:
    """The alignment by `la2ds align` of A and all frames seen. Raises UserError as find_alignment
    does, except for different movements, which are aligned anyway."""
    from la2ds_cli.alignment.align import PairAligner
    from la2ds_cli.alignment.pair import PreparedPair, clip_of, in_one_form, with_poses
    from la2ds_cli.alignment.request import choose_features
    from la2ds_cli.core.clip import Video, slug

    a, source = clips
    progress = console.progress
    choice = choose_features(project, request.run, request.features)
    (id_a,) = with_poses(project, [a], request.config.poses, request.device, progress)
    pose = project.read_pose(id_a)[0]
    path = source if source.startswith("camera:") else str(Path(source).resolve())
    row = Video(slug(Path(source).stem) or "source", path, "", len(shown), shown.fps, *shown.size)
    # A part: the clip of SOURCE is not in the project, and is embedded by its joints alone.
    pair = PreparedPair((clip_of(project, id_a), row), (pose, shown), clips, choice, part=True)
    return PairAligner(project, request, progress).align(in_one_form(pair, False, progress))


def summarise(
    clips: tuple[str, str], player: Player, followed: Followed, result: AlignResult | None
) -> dict[str, Any]:
    """Facts about the run, as JSON."""
    from statistics import fmean, median

    rows = followed.rows
    placed = [row for row in rows if row["time_a"] is not None]  # from the first with a person on
    places = [row["time_a"] for row in placed]
    return {
        "a": clips[0],
        "source": clips[1],
        "frames": len(rows),
        "seconds": round(rows[-1]["time"] - rows[0]["time"], 3) if rows else 0.0,
        "skipped": player.skipped,
        "without_person": len(rows) - followed.seen,
        "milliseconds": round(1000 * median(followed.busy), 1) if rows else None,
        "interrupted": followed.interrupted,
        "time_a": [round(min(places), 3), round(max(places), 3)] if places else None,
        "mean_confidence": round(fmean(r["confidence"] for r in placed), 3) if placed else None,
        "files": [] if result is None else [str(file) for file in result.files],
    }


def show(console: Console, summary: dict[str, Any]) -> None:
    """Print the summary."""
    told = f"{summary['source']}: {summary['frames']} frames in {summary['seconds']:.1f} s"
    told += f", {summary['skipped']} skipped to keep up" * bool(summary["skipped"])
    told += f", {summary['without_person']} without a person" * bool(summary["without_person"])
    console.line(told + ", stopped by Ctrl-C" * summary["interrupted"])
    if summary["time_a"]:
        first, last = summary["time_a"]
        mean = f"mean confidence {summary['mean_confidence']:.2f}"
        console.line(f"{summary['a']}: from {first:.2f} s to {last:.2f} s, {mean}")
        console.line(f"{summary['milliseconds']:.0f} ms a frame")
    for file in summary["files"]:
        console.line(file)

"""`la2ds live`: follow a live performer through a clip."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from la2ds_cli.commands.options import CLIP_A, DEVICE, Here, argument, flag
from la2ds_cli.core.clip import ClipOptions
from la2ds_cli.core.clip_names import as_on_disk
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import Unusable, UserError

if TYPE_CHECKING:
    from la2ds_cli.alignment.live_filter import LiveEstimate, LiveFilter
    from la2ds_cli.core.stored_project import StoredProject
    from la2ds_cli.poses.live_poses import LivePoses
    from la2ds_cli.video.playing import Player
    from la2ds_cli.video.reader import Frame

RESTING = 0.5  # probability from which the performer is reported as resting before or after A


def live(
    a: str = CLIP_A,
    source: str = argument("SOURCE", "A video, a clip of the project, or camera:0."),
    every_frame: bool = flag("--every-frame", "Use all frames of a file, even if slower than it."),
    device: DeviceName = DEVICE,
    *,
    here: Here,
) -> None:
    """Follow a live performer through clip A.

    \b
      la2ds live anna.mp4 camera:0 --project swings
      la2ds live anna.mp4 ben.mp4 --every-frame --json

    Reports, for each frame of SOURCE as it plays, where in A the performer is, with a confidence.
    --json prints a line of JSON for each frame, and a summary at the end. Press Ctrl-C to stop.
    """
    from la2ds_cli.alignment.live_filter import LiveFilter, LiveReference
    from la2ds_cli.poses.live_poses import live_poses
    from la2ds_cli.poses.ready import ensure_poses
    from la2ds_cli.video.playing import open_player

    with here.console() as console:
        project = here.clips((a,), console)
        settings = project.config().poses
        player = open_player(*_played(project, source), every_frame=every_frame)
        (clip,) = ensure_poses(project, [a], settings, device, console.progress)
        pose = project.read_pose(clip)[0]
        try:
            reference = LiveReference(pose)
        except ValueError as error:
            raise Unusable(f"{a}: {error}") from error
        poses = live_poses(project, settings, pose, device, console.progress)
        rows, busy, interrupted = [], [], False
        try:
            for row, seconds in _rows(player, poses, LiveFilter(reference, poses.skeleton)):
                rows.append(row)
                busy.append(seconds)
                console.record(row)
                console.status(status_line(row))
        except KeyboardInterrupt:
            interrupted = True
        console.status("")
        summary = {"a": a, "source": source, "skipped": player.skipped, "interrupted": interrupted}
        summary |= facts(rows, busy)
        console.record({"schema_version": 1, "command": "live", "summary": summary})
        for line in _summary_lines(summary):
            console.line(line)
        if summary["without_person"] == len(rows) and not interrupted:
            raise Unusable(
                f"no person was detected in the {len(rows)} frames of {source}",
                hint="check the picture, or set detect_threshold = 0.2 under [poses] in "
                "project.toml",
                code="V020",
            )


def _played(project: StoredProject, source: str) -> tuple[str, ClipOptions]:
    """Return the file or camera of SOURCE and its options, if SOURCE is a clip of the project.

    Raises UserError (exit 2) for the clip of a second person in a video.
    """
    from la2ds_cli.poses.current import find_clip

    if source.startswith("camera:"):
        return source, ClipOptions()
    source = as_on_disk(source)
    if Path(source).exists():
        ways = {row.options for row in project.video_list().of_source(Path(source))}
        return source, ClipOptions.from_text(ways.pop() if len(ways) == 1 else "")
    clip, _ = find_clip(project, source)
    if clip is None:
        return source, ClipOptions()
    if clip.person > 1:
        raise UserError(
            f"live cannot follow person {clip.person} of a video",
            hint="crop the video to that person, and use the new file",
        )
    return str(project.source(clip)), ClipOptions.from_text(clip.options)


def _rows(
    player: Player, poses: LivePoses, live: LiveFilter
) -> Iterator[tuple[dict[str, Any], float]]:
    """Yield the row of each frame (see live_row), and the seconds it took."""
    ever_seen = False
    with closing(player.frames()) as frames:
        for frame in frames:
            begun = time.perf_counter()
            joints = poses.joints(frame)
            estimate = live.step(frame.time, None if joints is None else joints.xy)
            ever_seen = ever_seen or joints is not None
            row = live_row(frame, estimate, seen=joints is not None, ever_seen=ever_seen)
            yield row, time.perf_counter() - begun


def live_row(
    frame: Frame, estimate: LiveEstimate, *, seen: bool, ever_seen: bool
) -> dict[str, Any]:
    """Return a frame as JSON.

    `at` is `before` or `after` if the performer rests at A's beginning or end, else `within`.

    Parameters
    ----------
    seen: whether a person is detected in this frame.
    ever_seen: whether a person has been detected so far; time_a is null before.
    """
    at = "before" if estimate.before >= RESTING else "within"
    at = "after" if estimate.after >= RESTING else at
    return {
        "frame": frame.source,
        "time": round(frame.time, 4),
        "time_a": round(estimate.time_a, 4) if ever_seen else None,
        "confidence": round(estimate.confidence, 4) if ever_seen else 0.0,
        "tempo": round(estimate.tempo, 3) if ever_seen else None,
        "at": at if ever_seen else None,
        "seen": seen,
    }


def status_line(row: dict[str, Any]) -> str:
    """Return a line of text for a frame."""
    if row["time_a"] is None:
        return f"{row['time']:7.2f} s   no person detected yet"
    text = f"{row['time']:7.2f} s   A {row['time_a']:6.2f} s   confidence {row['confidence']:.2f}"
    where = {"before": "   rests before A", "after": "   at the end of A"}.get(row["at"], "")
    text += where or f"   tempo {row['tempo']:.2g}"
    return text + "   no person detected" * (not row["seen"])


def facts(rows: Sequence[dict[str, Any]], busy: Sequence[float]) -> dict[str, Any]:
    """Return facts about a run, as JSON.

    Parameters
    ----------
    busy: seconds that each row took.
    """
    from statistics import fmean, median

    placed = [row for row in rows if row["time_a"] is not None]  # since a person was first detected
    places = [row["time_a"] for row in placed]
    return {
        "frames": len(rows),
        "seconds": round(rows[-1]["time"] - rows[0]["time"], 3) if rows else 0.0,
        "without_person": sum(not row["seen"] for row in rows),
        "milliseconds": round(1000 * median(busy), 1) if rows else None,
        "time_a": [round(min(places), 3), round(max(places), 3)] if places else None,
        "mean_confidence": round(fmean(r["confidence"] for r in placed), 3) if placed else None,
    }


def _summary_lines(summary: dict[str, Any]) -> Iterator[str]:
    """Yield the summary as lines of text."""
    text = f"{summary['source']}: {summary['frames']} frames in {summary['seconds']:.1f} s"
    text += f", {summary['skipped']} skipped to keep up" * bool(summary["skipped"])
    text += f", {summary['without_person']} without a person" * bool(summary["without_person"])
    yield text + ", stopped by Ctrl-C" * summary["interrupted"]
    if summary["time_a"]:
        first, last = summary["time_a"]
        mean = f"mean confidence {summary['mean_confidence']:.2f}"
        yield f"{summary['a']}: from {first:.2f} s to {last:.2f} s, {mean}"
        yield f"{summary['milliseconds']:.0f} ms per frame"

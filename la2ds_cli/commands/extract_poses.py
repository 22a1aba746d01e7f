"""`la2ds extract-poses`: from videos to joints."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from la2ds_cli.commands.options import DEVICE, OVERWRITE, Here, argument, flag, option
from la2ds_cli.commands.projects import on_project, open_or_create_for
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import ExitCode, UserError

if TYPE_CHECKING:
    from la2ds_cli.core.batch import ItemResult


def extract_poses(
    paths: list[str] = argument(
        "PATHS", "Videos, folders of videos or images, quoted patterns, CSV manifests."
    ),
    detector: str | None = option(
        "NAME|FILE", "Person detector, such as fasterrcnn or FILE.onnx; default the project's."
    ),
    pose: str | None = option(
        "NAME|FILE", "Pose network, such as blazepose or FILE.onnx; default the project's."
    ),
    subject: str | None = option(
        "auto|N", "Person to follow: the best one, or the N-th best for these clips only."
    ),
    subjects: int | None = option("N", "Keep N people in each clip.", min=1, show_default="1"),
    time_range: str | None = option("START:END", "Only these seconds: 2:6.5, 2.5:, :8; 0: = all."),
    rotate: int | None = option("DEGREES", "Rotate clockwise by 0, 90, 180 or 270 degrees."),
    mirror: bool | None = flag(
        "--mirror/--no-mirror", "Flip left and right (selfie camera).", None
    ),
    slowmo: float | None = option(
        "FACTOR", "The video plays this many times slower than real time; 1 = real time."
    ),
    fps: float | None = option("N", "Images per second, for folders of images."),
    overlay: Path | None = option("FILE.png", "Also write a sheet for checking the poses."),
    overlay_videos: bool = flag(
        "--overlay-videos", "Also write the clips with their joints drawn in."
    ),
    shard: str | None = option("I/N", "Process only the I-th of N parts of the list."),
    engine: Literal["local", "ray"] = option(
        "local|ray", "Where the clips are processed.", "local"
    ),
    overwrite: bool = OVERWRITE,
    device: DeviceName = DEVICE,
    *,
    here: Here,
) -> None:
    """Find the person and the joints in videos.

    \b
      la2ds extract-poses clips/ --project swings
      la2ds extract-poses clips/ --project swings --overlay sheet.png
      la2ds extract-poses a.mp4 --time-range 2:6.5 --rotate 90
      la2ds extract-poses a.mp4 --detector person.onnx --pose pose.onnx

    Creates the project if there is none. Finished clips are skipped, and a bad file does not stop
    the others. Options of a clip that are not given stay as they were when it was last read.
    Detector, pose network and subject are stored in project.toml once a clip has been read with
    them; the number of a person is stored in subjects.csv, and auto removes it. A person who has a
    clip keeps it, whichever number selects them.
    """
    from la2ds_cli.core.batch import batch_exit_code
    from la2ds_cli.core.project_toml import Choice
    from la2ds_cli.health.status import an_alignment
    from la2ds_cli.poses import extract
    from la2ds_cli.poses.extraction_record import rows_lock
    from la2ds_cli.poses.sources import collect_entries
    from la2ds_cli.poses.subjects import check_subject
    from la2ds_cli.views.pose_overlay import checked_pages, overlay_sheet, refresh_overlay

    options = _clip_options(time_range, rotate=rotate, mirror=mirror, slowmo=slowmo, fps=fps)
    part = _shard(shard)
    with here.console() as console:
        opened = open_or_create_for(here.project, paths, console)
        if subject is not None:
            check_subject(subject)
        policy = subject if subject == "auto" else None
        chosen = {"detector": detector, "pose": pose, "subject": policy, "subjects": subjects}
        choice = Choice(opened, "poses", chosen)
        draw = partial(refresh_overlay, opened) if overlay_videos else None

        def keep() -> None:  # parallel shards must not write project.toml at once
            with rows_lock(opened, part):
                choice.keep()

        def on_clip(result: ItemResult) -> None:
            if result.status != "cached":  # the chosen networks work
                keep()
            console.item(result)
            if draw is not None:
                try:
                    draw(result)
                except UserError as error:  # the poses are done, so go on with the next clip
                    if error.exit_code == ExitCode.STORAGE:
                        raise
                    console.note(f"no overlay was written for {result.video}: {error.message}")

        with opened.shard_lock(*part) if part else opened.lock():
            if overlay is not None:
                clips = [entry.name for entry in collect_entries(paths, project=opened)]
                checked_pages(opened, overlay, len(clips), [*paths, *clips])
            results = extract.extract_poses(
                opened,
                paths,
                choice.config.poses,
                extract.ExtractOptions(
                    clip=options,
                    subject=subject or "",
                    device=device,
                    overwrite=overwrite,
                    shard=part,
                    engine=engine,
                ),
                on_clip=on_clip,
                progress=console.progress,
            )
            if any(result.usable for result in results):
                keep()
            console.items(results, opened.clip_names())  # before the sheet, which may fail
            console.document("extract-poses", {"project": opened.root, "items": results})
            if overlay is not None:
                overlay_sheet(opened, [each.video for each in results if each.usable], overlay)
        if overlay is not None and any(result.usable for result in results):
            console.note(f"sheet: {overlay}")
        if overlay_videos:
            console.note(f"overlays: {opened.results_dir('overlay')}")
        if any(result.usable for result in results):
            console.next(on_project(an_alignment(opened), here.project))
    if part and not results:  # more shards than clips
        return
    raise typer.Exit(batch_exit_code(results))


def _clip_options(time_range: str | None, **given: float | None) -> dict[str, Any]:
    """Return the given options by name."""
    values: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if time_range is not None:
        match = re.fullmatch(r"(\d+(?:\.\d+)?)?:(\d+(?:\.\d+)?)?", time_range.strip())
        if not match or time_range.strip() == ":":
            raise UserError(
                f"--time-range takes START:END in seconds, not '{time_range}'",
                hint="for example --time-range 2.5:8, or 2.5: for everything after 2.5 s",
            )
        start, end = match.groups()
        values |= {"start": float(start)} if start else {}
        values |= {"end": float(end)} if end else {}
    return values


def _shard(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise UserError(
            f"--shard takes I/N with I from 1 to N, not '{text}'",
            hint="for example --shard 3/8 for the third of eight jobs",
        )
    return int(match[1]), int(match[2])

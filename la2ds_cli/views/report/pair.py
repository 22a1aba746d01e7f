"""The page of a pair: both clips side by side, locked along their alignment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from la2ds_cli.alignment.align import find_alignment
from la2ds_cli.alignment.request import AlignRequest, FeatureKind
from la2ds_cli.alignment.result import AlignResult
from la2ds_cli.core import artifact
from la2ds_cli.core.clip import Video
from la2ds_cli.core.config import Config
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.output_paths import checked_outputs
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import DEFAULT_RUN, Project
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.features.pose_features import mirror
from la2ds_cli.video.video_file import video_file
from la2ds_cli.views.report import words
from la2ds_cli.views.report.baselines import Baseline, baselines
from la2ds_cli.views.report.clip_data import PageClip, base64_text, page_clip
from la2ds_cli.views.report.film import Film, make_film
from la2ds_cli.views.report.page import embedded_json, page, text
from la2ds_cli.views.report.pair_data import pair_json

FOLDER = "report"  # of results/
SUFFIX = ".html"
PAGE = "a page", (SUFFIX,)  # for checked_outputs
_STYLES = ("page.css", "pair.css")
_SCRIPTS = ("clips.js", "stage.js", "tracks.js", "matrix.js", "pair.js")


@dataclass(frozen=True)
class PairReport:
    """A page that was written. result: what it shows. films: of A and B, None where only joints
    are drawn. beside: the baselines. file, bytes: the page."""

    result: AlignResult
    films: tuple[Film | None, Film | None]
    beside: list[Baseline]
    file: Path
    bytes: int

    def to_json(self) -> dict[str, Any]:
        """Plain dict for `--json`."""
        sides = zip("ab", (self.result.a, self.result.b), self.films, strict=True)
        return {
            "file": str(self.file),
            "bytes": self.bytes,
            **{
                side: {
                    "video": video.id,
                    "pictures": len(film.pictures) if film else 0,
                    "every": film.every if film else None,
                    "height": film.size[1] if film else None,
                }
                for side, video, film in sides
            },
            "features": self.result.alignment.features,
            "mirrored": self.result.alignment.mirrored,
            "baselines": {
                b.kind: {"mean_seconds": b.mean, "worst_seconds": b.worst} for b in self.beside
            },
        }


def report_pair(
    project: Project,
    a: str,
    b: str,
    *,
    config: Config,
    run: str = DEFAULT_RUN,
    features: FeatureKind = "auto",
    method: str | None = None,
    out: Path | None = None,
    privacy: bool = False,
    device: DeviceName = "auto",
    progress: Progress | None = None,
) -> PairReport:
    """Align two clips (find_alignment, which says what is raised) and write the page about it.

    out: the file, by default results/report/<a>--<b>.html; an existing one is replaced. privacy:
    no picture of the videos, the joints alone. UserError (exit 2) for another suffix than .html.
    """
    progress = progress or Progress()
    if out is not None:
        checked_outputs(project, [out], *PAGE)
    request = AlignRequest(config, run, features, method, device)
    result = find_alignment(project, a, b, request, progress)
    mirrored = result.alignment.mirrored
    poses = (result.pose_a, mirror(result.pose_b) if mirrored else result.pose_b)
    phases = project.phases()
    clips = (
        page_clip(project, "A", result.a, poses[0], phases.get(result.a.id, [])),
        page_clip(project, "B", result.b, poses[1], phases.get(result.b.id, [])),
    )
    films = (
        None if privacy else _film(project, result.a, poses[0], progress),
        None if privacy else _film(project, result.b, poses[1], progress, mirrored=mirrored),
    )
    beside = baselines(project, result)
    content = pair_page(result, clips, films, beside, privacy=privacy)
    target = out or project.results_dir(FOLDER) / f"{result.a.id}--{result.b.id}{SUFFIX}"
    artifact.write_bytes(target, content)
    return PairReport(result, films, beside, target, len(content))


def pair_page(
    result: AlignResult,
    clips: tuple[PageClip, PageClip],
    films: tuple[Film | None, Film | None],
    beside: list[Baseline],
    *,
    privacy: bool,
) -> bytes:
    """The page as UTF-8 HTML."""
    names = (result.a.name, result.b.name)
    data = [embedded_json("data", pair_json(result, clips, beside))]
    data += [
        embedded_json(f"film-{side}", _film_json(film))
        for side, film in zip("ab", films, strict=True)
    ]
    mirrored = '<span class="note soft">(mirrored: left and right exchanged)</span>'
    return page(
        "pair.html",
        f"{names[0]} and {names[1]} · la2ds",
        styles=_STYLES,
        scripts=_SCRIPTS,
        heading=f"{text(names[0])} and {text(names[1])}",
        name_a=text(names[0]),
        name_b=text(names[1]),
        mirrored=mirrored if result.alignment.mirrored else "",
        facts=words.facts(result),
        film_note=words.film_note(clips, films, privacy=privacy),
        matrix_label="Distances of all frames of A, to the right, and of B, upwards, with the path",
        matrix_legend=words.matrix_legend(beside, phases=all(clip.phases for clip in clips)),
        baselines=words.baselines(result, beside),
        quality="".join(words.quality(clip) for clip in clips),
        data="\n".join(data),
    )


def _film(
    project: Project,
    video: Video,
    pose: PoseSequence,
    progress: Progress,
    *,
    mirrored: bool = False,
) -> Film | None:
    source = video_file(project, video)
    # A mirrored clip of unknown width has no place for its joints in the picture.
    if source is None or (mirrored and not all(pose.size)):
        return None
    film = make_film(source, pose, progress, mirrored=mirrored)
    return film if film.pictures else None


def _film_json(film: Film | None) -> dict[str, Any] | None:
    if film is None:
        return None
    return {"rows": film.row, "pictures": [base64_text(picture) for picture in film.pictures]}

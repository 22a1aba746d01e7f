"""Whether a network was trained on the clips that it is about to be scored on."""

from __future__ import annotations

from collections.abc import Sequence

from la2ds_cli.core import artifact
from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import Project
from la2ds_cli.evaluation.clips import find_twins


def check_unseen(project: Project, runs: Sequence[str], warnings: list[str]) -> None:
    """Compare the clips that each run names in its weights with the test clips of videos.csv.

    UserError (exit 5) where the run has seen one of them, or another clip of the same video. A
    warning where that cannot be told, since clips that it has seen are not in the project any more.
    """
    from la2ds_cli.embedding.embed import checkpoint_path

    for run in runs:
        recipe, facts = artifact.read_header(checkpoint_path(project, run))
        if "videos" in facts:
            _check_videos(project, run, facts["videos"], warnings)
        else:
            _check_digest(project, run, recipe.inputs.get("clips"), warnings)


def _check_videos(project: Project, run: str, ids: Sequence[str], warnings: list[str]) -> None:
    known = {video.id: video for video in project.videos()}
    test = [video for video in known.values() if video.split == "test"]
    twins = find_twins(project, [known[name] for name in ids if name in known], test)
    if twins:
        seen, scored = (video.id for video in twins)
        same = "" if seen == scored else f", which comes from the same video as test clip {scored}"
        raise _refusal(run, f"on {'test ' * (seen == scored)}clip {seen}{same}")
    gone = len(set(ids) - known.keys())
    if gone:
        warnings.append(
            f"run {run} was trained on {gone} clips that are not in videos.csv any more; whether "
            "test clips come from the same videos cannot be told"
        )


def _check_digest(project: Project, run: str, seen: str | None, warnings: list[str]) -> None:
    """Weights of earlier versions name their clips by a digest alone."""
    from la2ds_cli.training.data import training_videos

    if seen == _digest(project, training_videos(project)):
        return
    if seen == _digest(project, [v for v in project.videos() if project.pose_path(v.id).exists()]):
        raise _refusal(run, "on the test clips, too")
    warnings.append(
        f"run {run} was trained on other clips or poses than the training clips of today; "
        "whether it has seen test clips cannot be told"
    )


def _refusal(run: str, what: str) -> UserError:
    return UserError(
        f"run {run} was trained {what}: it is older than the mark split=test in videos.csv",
        hint=f"la2ds train --run {run} --overwrite, which leaves test clips out",
        exit_code=ExitCode.MISMATCH,
    )


def _digest(project: Project, videos: Sequence[Video]) -> str:
    from la2ds_cli.training.data import clips_digest

    return clips_digest(
        {v.id: artifact.read_header(project.pose_path(v.id))[0].key for v in videos}
    )

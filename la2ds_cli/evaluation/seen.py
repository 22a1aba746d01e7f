"""Whether a network was trained on the clips that it is about to be scored on."""

from __future__ import annotations

from collections.abc import Sequence

from la2ds_cli import artifact
from la2ds_cli.errors import ExitCode, UserError
from la2ds_cli.project import Project, Video


def check_unseen(project: Project, runs: Sequence[str], warnings: list[str]) -> None:
    """Compare the training clips that each run names in its weights with those of videos.csv.

    A run names them by a digest. UserError (exit 5) where it is that of all clips, test clips
    among them: the run is older than the split. A warning where it is neither that nor that of the
    training clips, since clips, poses or marks have changed and nobody can tell.
    """
    from la2ds_cli.embedding import checkpoint_path
    from la2ds_cli.training.data import training_videos

    own = _digest(project, training_videos(project))
    every = _digest(project, [v for v in project.videos() if project.pose_path(v.id).exists()])
    for run in runs:
        seen = artifact.read_header(checkpoint_path(project, run))[0].inputs.get("clips")
        if seen == own:
            continue
        if seen == every:
            raise UserError(
                f"run {run} was trained on the test clips, too: it is older than their mark "
                "split=test in videos.csv",
                hint=f"la2ds train --run {run} --overwrite, which leaves them out",
                exit_code=ExitCode.MISMATCH,
            )
        warnings.append(
            f"run {run} was trained on other clips or poses than the training clips of today; "
            "whether it has seen test clips cannot be told"
        )


def _digest(project: Project, videos: Sequence[Video]) -> str:
    from la2ds_cli.training.data import clips_digest

    return clips_digest(
        {v.id: artifact.read_header(project.pose_path(v.id))[0].key for v in videos}
    )

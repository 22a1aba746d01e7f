"""The alignment of two clips in memory, without a project."""

from __future__ import annotations

from dataclasses import replace

from la2ds_cli.alignment.align import PairAligner
from la2ds_cli.alignment.pair import PreparedPair, in_one_form
from la2ds_cli.alignment.request import AlignRequest, choose_features, wants_3d
from la2ds_cli.alignment.result import AlignResult
from la2ds_cli.core.clip import Video
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.types import PoseSequence


def align_poses(a: PoseSequence, b: PoseSequence, request: AlignRequest) -> AlignResult:
    """Return the direct alignment of two clips, which are called `a` and `b`.

    Raises UserError as `find_alignment` does.
    """
    rows = [Video(name, name, "", len(pose), pose.fps) for name, pose in (("a", a), ("b", b))]
    poses = replace(a, clip="", trust=None), replace(b, clip="", trust=None)
    choice = choose_features(None, request.run, request.features)
    pair = PreparedPair((rows[0], rows[1]), poses, ("a", "b"), choice)
    pair = in_one_form(pair, wants_3d(None, request, choice.kind), Progress())
    return PairAligner(None, request).align(pair)

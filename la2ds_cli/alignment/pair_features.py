"""A pair as it is compared: B in the views in which it may be.

The movement of the joints decides in which view B is compared with A (viewpoint.py). The features
come from a FeatureSource (clip_features.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from la2ds_cli.alignment.clip_features import FeatureSource, check_seen
from la2ds_cli.alignment.pair import PreparedPair
from la2ds_cli.alignment.viewpoint import IN_WORDS, ViewChoice, choose_view
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.types import FloatArray
from la2ds_cli.core.view import View, ViewName
from la2ds_cli.features.tempo import paced_movement
from la2ds_cli.features.viewpoint import movements, possible_views


@dataclass(frozen=True)
class SeenPair:
    """A pair, and B in each of the views in which it may be compared.

    pair: the clips.
    choice: the view of B that is compared, and its rivals.
    a: (N, 8K) `paced_movement` of A.
    b: that of B, (M, 8K), in each view.
    """

    pair: PreparedPair
    choice: ViewChoice
    a: FloatArray
    b: Mapping[View, FloatArray]

    @classmethod
    def of(cls, pair: PreparedPair, view: ViewName = "auto") -> SeenPair:
        """The pair with the nearest view of B, or the requested one.

        Raises UserError (exit 4) for a clip without joints, and (exit 5) for a requested view that
        the clips cannot be compared in.
        """
        for pose, name in zip(pair.poses, pair.names, strict=True):
            check_seen(pose, name)
        pose_a, pose_b = pair.poses
        a = paced_movement(pose_a)
        if view != "auto":
            if view not in possible_views(pose_b, pose_a):
                raise UserError(
                    f"{pair.names[1]} cannot be compared {IN_WORDS[view]}",
                    hint="turning needs joints in metres of both clips, and by joints in metres "
                    "(align.joints) only --view filmed and mirrored differ",
                    exit_code=ExitCode.MISMATCH,
                )
            return cls(pair, ViewChoice(view), a, movements(pose_b, (view,), pose_a))
        if pair.ids[0] == pair.ids[1]:  # a clip, or parts of it, by one camera
            return cls(pair, ViewChoice(), a, movements(pose_b, ("filmed",)))
        b = movements(pose_b, possible_views(pose_b, pose_a), pose_a)
        return cls(pair, choose_view(a, b), a, b)

    def features_of_b(self, source: FeatureSource, view: View) -> FloatArray:
        """Features (M, E) of B in a view."""
        pose_a, pose_b = self.pair.poses
        return source.features(pose_b, self.b[view], view, pose_a, part=self.pair.part)

    def features_of_a(self, source: FeatureSource) -> FloatArray:
        """Features (N, E) of A."""
        return source.features(self.pair.poses[0], self.a, part=self.pair.part)

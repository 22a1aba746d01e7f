"""Data that are too large for the repository: in a folder beside it, or where LA2DS_SHARED says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("LA2DS_SHARED", Path(__file__).parents[2] / "shared")) / "data"
PENN, PEOPLE, GAIT, VIDEOS, MOCAP = (
    DATA / name for name in ("penn_action", "human_events", "gait", "videos", "mocap/ui_prmd")
)


def _needs(folder: Path) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not folder.is_dir(), reason=f"needs the shared data in {folder}")


needs_penn, needs_people, needs_gait = _needs(PENN / "labels"), _needs(PEOPLE), _needs(GAIT)
needs_mocap = _needs(MOCAP)

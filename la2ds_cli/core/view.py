"""The views in which a clip is compared with another, explained in features/camera_views.py."""

from __future__ import annotations

from typing import Literal, get_args

View = Literal["filmed", "mirrored", "other", "turned"]
VIEWS: tuple[View, ...] = get_args(View)
FLIPPED: tuple[View, ...] = ("mirrored", "other")  # views in which the picture is shown flipped
UNTURNED: tuple[View, ...] = ("filmed", *FLIPPED)  # views that need no joints in metres
ViewName = Literal["auto", "filmed", "mirrored", "other", "turned"]  # auto: the nearest view

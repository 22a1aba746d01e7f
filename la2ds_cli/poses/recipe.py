"""What poses are made from: the key under which they are current."""

from __future__ import annotations

from la2ds_cli.core.artifact import Recipe
from la2ds_cli.core.config_sections import PosesConfig

STEP = "poses"
VERSION = 2  # raised when the same settings give other joints
_SETTINGS = (
    *("flip_test", "decoder", "detect_threshold", "detect_rate", "joint_threshold", "subjects"),
    *("bridge", "smooth"),
)


def pose_recipe(
    config: PosesConfig,
    pose: str,
    detector: str,
    digest: str,
    *,
    options: str = "",
    subject: str = "",
    person: int = 1,
) -> Recipe:
    """What poses are made from. pose, detector: identities; options: ClipOptions.to_text;
    subject: of this clip alone, empty = that of the settings."""
    used = {
        "detector": detector,
        "pose": pose,
        **{name: getattr(config, name) for name in _SETTINGS},
        "subject": subject or config.subject,
    }
    used |= {"smooth_seconds": config.smooth_seconds} if config.smooth != "none" else {}
    used |= {"options": options} if options else {}
    used |= {"person": person} if person > 1 else {}
    return Recipe(STEP, VERSION, used, {"video": digest})

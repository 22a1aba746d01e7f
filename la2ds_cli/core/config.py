"""Configuration: frozen dataclasses <-> TOML; an unknown key is an error with a suggestion.

Precedence, lowest first: the defaults below, the preset (la2ds_cli/core/presets/NAME.toml), the
project's project.toml, `--set section.key=value`. Numbers that define a training recipe are in the
presets and here, never in the network or the training loop.
"""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_type_hints

from la2ds_cli.core.config_sections import (
    AlignConfig,
    AugmentConfig,
    EvaluateConfig,
    HeatmapConfig,
    ModelConfig,
    PosesConfig,
    Range,
    TrainConfig,
)
from la2ds_cli.core.errors import UserError, check_choice, did_you_mean
from la2ds_cli.core.plugins import trust

_PRESETS = Path(__file__).parent / "presets"


@dataclass(frozen=True)
class Config:
    """All settings of a project, one section per step."""

    preset: str = "default"
    poses: PosesConfig = field(default_factory=PosesConfig)
    heatmap: HeatmapConfig = field(default_factory=HeatmapConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    align: AlignConfig = field(default_factory=AlignConfig)
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)

    def to_dict(self) -> dict[str, Any]:
        """Return a nested plain dict, ready for TOML or JSON."""
        return dataclasses.asdict(self)


def preset_names() -> list[str]:
    """Return the names of the shipped presets."""
    return sorted(path.stem for path in _PRESETS.glob("*.toml"))


def read_preset(name: str) -> dict[str, Any]:
    """Read the file of a shipped preset as a nested dict. Raises UserError (exit 2) with a list of
    names."""
    check_choice("preset", name, preset_names())
    text = (_PRESETS / f"{name}.toml").read_text("utf-8")
    return tomllib.loads(text)


@cache
def _preset_config(name: str) -> Config:
    """Return a preset on top of the one that it names as `preset`, or of the defaults."""
    settings = read_preset(name)
    base = settings.pop("preset", None)
    return _apply(_preset_config(base) if base else Config(), settings, f"preset {name}")


def load_config(
    project_settings: Mapping[str, Any] | None = None,
    *,
    preset: str | None = None,
    overrides: Iterable[str] = (),
) -> Config:
    """Merge defaults, preset, project settings and `section.key=value` overrides.

    Parameters
    ----------
    project_settings
        The content of project.toml.
    preset
        Replaces the preset named in `project_settings`.
    overrides
        Texts `section.key=value`.

    Raises
    ------
    UserError
        Exit 2 for an unknown key, with the nearest known one, and for a value that does not fit its
        type, such as a preset that is not text.
    """
    settings = dict(project_settings or {})
    default = settings.pop("preset", "default")
    chosen = preset or default
    if not isinstance(chosen, str):
        raise UserError(
            f"project.toml: preset must be a name in quotes, not {_short(chosen)}",
            hint=f"presets: {', '.join(preset_names())}",
        )
    config = _apply(_preset_config(chosen), settings, "project.toml")
    for text in overrides:
        config = _apply(config, _parse_override(text), "--set")
    return dataclasses.replace(config, preset=chosen)


def override_texts(settings: Mapping[str, Any]) -> list[str]:
    """Return values by `section.key`, such as {"align.movement": 0}, as load_config takes them."""
    return [f"{name}={json.dumps(value)}" for name, value in settings.items()]  # as TOML, if plain


def _parse_override(text: str) -> dict[str, Any]:
    name, equals, raw = text.partition("=")
    section, dot, key = name.strip().partition(".")
    if not (equals and dot):
        raise UserError(
            f"cannot read the setting '{text}'", hint="write it as --set section.key=value"
        )
    try:
        value = tomllib.loads(f"value = {raw.strip()}")["value"]
    except (ValueError, RecursionError):
        value = raw.strip()  # an unquoted value is a string
    trust(value)
    return {section: {key: value}}


def _apply(config: Config, settings: Mapping[str, Any], origin: str) -> Config:
    sections = [each.name for each in dataclasses.fields(config) if each.name != "preset"]
    changed = {}
    for name, values in settings.items():
        if name not in sections:
            raise _unknown(name, sections, origin, "section")
        where = f"{origin}: [{name}]"
        if not isinstance(values, Mapping):
            raise UserError(f"{where} must be a table of settings")
        section = getattr(config, name)
        hints = kinds(type(section))
        checked = {}
        for key, value in values.items():
            if key not in hints:
                raise _unknown(key, list(hints), where, "setting")
            kind, limits = hints[key]
            checked[key] = _coerced(value, kind, f"{where} {key}")
            if kind in (int, float):
                limits.check(f"{where} {key}", checked[key])
        changed[name] = dataclasses.replace(section, **checked)
    return dataclasses.replace(config, **changed)


@cache
def kinds(section: type) -> dict[str, tuple[Any, Range]]:
    """Return the type of each setting of a section, and the range of its values if a number."""
    hints = get_type_hints(section, include_extras=True)
    parts = {name: getattr(hint, "__metadata__", (Range(),)) for name, hint in hints.items()}
    return {name: (hint, parts[name][0]) for name, hint in get_type_hints(section).items()}


_KINDS = {int: "a whole number", float: "a number", str: "a text in quotes", bool: "true or false"}


def _coerced(value: Any, hint: Any, where: str) -> Any:
    """Check a value against its type hint or Literal choices, and return it; an int becomes a float
    if the hint is float."""
    choices = get_args(hint)
    if choices:
        if value not in choices or isinstance(value, bool) != isinstance(choices[0], bool):
            raise UserError(
                f"{where}: '{_short(value)}' is not allowed",
                hint=f"one of: {', '.join(map(str, choices))}",
            )
        return value
    if hint is float and type(value) is int:
        try:
            return float(value)
        except OverflowError:  # more than 308 digits
            raise UserError(f"{where}: '{_short(value)}' is too large") from None
    if type(value) is not hint:
        raise UserError(f"{where}: '{_short(value)}' is not {_KINDS[hint]}")
    return value


def _short(value: Any) -> str:
    try:
        text = str(value)
    except ValueError:
        return "a number of thousands of digits"
    return text if len(text) <= 80 else f"{text[:77]}..."


def _unknown(name: str, names: list[str], origin: str, kind: str) -> UserError:
    near = did_you_mean(name, names)
    hint = f"{near}otherwise delete it" if near else "delete it"
    return UserError(
        f"{origin}: unknown {kind} '{name}'; it may be misspelt, or removed since an older version",
        hint=f"{hint}; known: {', '.join(sorted(names))}",
    )

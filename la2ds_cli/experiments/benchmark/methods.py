"""Which methods are compared, and the settings each of them is trained with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from la2ds_cli.core.config import Config, preset_names
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.project import Project
from la2ds_cli.experiments.benchmark.paper import paper_methods
from la2ds_cli.training.losses import get_method, method_names, method_recipe

# The joints' own movement would vote beside every embedding and hide what a method learned.
ALONE = "align.pool=false"


@dataclass(frozen=True)
class Method:
    """preset: of its own, None = that of the project. overrides: what its name stands for."""

    name: str
    label: str
    preset: str | None
    overrides: tuple[str, ...]

    def config(self, project: Project, settings: Sequence[str], seed: int) -> Config:
        """What the method is trained and scored with: its recipe and `settings`, which win.

        Steps, alignment and evaluation are those of the project for all methods alike.
        """
        common = common_config(project, settings)
        preset = self.preset
        if preset is None and project.config().preset in shipped_methods():
            preset = "default"  # the project's is that of another method
        config = project.config(
            preset=preset,
            overrides=[
                f"train.steps={common.train.steps}",
                *self.overrides,
                *settings,
                f"train.seed={seed}",
            ],
        )
        return replace(config, align=common.align, evaluate=common.evaluate)


def common_config(project: Project, settings: Sequence[str]) -> Config:
    """The settings that all methods share."""
    return project.config(overrides=[ALONE, *settings])


def shipped_methods() -> list[str]:
    """Names of all methods of the package: those of the paper in its order, then others."""
    losses, presets = method_names(), preset_names()
    known = [name for name in paper_methods() if name in losses or name in presets]
    return [*known, *(name for name in losses if name not in known)]


def find_methods(names: Sequence[str]) -> list[Method]:
    """By names of `shipped_methods`, or dotted paths of modules.

    UserError (exit 2) for an unknown name, one that comes twice, or none at all.
    """
    if not names or len(set(names)) < len(names):
        raise UserError(
            f"the methods must be different names, got {', '.join(names) or 'none'}",
            hint=f"methods: {', '.join(shipped_methods())}, or dotted paths of modules",
        )
    return [_find(name) for name in names]


def _find(name: str) -> Method:
    if name not in shipped_methods():
        _check_module(name)
    preset, overrides = method_recipe(name)
    label = paper_methods()[name].label if name in paper_methods() else name
    return Method(name, label, preset, tuple(overrides))


def _check_module(name: str) -> None:
    """UserError (exit 2) for a dotted path that is no method, before anything is trained."""
    try:
        module = get_method(name)
    except UserError:
        raise
    except Exception as error:  # the code of others
        raise UserError(f"{name} cannot be imported: {type(error).__name__}: {error}") from error
    for part in ("PAIRS", "loss"):
        if not hasattr(module, part):
            raise UserError(f"{name} has no {part}", hint="docs/extending.md says what it needs")

"""Training methods: one file each, here or in la2ds_cli/methods. To add one, write a file there
with

    NAMES = ("name",)        # values of train.method
    PAIRS = "copies"         # what a batch holds, see below
    def loss(network, batch, config, generator):
        return value         # a scalar tensor

and, if it needs its own settings, `la2ds_cli/core/presets/NAME.toml`, which begins with
`preset = "default"` and sets train.method. `la2ds train --method NAME` uses both. A method in your
own package is named by its dotted path (`mypackage.mymodule`).

network: a la2ds_models.sequence_network.SequenceNetwork. batch: a PairBatch
(la2ds_cli.training.batches). PAIRS says what `batch.original` and `batch.augmented` are:

* `copies`: a clip and an augmented copy of it; `batch.truth` holds for each frame of the copy its
  index in the clip;
* `clips`: an augmented copy of a clip and one of another clip; `batch.truth` is the share of the
  second clip that has passed at each of its frames, in [0, 1], and says nothing about the first.

`batch.done` is the share of the run that is done, for what changes during a run: of its steps or,
if that is more, of the time that it may take.

Every method can read every `model.input` except rgb, which needs PAIRS = `clips`. The only
augmentation of frozen video-frame features is the mirror image: a copy of a clip has the same
features as the clip, and matching the two teaches nothing. A method for which that does not hold
lists the inputs that it reads,

    INPUTS = ("both", "heatmap", "joints", "joints3d", "rgb")

config: the whole Config. generator: the random numbers of this step, so that a resumed run draws
the same ones; a loss that draws from another source cannot be resumed exactly.

A method with its own parameters adds

    def head(config):
        return module        # an nn.Module

which is trained as the submodule `method_head` of the network. Only the resume state contains it;
the weights used to embed do not.

A module of your own has no preset; it lists the settings that it needs as a literal,

    SETTINGS = ("model.encoder=mypackage.mymodule", "train.learning_rate=3e-4")

which `--set` overrides (docs/how-to/extend.md, "A loss that trains").
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, Protocol, cast, get_args

from la2ds_cli.core.config import preset_names
from la2ds_cli.core.config_sections import ModelInput
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.plugins import load_plugin, plugin_names, trust

if TYPE_CHECKING:
    import torch

    from la2ds_cli.core.config import Config
    from la2ds_cli.training.batches import PairBatch
    from la2ds_models.sequence_network import SequenceNetwork

Pairs = Literal["copies", "clips"]
HEAD = "method_head"
_PACKAGES = (__name__, "la2ds_cli.methods")  # the product's own method, and those of other papers


class Method(Protocol):
    """What a module of this folder provides."""

    PAIRS: Pairs
    loss: Callable[[SequenceNetwork, PairBatch, Config, torch.Generator], torch.Tensor]
    # head: Callable[[Config], nn.Module], if the method has parameters
    # INPUTS: tuple[ModelInput, ...], if it differs from what PAIRS allows


def method_names() -> list[str]:
    """Return names of the shipped methods, sorted, without importing them."""
    return sorted(plugin_names(*_PACKAGES))


def get_method(name: str) -> Method:
    """Return the module of a shipped method or a dotted path; raises UserError (exit 2) if
    unknown."""
    hint = "or the dotted path of a module with PAIRS and loss(network, batch, config, generator)"
    module = load_plugin(*_PACKAGES, setting=name, what="training method", hint=hint)
    return cast(Method, module)


def method_recipe(method: str | None, preset: str | None = None) -> tuple[str | None, list[str]]:
    """Return preset and overrides to train with `method`; None = the method of the project.

    The preset of the method's name, if there is one and no other is given; of the user's own
    module, its SETTINGS.

    Raises
    ------
    UserError: exit 2 if a preset is combined with a method that is itself a preset, such as casa.
    """
    if None not in (method, preset) and method in set(preset_names()) - set(method_names()):
        given = "--preset or --from base" if preset == "base" else "--preset"
        raise UserError(
            f"the method {method} is itself a preset and cannot be combined with the preset "
            f"{preset}",
            hint=f"omit {given}, and change single settings with --set section.key=value",
        )
    trust(method)
    if method is None:
        return preset, []
    if preset is None and method in preset_names():
        return method, []
    own = method not in (*method_names(), *preset_names())
    settings = getattr(get_method(method), "SETTINGS", ()) if own else ()
    return preset, [f'train.method="{method}"', *settings]


def readable_inputs(method: Method) -> tuple[str, ...]:
    """Return the values of `model.input` that a method accepts."""
    own = getattr(method, "INPUTS", None)
    if own is not None:
        return tuple(own)
    return tuple(name for name in get_args(ModelInput) if name != "rgb" or method.PAIRS == "clips")


def check_input(config: Config) -> None:
    """Raises UserError (exit 2) if the method cannot learn from `model.input`."""
    name, wanted = config.train.method, config.model.input
    method = get_method(name)
    inputs = readable_inputs(method)
    if wanted in inputs and not (wanted == "rgb" and config.model.pooling == "cls"):
        return
    if wanted in inputs:
        raise UserError(
            "model.pooling=cls pools the patches of heatmaps, which --input rgb does not have",
            hint="--method lav reads rgb without a video transformer",
        )
    reason, hint = f"the method {name} does not read {wanted}", f"--input {' or '.join(inputs)}"
    if wanted == "rgb" and method.PAIRS == "copies":
        others = [n for n in method_names() if "rgb" in readable_inputs(get_method(n))]
        reason += (
            ": it matches a clip with its own copy, which has the same video-frame features, and "
            "would learn nothing"
        )
        hint += f"; or --method {' or '.join(others)}"
    raise UserError(reason, hint=hint)


def projected_pair(
    network: SequenceNetwork, batch: PairBatch, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return projected features of both sides of a batch, (B, N, D) and (B, M, D).

    With cross-attention, each side's features depend on the other side.
    """
    one, other = batch.original, batch.augmented
    first = network.encode(one.maps, one.joints, one.mask, generator)
    second = network.encode(other.maps, other.joints, other.mask, generator)
    first, second = network.cross(first, second, one.mask, other.mask, generator)
    return network.project(first), network.project(second)


def add_head(network: SequenceNetwork, config: Config) -> None:
    """Add the parameters of train.method to `network` as its submodule `method_head`.

    They are drawn from train.seed; the global random state is unchanged. Does nothing for a method
    without `head`.
    """
    head = getattr(get_method(config.train.method), "head", None)
    if head is None:
        return
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(config.train.seed)
        network.add_module(HEAD, head(config))

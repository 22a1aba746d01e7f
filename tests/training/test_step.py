"""One optimisation step: its rate, its precision, its clipped gradient."""

from __future__ import annotations

import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from la2ds_cli.core.config_sections import TrainConfig
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.training import checkpoint
from la2ds_cli.training.loop import learning_rate, uses_bf16
from la2ds_cli.training.train import TrainOptions, train
from la2ds_models.vivit import TransformerBlock
from tests.small_runs import JOINTS, metrics

CPU = torch.device("cpu")


def test_schedules_by_hand() -> None:
    cosine = TrainConfig(learning_rate=1.0, warmup=10)
    assert learning_rate(cosine, 0, 0.0) == pytest.approx(0.1)
    assert learning_rate(cosine, 50, 0.5) == pytest.approx(0.5)
    assert learning_rate(cosine, 99, 1.0) == pytest.approx(0.0)
    steps = TrainConfig(learning_rate=1.0, warmup=1, schedule="milestones")
    assert learning_rate(steps, 5, 0.14) == 1
    assert learning_rate(steps, 5, 0.21) == 0.25
    assert learning_rate(steps, 5, 0.9) == pytest.approx(0.5**8)


@pytest.mark.parametrize(
    ("found", "expected"), [({"avx512_bf16": True}, True), ({"avx512_bf16": False}, False)]
)
def test_bf16_is_used_by_itself_where_the_processor_has_it(
    monkeypatch: pytest.MonkeyPatch, found: dict[str, bool], expected: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found, raising=False)
    assert uses_bf16(TrainConfig(), CPU) is expected
    assert uses_bf16(TrainConfig(precision="bf16"), CPU)
    assert not uses_bf16(TrainConfig(precision="fp32"), CPU)


def test_bf16_computes_the_blocks_and_keeps_weights_and_loss_in_float32(
    project: StoredProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    real = TransformerBlock.forward

    def watched(self, x, *rest, **named):
        out = real(self, x, *rest, **named)
        if self.training:
            seen.append(self.mlp(self.norm_mlp(x)).dtype)
        return out

    monkeypatch.setattr(TransformerBlock, "forward", watched)
    losses = {}
    for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        seen.clear()
        config = project.config(overrides=[*JOINTS, f"train.precision={precision}"])
        train(project, run=precision, config=config, options=TrainOptions("cpu"))
        assert set(seen) == {dtype}
        losses[precision] = [row["loss"] for row in metrics(project, precision)]
        saved = checkpoint.load_resume(project.run_dir(precision) / "resume.pt")
        assert saved is not None
        assert {tensor.dtype for tensor in saved["network"].values()} == {torch.float32}
    assert losses["bf16"] != losses["fp32"]
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=0.05)


def test_no_update_sees_a_longer_gradient_than_clip_norm(project: StoredProject) -> None:
    norms = []

    def measure(optimiser: torch.optim.Optimizer, *_: object) -> None:
        gradients = [p.grad for group in optimiser.param_groups for p in group["params"]]
        norms.append(float(torch.stack([g.norm() for g in gradients if g is not None]).norm()))

    hook = register_optimizer_step_pre_hook(measure)
    try:
        for run, limit in (("free", 1e9), ("clipped", 0.01)):
            config = project.config(overrides=[*JOINTS, f"train.clip_norm={limit}"])
            train(project, run=run, config=config, options=TrainOptions("cpu"))
    finally:
        hook.remove()
    free, clipped = norms[:20], norms[20:]
    assert len(clipped) == 20
    assert min(free) > 0.1
    assert clipped == pytest.approx([0.01] * 20, rel=1e-3)

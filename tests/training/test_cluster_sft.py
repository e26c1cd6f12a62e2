"""SFT on verl: our settings in verl's names, sessions as rows of tensors, and which of them a step takes."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests.shell import Shell
from tests.tiny import make_long_session, make_sessions

from shop_r1.datasets.session_files import write_sessions
from shop_r1.errors import ConfigError
from shop_r1.models.checkpoint import LocalModel
from shop_r1.records.sessions import Session
from shop_r1.training.cluster.sft.batches import IDLE_ROW, SessionBatches, collate
from shop_r1.training.cluster.sft.overrides import SftFiles, count_steps, sft_overrides
from shop_r1.training.cluster.sft.sessions import SessionTrees, pack_row, unpack_row
from shop_r1.training.memory import session_tokens
from shop_r1.training.session_trees import CheckedSessions, check_sessions, session_trees
from shop_r1.training.settings import SftConfig

FILES = SftFiles(Path("/runs/sft"), Path("/data/train.parquet"), Path("/qwen"))
KNOWN = CheckedSessions(lengths=[10] * 650, weights=None)


def overrides(device: Any = "cpu", resume: bool = False, **changes: Any) -> Any:
    return sft_overrides(SftConfig(**{"bf16": False} | changes), FILES, KNOWN, device, resume)


def test_the_papers_settings_arrive_under_verls_names() -> None:
    found = overrides()
    assert found["optim"]["lr"] == 2e-5
    assert (found["optim"]["schedule"], found["optim"]["lr_warmup_steps"]) == ("cosine", 20)
    assert found["data"]["train_batch_size"] == 64
    assert found["data"]["micro_batch_size_per_gpu"] == 1
    assert found["trainer"]["total_training_steps"] == 4 * 11  # 650 sessions: 10 whole steps and a short one


def test_changed_settings_arrive_too() -> None:
    found = overrides(
        device="cuda",
        resume=True,
        bf16=True,
        max_steps=7,
        weight_decay=0.1,
        adam_beta2=0.95,
        max_grad_norm=0.5,
        lr_scheduler_type="linear",
        per_device_train_batch_size=2,
        gradient_accumulation_steps=4,
        gradient_checkpointing=True,
        save_steps=0,
        cluster={"nodes": 2, "devices_per_node": 4, "offload": True},
    )
    assert found["data"]["train_batch_size"] == 2 * 4 * 8
    assert found["optim"]["betas"] == [0.9, 0.95]
    assert (found["optim"]["weight_decay"], found["optim"]["clip_grad"]) == (0.1, 0.5)
    assert found["optim"]["schedule"] == "linear"
    assert (found["trainer"]["nnodes"], found["trainer"]["n_gpus_per_node"]) == (2, 4)
    assert (found["trainer"]["save_freq"], found["trainer"]["resume_mode"]) == (7, "auto")
    assert found["engine"]["mixed_precision"]["param_dtype"] == "bf16"
    assert found["engine"]["param_offload"] and found["model"]["enable_gradient_checkpointing"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lr_scheduler_type": "cosine_with_min_lr"}, "not one for --engine verl; expected one of constant"),
        ({"report_to": "tensorboard"}, "report_to = 'tensorboard' has no counterpart"),
    ],
)
def test_what_verl_has_not_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        overrides(**changes)


@pytest.mark.parametrize(
    ("changes", "sessions", "steps"),
    [
        ({"max_steps": 5}, 100, 5),
        ({"num_train_epochs": 2, "gradient_accumulation_steps": 8}, 16, 4),
        ({"num_train_epochs": 2, "gradient_accumulation_steps": 8}, 17, 6),
        ({"num_train_epochs": 0.5, "gradient_accumulation_steps": 8}, 40, 3),
        ({"num_train_epochs": 2, "gradient_accumulation_steps": 4, "cluster": {"nodes": 2}}, 16, 4),
    ],
)
def test_steps_are_counted_as_transformers_counts_them(
    changes: dict[str, Any], sessions: int, steps: int
) -> None:
    assert count_steps(SftConfig(**changes), sessions) == steps


def test_a_session_that_is_packed_comes_back_as_it_was(tiny_model: LocalModel) -> None:
    config = SftConfig(prompt={"max_tokens": 800, "max_completion_length": 64})
    weights = {"click": 0.75, "type_and_submit": 1.25, "terminate": 2.0}
    for session in (*make_sessions(), make_long_session("long", 5)):
        trees = session_trees(session, tiny_model, config.prompt, session_tokens(config), weights)
        row = pack_row(trees)
        assert unpack_row(row) == trees
        learnt = [token for tree in trees for each in tree.branches for token in each.completion]
        assert row["input_ids"][row["loss_mask"] == 1].tolist() == learnt


def test_an_idle_row_has_nothing_to_learn() -> None:
    row = pack_row([])
    assert unpack_row(row) == [] and row["loss_mask"].sum() == 0
    assert collate([row, row])["weights"].unbind()[0].tolist() == [0.0]


class _Lengths:
    """A dataset of which only the lengths are asked for."""

    def __init__(self, lengths: list[int]) -> None:
        self.lengths = lengths

    def __len__(self) -> int:
        return len(self.lengths)


def batches(sessions: int, devices: int, seed: int = 0) -> SessionBatches:
    config = SftConfig(
        per_device_train_batch_size=2,
        gradient_accumulation_steps=2,
        seed=seed,
        cluster={"devices_per_node": devices},
    )
    return SessionBatches(_Lengths([100 + each for each in range(sessions)]), config)  # type: ignore[arg-type]


@pytest.mark.parametrize("devices", [1, 2])
def test_each_epoch_takes_every_session_once_in_an_order_of_its_own(devices: int) -> None:
    made = batches(19, devices)
    per_epoch = len(made)
    assert per_epoch == -(-19 // (4 * devices))
    epochs = [
        [row for step in range(first, first + per_epoch) for row in made.rows(step) if row != IDLE_ROW]
        for first in (0, per_epoch)
    ]
    assert [sorted(each) for each in epochs] == [list(range(19))] * 2
    assert epochs[0] != epochs[1]
    assert [made.rows(step) for step in range(per_epoch)] == [
        batches(19, devices).rows(step) for step in range(per_epoch)
    ]
    assert made.rows(0) != batches(19, devices, seed=1).rows(0)


def test_devices_have_equally_many_rows_and_run_like_lengths_at_once() -> None:
    made = batches(8, devices=2)
    (rows,) = [made.rows(step) for step in range(len(made))]
    first, second = torch.tensor(rows).view(2, 2, 2)  # device, micro-batch, session
    one = sorted(torch.cat([first[0], second[0]]).tolist())  # the micro-batches that are run at once
    assert one == [4, 5, 6, 7]  # the longest
    short = batches(5, devices=2)
    last = short.rows(0)
    assert len(last) == 8 and last.count(IDLE_ROW) == 3


def test_a_step_is_rendered_as_trls_path_renders_it(
    tiny_checkpoint: Path, tiny_model: LocalModel, tiny_sessions: list[Session], tmp_path: Path
) -> None:
    config = SftConfig(per_device_train_batch_size=4, gradient_accumulation_steps=1, type_ratio=1.1)
    data = tmp_path / "sessions.jsonl"
    write_sessions(data, tiny_sessions)
    known = check_sessions(tiny_sessions, config.type_ratio)
    settings = sft_overrides(config, SftFiles(tmp_path, data, tiny_checkpoint), known, "cpu", resume=False)
    ours = SimpleNamespace(shop_r1=SimpleNamespace(**settings["data"]["shop_r1"]))
    made = SessionBatches(SessionTrees([str(data)], tiny_model.tokenizer, ours), config)
    columns = {name: column.unbind() for name, column in made.batch(0).items()}
    found = [
        unpack_row(dict(zip(columns, values, strict=True))) for values in zip(*columns.values(), strict=True)
    ]
    expected = [
        session_trees(tiny_sessions[row], tiny_model, config.prompt, session_tokens(config), known.weights)
        for row in made.rows(0)
    ]
    assert found == expected


def test_without_verl_the_command_says_where_it_is(shell: Shell, tmp_path: Path) -> None:
    data = tmp_path / "sessions.jsonl"
    assert shell("simulate", "--shoppers", 3, "--out", data)[0] == 0
    code, _, err = shell("sft", "--engine", "verl", "--data", data, "--out", tmp_path / "out", "max_steps=1")
    assert code == 2 and "which is not installed here; make cluster makes an environment" in err


def test_a_run_goes_on_from_its_own_engines_checkpoints_alone(shell: Shell, tmp_path: Path) -> None:
    data, out = tmp_path / "sessions.jsonl", tmp_path / "out"
    assert shell("simulate", "--shoppers", 3, "--out", data)[0] == 0
    (out / "checkpoints").mkdir(parents=True)
    (out / "checkpoints" / "latest_checkpointed_iteration.txt").write_text("4")
    code, _, err = shell("sft", "--data", data, "--out", out, "--force", "--resume")
    assert code == 2 and "holds checkpoints of --engine verl" in err

"""verl's synchronous GRPO trainer with our rewards, advantages, figures and alerts (paper, section 3, Eq. 4).

verl samples, measures probabilities and updates; between, this scores a step's completions with the functions
of the TRL path (`training.grpo`), so both engines learn from the same advantages.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
import torch
import transfer_queue as tq
from tensordict import TensorDict
from torch import Tensor
from transformers import TrainerControl, TrainerState
from verl.trainer.ppo.utils import Role
from verl.trainer.ppo.v1.trainer_sync import PPOTrainerSync
from verl.utils.seqlen_balancing import calculate_workload, get_seqlen_balanced_partitions
from verl.workers.utils.padding import response_from_nested

from shop_r1.datasets.examples import example_outlines
from shop_r1.jsonl import read_json, write_json
from shop_r1.training.cluster.engine import MEASURE
from shop_r1.training.cluster.grpo.routing import GroupClient
from shop_r1.training.cluster.start import OUR_STATE, remove_older_steps, saved_step_folder
from shop_r1.training.cluster.workers import CpuWorker
from shop_r1.training.grpo.recorder import StepRecorder
from shop_r1.training.grpo.scorer import ScoredCompletion, score_step
from shop_r1.training.grpo.step_advantages import StepAdvantages
from shop_r1.training.grpo.step_metrics import sampler_trainer_mismatch, step_metrics
from shop_r1.training.health_checks import RULES, Alerts
from shop_r1.training.progress.logs import MetricsLog
from shop_r1.training.settings import GrpoConfig

POLL_S = 0.1
"""Between two looks at whether all completions of a step are there; verl's own is 2 s."""
_TIMES = {
    "step": ("step",),
    "sampling": ("gen",),
    "scoring": ("old_log_prob", "ref"),
    "update": ("update_actor",),
    "weight_sync": ("update_weights",),
}
"""By our names, the parts of a step as verl times them."""


class OneProcess:
    """What `StepAdvantages` asks of accelerate, where one process has all completions."""

    device = torch.device("cpu")

    def gather(self, values: Tensor) -> Tensor:
        """Return them: there are no others."""
        return values


class ClusterTrainer(PPOTrainerSync):
    """Runs on one process of the cluster, and drives the others."""

    total_training_steps: int  # verl's

    def __init__(self, config: Any) -> None:
        self._settings = GrpoConfig.model_validate_json(config.shop_r1.settings)
        out = self._out = Path(config.shop_r1.out)
        settings = self._settings
        self._control, self._state = TrainerControl(), TrainerState(max_steps=settings.max_steps)
        self._metrics = MetricsLog(out / "metrics.jsonl")
        self._alerts = Alerts(out / "alerts.jsonl", RULES if settings.alerts else {}, settings.stop_on_alert)
        self._recorder = StepRecorder(
            out / "rollouts.jsonl", settings.rollout_groups, settings.num_generations
        )
        self._advantages = StepAdvantages(settings, OneProcess())
        self._figures: dict[str, float] = {}
        super().__init__(config)

    def _build_replay_buffer(self) -> Any:
        buffer = super()._build_replay_buffer()
        buffer.poll_interval = POLL_S
        return buffer

    def _init_resource_pool_mgr(self) -> None:
        super()._init_resource_pool_mgr()
        if self.config.trainer.device == "cpu":
            for role in set(self.role_worker_mapping) & {Role.Actor, Role.ActorRollout, Role.ActorRolloutRef}:
                self.role_worker_mapping[role] = ray.remote(CpuWorker)

    def get_llm_client(self) -> GroupClient:
        """Return what asks vLLM's servers, one of them for all of a group."""
        client: GroupClient = self.llm_server_manager.get_client(GroupClient)
        return client

    def on_train_begin(self) -> None:
        """Drop from the logs what an interrupted run wrote of steps that are still to come."""
        outlines = example_outlines(self.train_dataset.examples)
        self._types = tuple(dict.fromkeys(name for each in outlines for name in each.space.type_names))
        self._state.global_step = self.global_steps - 1
        for log in (self._metrics, self._alerts, self._recorder):
            log.on_train_begin(None, self._state, self._control)

    def _balance_batch(self, batch: Any, metrics: dict[str, Any], **settings: Any) -> Any:
        """Give each device whole groups, about as much work as the others and as many of them.

        verl's own spreads completions, so that each device would run nearly all prompts.
        """
        groups = _by_group([key.split("_")[0] for key in batch.keys], self._settings.num_generations)
        work = [_group_work([batch.tags[row] for row in rows]) for rows in groups]
        devices = self._settings.cluster.data_parallel
        parts = get_seqlen_balanced_partitions(work, k_partitions=devices, equal_size=True)
        batch.reorder([row for part in parts for group in part for row in groups[group]])
        return batch

    def _compute_old_log_prob(self, batch: Any, metrics: dict[str, Any]) -> Any:
        """Measure self-certainty in the pass that measures the policy's probabilities.

        All of the step is sampled, so the servers that had its prompts are free for any others.
        """
        ray.get(self.llm_server_manager.global_load_balancer.clear_sticky_cache.remote())
        reward = self._settings.reward
        batch.extra_info[MEASURE] = reward.certainty_direction if reward.use_rationale else None
        batch = super()._compute_old_log_prob(batch, metrics)
        batch.extra_info[MEASURE] = None
        return batch

    def _compute_advantage(self, batch: Any, metrics: dict[str, Any]) -> Any:
        """Score the step's completions, and give each of its tokens the completion's advantage."""
        fields = ["index", "responses", "response_mask", "rollout_log_probs", "old_log_probs"]
        fields += ["prompts", "extra_fields"]
        if self._settings.reward.use_rationale:
            fields.append("certainty")
        data = tq.kv_batch_get(keys=batch.keys, partition_id=batch.partition_id, select_fields=fields)
        completions = self._score(data)
        advantages = self._advantages.compute(completions, self._types).float()
        completions = [
            replace(each, advantage=advantage)
            for each, advantage in zip(completions, advantages.tolist(), strict=True)
        ]
        self._note_step(completions, data)
        return _put_advantages(batch, data["response_mask"], completions)

    def _score(self, data: Any) -> list[ScoredCompletion]:
        """Return the completions, those of a group together, as the TRL path scores them."""
        dataset, mask = self.train_dataset, data["response_mask"]
        indices = [int(each) for each in _values(data["index"])]
        ids = [row.tolist() for row in data["responses"].unbind()]
        certainty: list[Tensor | None] = [None] * len(ids)
        if "certainty" in data:
            certainty = list(response_from_nested(data["certainty"], mask).unbind())
        return score_step(
            dataset.model,
            [dataset.examples[index] for index in indices],
            ids,
            certainty,
            self._settings.reward,
        )

    def _note_step(self, completions: Sequence[ScoredCompletion], data: Any) -> None:
        """Keep the step's figures for its line in metrics.jsonl, and write its rollouts."""
        found = sampler_trainer_mismatch(
            list(data["rollout_log_probs"].unbind()), list(data["old_log_probs"].unbind())
        )
        self._figures = {
            **step_metrics(completions, self._settings.num_generations, self._types),
            **self._advantages.figures,
            "sampling/trainer_mismatch": found[0],
            "sampling/trainer_mismatch_max": found[1],
            "sampling/prompts_cached": _cached_share(data),
        }
        self._recorder.write(self.global_steps, completions)

    def _compute_metrics(
        self,
        batch: Any,
        metrics: dict[str, Any],
        timing_raw: Mapping[str, float],
        global_steps: int,
        epoch: int,
    ) -> None:
        """Write the step's line, and look for alerts."""
        super()._compute_metrics(batch, metrics, timing_raw, global_steps, epoch)
        logs = self._figures | {
            ours: float(metrics[theirs])
            for theirs, ours in (
                ("actor/loss", "loss"),
                ("actor/grad_norm", "grad_norm"),
                ("actor/lr", "learning_rate"),
                ("actor/kl_loss", "kl"),
            )
            if theirs in metrics
        }
        if "perf/throughput" in metrics:  # of one device
            logs["tokens_per_second"] = metrics["perf/throughput"] * self._settings.cluster.devices
        logs |= {
            f"seconds/{ours}": sum(timing_raw.get(name, 0.0) for name in theirs)
            for ours, theirs in _TIMES.items()
        }
        self._state.global_step = global_steps
        for log in (self._metrics, self._alerts):
            log.on_log(None, self._state, self._control, logs)
        if self._control.should_training_stop and global_steps < self.total_training_steps:
            self._save_checkpoint()
            self.total_training_steps = global_steps

    @property
    def last(self) -> Mapping[str, float]:
        """The last step's line."""
        return self._metrics.last

    # Checkpoints

    def _save_checkpoint(self) -> None:
        """Save verl's state, and beside it what our figures and alerts remember; then old ones may go."""
        folder = saved_step_folder(self._out, self.global_steps)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / OUR_STATE, {name: each.state_dict() for name, each in self._kept.items()})
        super()._save_checkpoint()
        remove_older_steps(self._out, self._settings.save_total_limit)

    def _load_checkpoint(self) -> None:
        super()._load_checkpoint()
        if self.global_steps:
            found = read_json(saved_step_folder(self._out, self.global_steps) / OUR_STATE)
            for name, each in self._kept.items():
                each.load_state_dict(found[name])

    @property
    def _kept(self) -> Mapping[str, Any]:
        return {"metrics": self._metrics, "alerts": self._alerts, "type_mix": self._advantages.type_mix}


def _cached_share(data: Any) -> float:
    """Return the share of the prompts' tokens that vLLM did not run, since it had run them before."""
    found = [each["num_cached_tokens"] or 0 for each in _values(data["extra_fields"])]
    return sum(found) / int(data["prompts"].offsets()[-1])


def _values(column: Any) -> list[Any]:
    return [getattr(each, "data", each) for each in column]


def _by_group(uids: Sequence[str], size: int) -> list[list[int]]:
    """Return the numbers of the rows of each prompt.

    >>> _by_group(["a", "b", "a", "b"], 2)
    [[0, 2], [1, 3]]
    """
    groups: dict[str, list[int]] = {}
    for row, uid in enumerate(uids):
        groups.setdefault(uid, []).append(row)
    odd = {uid: len(rows) for uid, rows in groups.items() if len(rows) != size}
    if odd:
        raise ValueError(f"prompts with other than {size} completions: {json.dumps(odd)}")
    return list(groups.values())


def _group_work(tags: Sequence[Mapping[str, int]]) -> int:
    """Return the work of a group, in verl's unit: its prompt is run once, and each completion after it.

    verl takes 24,576 T + T² for T tokens. Here these are 24,576 x 1,070 + 1,000² and what the completions'
    tokens add to the square, 1,050² - 1,000² + 1,020² - 1,000².

    >>> tags = [{"prompt_len": 1000, "seq_len": 1050}, {"prompt_len": 1000, "seq_len": 1020}]
    >>> _group_work(tags) == 24_576 * 1_070 + 1_000**2 + 102_500 + 40_400
    True
    """
    prompt = _work(tags[0]["prompt_len"])
    return prompt + sum(_work(each["seq_len"]) - prompt for each in tags)


def _work(tokens: int) -> int:
    return int(calculate_workload(torch.tensor(tokens)))


def _put_advantages(batch: Any, mask: Any, completions: Sequence[ScoredCompletion]) -> Any:
    """Give verl each token's advantage and return, and the reward where the completion ends.

    Returns the batch, which names what its workers then read.
    """
    advantages, rewards = [], []
    for length, each in zip(mask.offsets().diff().tolist(), completions, strict=True):
        advantages.append(torch.full((length,), each.advantage))
        rewards.append(torch.zeros(length))
        rewards[-1][-1] = each.reward.total
    nested = {
        name: torch.nested.as_nested_tensor(rows, layout=torch.jagged)
        for name, rows in (("advantages", advantages), ("returns", advantages), ("rm_scores", rewards))
    }
    return tq.kv_batch_put(
        keys=batch.keys,
        partition_id=batch.partition_id,
        fields=TensorDict(nested, batch_size=len(completions)),
    )

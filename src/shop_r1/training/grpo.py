"""GRPO with the Shop-R1 reward (paper, section 3, Table 1, Eq. 4), on TRL's GRPOTrainer.

The subclass changes three things and nothing else. Completions are sampled, and scored, as trees: the prompt
that a group shares is run once (`models.prefix_tree`), with the result that stock TRL gives. For that, groups
stay whole where a step's rows are spread over micro-batches. And rewards come from the project's only scorer,
with the self-certainty of the distributions that the completions were drawn from.
"""

import json
import re
import time
import zlib
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch
from accelerate import DistributedType
from accelerate.utils import gather_object
from torch import Tensor
from transformers import PrinterCallback
from trl import GRPOTrainer
from trl.trainer.utils import split_tensor_dict

from datasets import Dataset
from shop_r1.datasets.examples import Example, example_outlines, renderer
from shop_r1.errors import DataError, TrainingError
from shop_r1.importers.masking import refuse_masked
from shop_r1.models.attention import causal_lm
from shop_r1.models.checkpoint import LocalModel, load_model, resolve_model
from shop_r1.models.prefix_tree import Tree, grow_tree
from shop_r1.models.sampling import SampledCompletion, Sampling, sample_completions
from shop_r1.models.scoring import Measure, TokenScores, accept_inside, batch_by_length, score_trees
from shop_r1.prompts.parse import ParseFailure, parse_response
from shop_r1.prompts.render import render_completion
from shop_r1.records.actions import Action, ActionSpace
from shop_r1.records.results import RewardBreakdown
from shop_r1.rewards.certainty import token_certainty
from shop_r1.rewards.rationale import rationale_certainty
from shop_r1.rewards.total import RewardConfig, max_reward, score_response
from shop_r1.training.adapters import lora_config, say_adapter
from shop_r1.training.advantages import equal_rules, group_advantages
from shop_r1.training.checkpoints import digest_examples
from shop_r1.training.devices import check_strategy, save_trained, say_strategy
from shop_r1.training.health_checks import RULES, Alerts
from shop_r1.training.memory import SAMPLED_TOKENS
from shop_r1.training.precision import settle_precision
from shop_r1.training.progress.live import LiveView
from shop_r1.training.progress.monitor import MetricsLog, RolloutLog
from shop_r1.training.progress.panel import grpo_body
from shop_r1.training.progress.steps import (
    ScoredCompletion,
    largest_probability_gap,
    make_rollout,
    probability_gap,
    speed_metrics,
    step_metrics,
)
from shop_r1.training.resume import TrainingRun
from shop_r1.training.settings import GrpoConfig, check_reporter, grpo_arguments
from shop_r1.training.trainer import ResumableTrainer

_TRL_COPIES = re.compile(r"completions/|rewards/|reward$|reward_std$|frac_reward_zero_std$")
"""TRL's own figures of what `watch.step_metrics` has with the reward's parts told apart."""
_Row = tuple[tuple[int, ...], tuple[int, ...]]
"""A prompt's and a completion's token ids."""


def train_grpo(
    examples: Sequence[Example], config: GrpoConfig, out: Path, title: str = "GRPO", resume: bool = False
) -> Mapping[str, float]:
    """Train on the examples, write the checkpoint to `out`, and return the last logged metrics.

    Beside the checkpoint stand `metrics.jsonl` (one line a step), `rollouts.jsonl` (some of each step's
    groups: completions, rewards part by part, advantages) and, where there were any, `alerts.jsonl`. With
    `resume` the run goes on from its last good checkpoint in `out`, if it has any; the reference stays the
    model that `config` names.

    Raises:
        DataError: there are fewer examples than a step takes.
        TrainingError: a target action does not earn the full reward: parser, scorer and data disagree; an
            alert of `stop_on_alert` was raised (the model is written first); `out` holds checkpoints of
            another run; or one cannot be written.
        ConfigError: the package that `report_to` needs is missing.
        ModelError: the model cannot be loaded.
        RunStopped: a signal asked the run to stop; it saved a checkpoint, and no model.
    """
    check_target(examples, config.reward)
    if len(examples) < config.prompts:
        raise DataError(
            f"GRPO has {len(examples)} examples to learn from and a step takes {config.prompts} of them "
            "(prompts); lower prompts, or give more sessions (balancing leaves steps out; skew=0 keeps all)"
        )
    check_reporter(config.report_to)
    config = settle_precision(config, out, resume)
    run = TrainingRun(out, config, digest_examples(examples), resume)
    model = load_model(config.model)
    out.mkdir(parents=True, exist_ok=True)
    trainer = ShopR1Trainer(model, examples, config, out)
    log = MetricsLog(out / "metrics.jsonl")
    alerts = Alerts(out / "alerts.jsonl", RULES if config.alerts else {}, config.stop_on_alert)
    noted = ("reward/value", "policy/parsed")
    check_strategy(trainer.accelerator)
    say_strategy(trainer.accelerator)
    say_adapter(trainer.model)
    trainer.remove_callback(PrinterCallback)
    with LiveView(title, grpo_body, noted, alerts, lambda: trainer.sample) as view:
        for callback in (log, alerts, view):
            trainer.add_callback(callback)
        trainer.show_part = view.show_part
        run.train(trainer, lambda: save_trained(trainer, model, out, config.lora_merge))
    alerts.refuse_to_go_on(out)
    return log.last


def check_target(examples: Sequence[Example], reward: RewardConfig) -> None:
    """Score every target action as a completion; it must earn the most there is.

    Raises:
        DataError: one has a text that a recorder masked.
        TrainingError: one does not. Training on such rewards would fail without a sign.
    """
    known: set[tuple[str, Action]] = set()
    for example in example_outlines(examples):
        if (example.space.name, example.action) not in known:
            known.add((example.space.name, example.action))
            place = f"session {example.session_id}, step {example.step}"
            refuse_masked(place, example.action)
            _check_target_action(place, example.action, example.space, reward)


def _check_target_action(place: str, target: Action, space: ActionSpace, reward: RewardConfig) -> None:
    kind = space.kind(target.type)
    if kind is None:
        raise TrainingError(
            f"{place}: the target action is a {target.type}; the space {space.name} has "
            f"{', '.join(space.type_names)}"
        )
    most = max_reward(Action(type=target.type, **dict.fromkeys(kind.fields, "mug")), space, reward)
    if most <= 0:
        raise TrainingError(
            f"{place}: with these reward settings a right {target.type} earns {most:g}, so nothing can be "
            "learnt from it; switch a part of the reward on"
        )
    scored = score_response(render_completion("", target), target, 0.0, space, reward)
    if scored.total < most:
        reasons = "; ".join(f"{part} {why}" for part, why in scored.reasons.items())
        raise TrainingError(
            f"{place}: the target action {json.dumps(target.to_completion(), ensure_ascii=False)}, given as "
            f"the completion, earns {scored.total:g} where {most:g} is the most ({reasons}); fix the record "
            "(a name or a text in it may be empty or have no word), or leave the session out"
        )


class ShopR1Trainer(ResumableTrainer, GRPOTrainer):
    """TRL's trainer with shared-prefix sampling and scoring, and the project's scorer.

    Attributes:
        sample: the last step's first completion.
    """

    def __init__(self, model: LocalModel, examples: Sequence[Example], config: GrpoConfig, out: Path) -> None:
        self._local = model
        self._examples = examples
        self._config = config
        self._rollouts = RolloutLog(out / "rollouts.jsonl")
        self.sample = ""
        self._seconds = {"sampling": 0.0, "rewards": 0.0}  # of the step so far
        self._tokens_before = 0
        self._scored: list[RewardBreakdown] = []
        self._sampled: list[SampledCompletion] | None = None  # the step's completions
        self._buffered_inputs: list[dict[str, Any]] | None = None
        self._measure = partial(token_certainty, direction=config.reward.certainty_direction)
        accept_inside(causal_lm(model.model))
        render = renderer(model, config.prompt)

        @lru_cache(maxsize=config.prompts)
        def messages(index: int) -> list[dict[str, str]]:
            return model.chat(render(examples[index]).prompt.messages)

        self._messages = messages

        # TRL loads the reference policy from the name in the model's configuration.
        model.model.config._name_or_path = resolve_model(config.model)
        super().__init__(
            model=model.model,
            reward_funcs=[_placeholder],
            args=grpo_arguments(config, out),
            train_dataset=Dataset.from_dict({"example": list(range(len(examples)))}),
            processing_class=model.tokenizer,
            peft_config=lora_config(config),
        )
        self.add_callback(self._rollouts)
        if self.ref_model is not None:
            accept_inside(self.ref_model)

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        """Return the micro-batch to learn from, as TRL does, its rows in their order: groups stay whole."""
        count = self.args.steps_per_generation
        if self._step % count == 0 or self._buffered_inputs is None:
            self._buffered_inputs = split_tensor_dict(
                self._generate_and_score_completions(generation_batch), count
            )
        return self._buffered_inputs[self._step % count]

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        """Add each row's prompt, which is built when it is needed and never stored, and our advantages."""
        started, self._tokens_before = time.perf_counter(), self.state.num_input_tokens_seen
        batch: dict[str, Any] = super()._generate_and_score_completions(
            [row | {"prompt": self._messages(row["example"])} for row in inputs]
        )
        batch |= {"advantages": self._advantages()}
        self._watch(inputs, batch)
        self._seconds["rewards"] = time.perf_counter() - started - self._seconds["sampling"]
        self.prelude_s += time.perf_counter() - started
        return batch

    # -- sampling -------------------------------------------------------------------------------------

    def _generate_single_turn(
        self, prompt_ids: list[list[int]], *args: Any, **kwargs: Any
    ) -> tuple[list[list[int]], list[list[float]] | None]:
        """Return a completion for each prompt; equal prompts beside each other are run as one tree."""
        self._prompt_ids, self._sampled = prompt_ids, None
        if self.use_vllm:
            completions, log_probs = super()._generate_single_turn(prompt_ids, *args, **kwargs)
            self._sampled = [
                SampledCompletion(ids, torch.tensor(found))
                for ids, found in zip(completions, log_probs, strict=True)
            ]
            return completions, log_probs
        sampling = Sampling(
            temperature=self._config.temperature,
            top_p=self._config.top_p,
            top_k=self._config.top_k,
            max_new_tokens=self._config.max_completion_length,
        )
        first = self.accelerator.process_index * len(prompt_ids)
        groups, step = _group_equal(prompt_ids), self.state.global_step
        trees = [grow_tree([prompt_ids[row] for row in rows]) for rows in groups]
        seeds = [[_seed(self._config.seed, step, first + row) for row in rows] for rows in groups]
        self.model.eval()
        with self.accelerator.autocast():
            self._sampled = self.model(inside=lambda model: self._sample(model, trees, sampling, seeds))
        self.model.train()
        return [completion.ids for completion in self._sampled or []], None

    def _sample(
        self, model: Any, trees: Sequence[Tree], sampling: Sampling, seeds: Sequence[Sequence[int]]
    ) -> list[SampledCompletion]:
        """Return the trees' completions in order; as many trees at once as memory is planned for."""
        # Sharded weights are gathered by all processes together, so they must take the same steps.
        together = self.accelerator.distributed_type == DistributedType.FSDP
        sizes = [tree.size for tree in trees]
        pieces = [[row] for row in range(len(trees))] if together else batch_by_length(sizes, SAMPLED_TOKENS)
        found: dict[int, list[SampledCompletion]] = {}
        ends, pad = self._local.end_ids, self._local.pad_id
        for rows in pieces:
            self.show_part(f"sampling, {len(found)}/{len(trees)} groups", 0.0)
            self.stop_if_asked_alone()
            chosen, drawn = [trees[row] for row in rows], [seed for row in rows for seed in seeds[row]]
            completions = iter(
                sample_completions(model, chosen, sampling, ends, pad, drawn, self._measure, together)
            )
            found |= {row: [next(completions) for _ in seeds[row]] for row in rows}
        return [completion for row in range(len(trees)) for completion in found[row]]

    # -- scoring --------------------------------------------------------------------------------------

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: Tensor,
        attention_mask: Tensor,
        logits_to_keep: int,
        *args: Any,
        **kwargs: Any,
    ) -> tuple[Tensor, Tensor, None]:
        """Return (B, C) log probabilities and entropies of the completions; shared prompts are run once.

        Args:
            model: the policy or the reference.
            input_ids: (B, P + C), prompts padded on the left, completions on the right.
            attention_mask: (B, P + C).
            logits_to_keep: C.
            *args: TRL's other arguments, for images and mixtures of experts.
            **kwargs: likewise.
        """
        rows = _read_rows(input_ids, attention_mask, logits_to_keep)
        scores = self._score(model, rows)
        if torch.is_grad_enabled() and self._sampled is not None:
            self._note_gap(rows, scores)
        return (
            _pad([score.log_probs for score in scores], logits_to_keep),
            _pad([score.entropy for score in scores], logits_to_keep),
            None,
        )

    def _note_gap(self, rows: Sequence[_Row], scores: Sequence[TokenScores]) -> None:
        """Log how far the probabilities at which tokens were drawn are from those that are learnt from."""
        drawn = {
            (tuple(prompt), tuple(completion.ids)): completion.log_probs
            for prompt, completion in zip(self._prompt_ids, self._sampled or [], strict=True)
        }
        pair = [drawn[row] for row in rows], [score.log_probs for score in scores]
        gaps = torch.tensor([probability_gap(*pair), largest_probability_gap(*pair)])
        gaps = self.accelerator.gather(gaps.to(self.accelerator.device)).view(-1, 2)
        metrics = self._metrics["train"]
        metrics["sampling/probability_gap"].append(gaps[:, 0].mean().item())
        metrics["sampling/probability_gap_max"].append(gaps[:, 1].max().item())

    def _score(self, model: Any, rows: Sequence[_Row], measure: Measure | None = None) -> list[TokenScores]:
        """Return each row's scores; rows with equal prompts share one tree."""
        groups: dict[tuple[int, ...], list[int]] = {}
        for index, (prompt, _) in enumerate(rows):
            groups.setdefault(prompt, []).append(index)
        trees = [
            grow_tree([prompt] * len(found), [rows[i][1] for i in found]) for prompt, found in groups.items()
        ]
        with self.accelerator.autocast():
            scores = score_trees(model, trees, self._local.pad_id, self.temperature, measure)
        order = [index for found in groups.values() for index in found]
        by_row = dict(zip(order, scores, strict=True))
        return [by_row[index] for index in range(len(rows))]

    # -- rewards --------------------------------------------------------------------------------------

    def _calculate_rewards(
        self,
        inputs: list[dict[str, Any]],
        prompts: Any,
        completions: Any,
        completion_ids_list: list[list[int]],
    ) -> Tensor:
        """Return (B, 1) rewards of all processes' completions, and note their parts."""
        certainties = self._measure_certainty(inputs, completion_ids_list)
        self._scored = []
        for row, ids, certainty in zip(inputs, completion_ids_list, certainties, strict=True):
            example = self._examples[row["example"]]
            target = example.session.steps[example.step].action
            self._scored.append(
                score_response(self._local.decode(ids), target, certainty, example.space, self._config.reward)
            )
        totals = torch.tensor([[score.total] for score in self._scored], device=self.accelerator.device)
        return self.accelerator.gather(totals)  # type: ignore[no-any-return]

    def _advantages(self) -> Tensor:
        """Return (B,) the advantages of this process's completions, whose groups are whole."""
        config, size = self._config, self.num_generations
        certainty = torch.tensor([score.rationale for score in self._scored], dtype=torch.float64)
        totals = torch.tensor([score.total for score in self._scored], dtype=torch.float64)
        rules = (totals - certainty).view(-1, size)
        equal = self.accelerator.gather(equal_rules(rules).float().to(self.accelerator.device))
        self._metrics["train"]["policy/equal_groups"].append(equal.mean().item())
        found = group_advantages(
            rules, certainty.view(-1, size), config.certainty_guard, config.certainty_floor
        )
        return found.flatten().float().to(self.accelerator.device)

    def _measure_certainty(
        self, inputs: list[dict[str, Any]], completions: list[list[int]]
    ) -> list[float | None]:
        """Return each completion's self-certainty; None without a rationale or with that reward switched off.

        Sampling has measured it along the way. Completions of vLLM take a scoring pass without gradients.
        """
        if not self._config.reward.use_rationale:
            return [None] * len(completions)
        measured = [completion.measured for completion in self._sampled or []]
        if not measured or any(found is None for found in measured):
            rows = [
                (tuple(ids), tuple(completion))
                for ids, completion in zip(self._prompt_ids, completions, strict=True)
            ]
            with torch.no_grad():
                measured = [score.measured for score in self._score(self.model, rows, self._measure)]
        return [
            rationale_certainty(self._local, ids, found, self._examples[row["example"]].space)
            for row, ids, found in zip(inputs, completions, measured, strict=True)
        ]

    # -- watching -------------------------------------------------------------------------------------

    def _generate(self, prompts: list[Any]) -> Any:
        """Sample as TRL does, and take the time."""
        started = time.perf_counter()
        found = super()._generate(prompts)
        self._seconds["sampling"] = time.perf_counter() - started
        self.stop_if_asked()
        self.show_part("scoring", 0.0)
        return found

    def _watch(self, inputs: list[dict[str, Any]], batch: Mapping[str, Any]) -> None:
        """Log the figures of all processes' completions, and write some of this one's groups."""
        completions = self._describe_completions(inputs, batch)
        self.sample = completions[0].text
        metrics = self._metrics["train"]
        for name in filter(_TRL_COPIES.match, list(metrics)):
            del metrics[name]
        types = self._examples[inputs[0]["example"]].space.type_names
        for name, value in step_metrics(gather_object(completions), self.num_generations, types).items():
            metrics[name].append(value)
        if self.accelerator.is_main_process:
            self._write_rollouts(inputs, completions)

    def _describe_completions(
        self, inputs: list[dict[str, Any]], batch: Mapping[str, Any]
    ) -> list[ScoredCompletion]:
        """Return this process's completions with all that became of them, in order."""
        found = []
        ids, masks, advantages = (
            batch[name].tolist() for name in ("completion_ids", "completion_mask", "advantages")
        )
        for row, tokens, mask, advantage, reward in zip(
            inputs, ids, masks, advantages, self._scored, strict=True
        ):
            example, completion = self._examples[row["example"]], tokens[: sum(mask)]
            text = self._local.decode(completion)
            parsed = parse_response(text, example.space)
            found.append(
                ScoredCompletion(
                    text=text,
                    target=example.session.steps[example.step].action,
                    action=None if isinstance(parsed, ParseFailure) else parsed.action,
                    reward=reward,
                    advantage=advantage,
                    tokens=len(completion),
                    truncated=completion[-1] not in self._local.end_ids,
                )
            )
        return found

    def _write_rollouts(self, inputs: list[dict[str, Any]], completions: Sequence[ScoredCompletion]) -> None:
        """Append the step's first groups."""
        group = self.num_generations
        for start in range(0, len(completions), group)[: self._config.rollout_groups]:
            example = self._examples[inputs[start]["example"]]
            self._rollouts.append_group(
                make_rollout(
                    self.state.global_step + 1,
                    example.session.session_id,
                    example.step,
                    completions[start : start + group],
                )
            )

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add what is known only when the step is over: where its time went."""
        metrics = self._metrics["train"]
        if times := metrics.pop("step_time", None):
            tokens = self.state.num_input_tokens_seen - self._tokens_before
            speed = speed_metrics(times[-1], self._seconds["sampling"], self._seconds["rewards"], tokens)
            for name, value in speed.items():
                metrics[name].append(value)
        if largest := metrics.get("sampling/probability_gap_max"):
            largest[:] = [max(largest)]  # TRL logs the mean over micro-batches.
        super().log(logs, start_time)


def _placeholder(**kwargs: Any) -> list[float]:
    """Stand where TRL wants a reward function; `_calculate_rewards` does the work."""
    raise TrainingError("rewards come from ShopR1Trainer._calculate_rewards")


def _group_equal(prompt_ids: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return the row numbers of runs of equal prompts, in order."""
    groups: list[list[int]] = []
    for row, ids in enumerate(prompt_ids):
        if groups and prompt_ids[groups[-1][0]] == ids:
            groups[-1].append(row)
        else:
            groups.append([row])
    return groups


def _read_rows(input_ids: Tensor, attention_mask: Tensor, completion_length: int) -> list[_Row]:
    """Return padded rows as (prompt, completion), padding left out."""
    split = input_ids.shape[1] - completion_length
    return [
        (tuple(ids[:split][mask[:split]].tolist()), tuple(ids[split:][mask[split:]].tolist()))
        for ids, mask in zip(input_ids, attention_mask.bool(), strict=True)
    ]


def _pad(rows: Sequence[Tensor], width: int) -> Tensor:
    """Return (B, width), each row's values from the left, zeros after them."""
    return torch.stack([torch.nn.functional.pad(row, (0, width - len(row))) for row in rows])


def _seed(*numbers: int) -> int:
    """Return one seed for (run, step, row): the same numbers give the same completion in a rerun."""
    return zlib.crc32(",".join(map(str, numbers)).encode())

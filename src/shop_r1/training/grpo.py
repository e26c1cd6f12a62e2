"""GRPO with the Shop-R1 reward (paper, section 3, Table 1, Eq. 4), on TRL's GRPOTrainer.

The subclass changes three things and nothing else. Replies are sampled, and scored, as trees: the prompt
that a group shares is run once (`llm.tree`), with the result that stock TRL gives. And rewards come from the
project's only scorer, with the self-certainty of the policy's own distribution, measured in a scoring pass.
"""

import json
import zlib
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor
from transformers import PrinterCallback
from trl import GRPOTrainer

from shop_r1.actions import Action, find_space
from shop_r1.data.examples import Example, renderer
from shop_r1.errors import TrainingError
from shop_r1.llm.local import (
    LocalModel,
    Measure,
    Sampling,
    TokenScores,
    load_model,
    resolve_model,
    sample_replies,
    save_checkpoint,
    score_trees,
)
from shop_r1.llm.tree import grow_tree
from shop_r1.prompts.parse import ParseFailure, parse_response
from shop_r1.results import RewardBreakdown
from shop_r1.rewards.certainty import token_certainty
from shop_r1.rewards.rationale import rationale_certainty
from shop_r1.rewards.total import PARTS, RewardConfig, max_reward, score_response
from shop_r1.training.checkpoints import digest_data
from shop_r1.training.monitor import (
    CollapseAlarm,
    MetricsLog,
    ProgressCallback,
    refuse_several_processes,
)
from shop_r1.training.resume import ResumableTrainer, TrainingRun
from shop_r1.training.settings import GrpoConfig, grpo_arguments

_Row = tuple[tuple[int, ...], tuple[int, ...]]
"""A prompt's and a reply's token ids."""


def train_grpo(
    examples: Sequence[Example], config: GrpoConfig, out: Path, title: str = "GRPO", resume: bool = False
) -> Mapping[str, float]:
    """Train on the examples, write the checkpoint to `out`, and return the last logged metrics.

    Beside the checkpoint stand `metrics.jsonl` (one line a step) and `rollouts.jsonl` (every step's first
    group: replies, rewards part by part, advantages). With `resume` the run goes on from its last good
    checkpoint in `out`, if it has any; the reference stays the model that `config` names.

    Raises:
        TrainingError: a gold action does not earn the full reward: parser, scorer and data disagree; or `out`
            holds checkpoints of another run, or one cannot be written.
        ModelError: the model cannot be loaded.
        RunStopped: a signal asked the run to stop; it saved a checkpoint, and no model.
    """
    check_gold(examples, config.reward)
    refuse_several_processes()
    data = digest_data([each.session for each in examples], [each.step for each in examples])
    run = TrainingRun(out, config, data, resume)
    model = load_model(config.model)
    out.mkdir(parents=True, exist_ok=True)
    trainer = ShopR1Trainer(model, examples, config, out)
    log = MetricsLog(out / "metrics.jsonl", keep=run.resumed)
    trainer.add_callback(log)
    trainer.add_callback(CollapseAlarm(out / "alarms.jsonl", keep=run.resumed))
    trainer.add_callback(ProgressCallback(title, ("reward/value", "policy/parsed")))
    trainer.remove_callback(PrinterCallback)
    run.train(trainer, lambda: save_checkpoint(model, out))
    return log.last


def check_gold(examples: Sequence[Example], reward: RewardConfig) -> None:
    """Score every gold action as a reply; it must earn the most there is.

    Raises:
        TrainingError: one does not. Training on such rewards would fail without a sign.
    """
    for example in examples:
        gold, space = example.session.steps[example.step].action, example.space
        place = f"session {example.session.session_id}, step {example.step}"
        kind = space.kind(gold.type)
        if kind is None:
            raise TrainingError(
                f"{place}: the gold action is a {gold.type}; the space {space.name} has "
                f"{', '.join(space.type_names)}"
            )
        earned = max_reward(gold, space, reward)
        most = max_reward(Action(type=gold.type, **dict.fromkeys(kind.fields, "mug")), space, reward)
        if earned < most:
            raise TrainingError(
                f"{place}: the gold action {json.dumps(gold.to_reply(), ensure_ascii=False)} earns "
                f"{earned:g} of {most:g}; a name or a text in it is empty or has no word"
            )


class ShopR1Trainer(ResumableTrainer, GRPOTrainer):
    """TRL's trainer with shared-prefix sampling and scoring, and the project's scorer."""

    def __init__(self, model: LocalModel, examples: Sequence[Example], config: GrpoConfig, out: Path) -> None:
        self._local = model
        self._examples = examples
        self._config = config
        self._rollouts = out / "rollouts.jsonl"
        self._scored: list[RewardBreakdown] = []
        self._pass: tuple[int, dict[_Row, TokenScores]] | None = None
        render = renderer(model, config.prompt)

        @lru_cache(maxsize=config.prompts)
        def messages(index: int) -> list[dict[str, str]]:
            return list(render(examples[index]).prompt.messages)

        self._messages = messages

        # TRL loads the reference policy from the name in the model's configuration.
        model.model.config._name_or_path = resolve_model(config.model)
        super().__init__(
            model=model.model,
            reward_funcs=[_placeholder],
            args=grpo_arguments(config, out),
            train_dataset=Dataset.from_dict({"example": list(range(len(examples)))}),
            processing_class=model.tokenizer,
        )

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        """Add each row's prompt, which is built when it is needed and never stored."""
        return super()._generate_and_score_completions(  # type: ignore[no-any-return]
            [row | {"prompt": self._messages(row["example"])} for row in inputs]
        )

    # -- sampling -------------------------------------------------------------------------------------

    def _generate_single_turn(
        self, prompt_ids: list[list[int]], *args: Any, **kwargs: Any
    ) -> tuple[list[list[int]], list[list[float]] | None]:
        """Return a reply for each prompt; equal prompts beside each other are run as one tree."""
        self._prompt_ids = prompt_ids
        if self.use_vllm:
            return super()._generate_single_turn(prompt_ids, *args, **kwargs)  # type: ignore[no-any-return]
        sampling = Sampling(
            temperature=self._config.temperature,
            top_p=self._config.top_p,
            max_new_tokens=self._config.reply_tokens,
        )
        first = self.accelerator.process_index * len(prompt_ids)
        seeds = [
            _seed(self._config.seed, self.state.global_step, first + row) for row in range(len(prompt_ids))
        ]
        trees = [grow_tree([prompt_ids[row] for row in rows]) for rows in _group_equal(prompt_ids)]
        self.model.eval()
        with self.accelerator.autocast():
            replies = sample_replies(
                self.accelerator.unwrap_model(self.model),
                trees,
                sampling,
                self._local.end_ids,
                self._local.pad_id,
                seeds,
            )
        self.model.train()
        return [reply.ids for reply in replies], None

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
        """Return (B, C) log probabilities and entropies of the replies; shared prompts are run once.

        Args:
            model: the policy or the reference.
            input_ids: (B, P + C), prompts padded on the left, replies on the right.
            attention_mask: (B, P + C).
            logits_to_keep: C.
            *args: TRL's other arguments, for images and mixtures of experts.
            **kwargs: likewise.
        """
        rows = _read_rows(input_ids, attention_mask, logits_to_keep)
        if self._pass is not None and torch.is_grad_enabled() and self._pass[0] == _version(self.model):
            scores = [self._pass[1][row] for row in rows]
            self._pass = None
        else:
            scores = self._score(model, rows)
        return (
            _pad([score.log_probs for score in scores], logits_to_keep),
            _pad([score.entropy for score in scores], logits_to_keep),
            None,
        )

    def _score(self, model: Any, rows: Sequence[_Row], measure: Measure | None = None) -> list[TokenScores]:
        """Return each row's scores; rows with equal prompts share one tree."""
        groups: dict[tuple[int, ...], list[int]] = {}
        for index, (prompt, _) in enumerate(rows):
            groups.setdefault(prompt, []).append(index)
        trees = [
            grow_tree([prompt] * len(found), [rows[i][1] for i in found]) for prompt, found in groups.items()
        ]
        with self.accelerator.autocast():
            scores = score_trees(
                self.accelerator.unwrap_model(model), trees, self._local.pad_id, self.temperature, measure
            )
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
        """Return (B, 1) rewards of all processes' replies, and note their parts."""
        certainties = self._measure_certainty(inputs, completion_ids_list)
        self._scored = []
        for row, ids, certainty in zip(inputs, completion_ids_list, certainties, strict=True):
            example = self._examples[row["example"]]
            gold = example.session.steps[example.step].action
            self._scored.append(
                score_response(self._local.decode(ids), gold, certainty, example.space, self._config.reward)
            )
        self._log_parts(inputs, completion_ids_list)
        totals = torch.tensor([[score.total] for score in self._scored], device=self.accelerator.device)
        # In float64: at a reward of 1000, float32 rounding alone would make equal rules differ.
        rules = torch.tensor(
            [[score.total - score.rationale] for score in self._scored],
            dtype=torch.float64,
            device=totals.device,
        )
        totals, rules = self.accelerator.gather(totals), self.accelerator.gather(rules)
        return self._settle_equal_groups(totals, rules)

    def _settle_equal_groups(self, totals: Tensor, rules: Tensor) -> Tensor:
        """Return the totals; in groups that are to teach nothing, one number whose advantage is exactly 0.

        Those are the groups whose rule rewards are all equal when they are skipped, and in any case the
        groups whose totals are all equal.
        """
        grouped, rule_groups = totals.view(-1, self.num_generations), rules.view(-1, self.num_generations)
        equal = (rule_groups.amax(1) - rule_groups.amin(1)) < 1e-6
        self._metrics["train"]["policy/equal_groups"].append(equal.float().mean().item())
        if self._config.equal_groups == "paper":
            equal = grouped.amax(1) == grouped.amin(1)
        settled = torch.where(equal[:, None], _round_mantissa(grouped.mean(1, keepdim=True)), grouped)
        return settled.view(-1, 1)

    def _measure_certainty(
        self, inputs: list[dict[str, Any]], replies: list[list[int]]
    ) -> list[float | None]:
        """Return each reply's self-certainty; None without a rationale or with that reward switched off.

        The pass that measures it is the policy's scoring pass: it keeps its gradients for the loss that
        follows, so certainty costs no pass of its own.
        """
        rows = [(tuple(ids), tuple(reply)) for ids, reply in zip(self._prompt_ids, replies, strict=True)]
        reward = self._config.reward
        measure = partial(token_certainty, direction=reward.certainty_direction)
        with torch.set_grad_enabled(self.model.training):
            scores = self._score(self.model, rows, measure)
        if self.model.training:
            self._pass = (_version(self.model), dict(zip(rows, scores, strict=True)))
        if not reward.use_rationale:
            return [None] * len(replies)
        return [
            rationale_certainty(self._local, ids, score.measured, self._examples[row["example"]].space)
            for row, ids, score in zip(inputs, replies, scores, strict=True)
        ]

    # -- watching -------------------------------------------------------------------------------------

    def _log_parts(self, inputs: list[dict[str, Any]], replies: list[list[int]]) -> None:
        metrics = self._metrics["train"]
        for part in (*PARTS, "total"):
            values = self.accelerator.gather(
                torch.tensor(
                    [float(getattr(score, part)) for score in self._scored], device=self.accelerator.device
                )
            )
            metrics[f"reward/{part}"].append(values.mean().item())
            metrics[f"reward/{part}_std"].append(values.std().item())
        golds = [self._examples[row["example"]].action_type for row in inputs]
        spaces = [self._examples[row["example"]].space for row in inputs]
        parsed = [
            parse_response(self._local.decode(ids), space) for ids, space in zip(replies, spaces, strict=True)
        ]
        found = [None if isinstance(reply, ParseFailure) else reply.action.type for reply in parsed]
        metrics["policy/parsed"].append(sum(name is not None for name in found) / len(found))
        for name in find_space(spaces[0].name).type_names:
            metrics[f"policy/share_{name}"].append(sum(other == name for other in found) / len(found))
            metrics[f"data/share_{name}"].append(sum(other == name for other in golds) / len(golds))
        self._write_rollouts(inputs, replies)

    def _write_rollouts(self, inputs: list[dict[str, Any]], replies: list[list[int]]) -> None:
        """Append the step's first group."""
        if not self.accelerator.is_main_process:
            return
        example = self._examples[inputs[0]["example"]]
        count = min(self.num_generations, len(replies))
        record = {
            "step": self.state.global_step,
            "session_id": example.session.session_id,
            "session_step": example.step,
            "gold": example.session.steps[example.step].action.to_reply(),
            "replies": [
                {"text": self._local.decode(ids)} | score.model_dump(exclude={"reasons"})
                for ids, score in zip(replies[:count], self._scored[:count], strict=True)
            ],
        }
        with self._rollouts.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(record, ensure_ascii=False) + "\n")


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


def _read_rows(input_ids: Tensor, attention_mask: Tensor, reply_length: int) -> list[_Row]:
    """Return padded rows as (prompt, reply), padding left out."""
    split = input_ids.shape[1] - reply_length
    rows = []
    for ids, mask in zip(input_ids.tolist(), attention_mask.tolist(), strict=True):
        kept = [
            (token, place < split) for place, (token, keep) in enumerate(zip(ids, mask, strict=True)) if keep
        ]
        prompt = tuple(token for token, in_prompt in kept if in_prompt)
        rows.append((prompt, tuple(token for token, in_prompt in kept if not in_prompt)))
    return rows


def _version(model: Any) -> int:
    """Return a number that grows whenever a weight is changed in place."""
    return sum(weight._version for weight in model.parameters())


def _pad(rows: Sequence[Tensor], width: int) -> Tensor:
    """Return (B, width), each row's values from the left, zeros after them."""
    return torch.stack([torch.nn.functional.pad(row, (0, width - len(row))) for row in rows])


def _round_mantissa(values: Tensor) -> Tensor:
    """Return float32 values rounded to 12 binary digits, so that the sum of up to 4096 copies is exact.

    Else the mean of eight equal rewards of about 1000 can miss them by one rounding, 6e-5, which the group's
    standard deviation, 6e-5 as well, blows up to an advantage of 0.37 for each of the eight.
    """
    mantissa, exponent = torch.frexp(values)
    return torch.ldexp((mantissa * 4096).round() / 4096, exponent)


def _seed(*numbers: int) -> int:
    """Return one seed for (run, step, row): the same numbers give the same reply in a rerun."""
    text = ",".join(map(str, numbers)).encode()
    return zlib.crc32(text) | zlib.crc32(text[::-1]) << 32

"""TRL's GRPOTrainer with our sampler, scorer, advantages and step recorder (paper, section 3, Eq. 4).

Four things differ from stock TRL. Completions are sampled, and scored, as trees: the prompt that a group
shares is run once (`models.prefix_tree`), with the result that stock TRL gives. For that, groups stay whole
where a step's rows are spread over micro-batches. And rewards come from the project's only scorer, with the
self-certainty of the distributions that the completions were drawn from; `training.grpo.step_advantages`
makes advantages of them. Groups that cannot teach are left out of the update (`training.grpo.micro_batches`).
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from accelerate import DistributedType
from accelerate.utils import gather_object
from torch import Tensor
from trl import GRPOTrainer

from datasets import Dataset
from shop_r1.datasets.examples import Example, example_outlines, renderer
from shop_r1.models.attention import causal_lm
from shop_r1.models.checkpoint import LocalModel, resolve_model
from shop_r1.models.sampling import SampledCompletion
from shop_r1.models.scoring import Measure, TokenScores, add_forward_redirection, score_pairs
from shop_r1.training.adapters import lora_config
from shop_r1.training.grpo.dynamic_sampling import DrawnGroup, DynamicSampling
from shop_r1.training.grpo.micro_batches import SCORED_SHARE, choose_scored, split_step
from shop_r1.training.grpo.prompt_queue import PromptQueue
from shop_r1.training.grpo.recorder import StepRecorder
from shop_r1.training.grpo.sampler import GroupSampler
from shop_r1.training.grpo.scorer import ScoredCompletion, score_step
from shop_r1.training.grpo.step_advantages import StepAdvantages
from shop_r1.training.grpo.step_metrics import sampler_trainer_mismatch, step_metrics
from shop_r1.training.resume import ResumableTrainer
from shop_r1.training.settings import GrpoConfig
from shop_r1.training.trl_arguments import grpo_arguments

_Pair = tuple[tuple[int, ...], tuple[int, ...]]
"""A prompt's and a completion's token ids."""
_TRL_PREFIXES = ("completions/", "rewards/")
_TRL_NAMES = ("reward", "reward_std", "frac_reward_zero_std")
"""TRL's own figures of what `step_metrics` has with the reward's parts told apart."""


class ShopR1Trainer(ResumableTrainer, GRPOTrainer):
    """TRL's trainer, composed of a sampler, a scorer, advantages and a recorder."""

    def __init__(self, model: LocalModel, examples: Sequence[Example], config: GrpoConfig, out: Path) -> None:
        self._local = model
        self._examples = examples
        # The action types of all examples' spaces, the same in every step and on every process.
        outlines = example_outlines(examples)
        self._types = tuple(dict.fromkeys(name for each in outlines for name in each.space.type_names))
        self._config = config
        self.sampler = GroupSampler(model, config)
        self.recorder = StepRecorder(out / "rollouts.jsonl", config.rollout_groups, config.num_generations)
        self.completions: list[ScoredCompletion] = []  # this process's, of the last step
        self._buffered_inputs: list[dict[str, Any]] | None = None
        self._ready: list[DrawnGroup] = []  # groups of the step that were drawn ahead
        add_forward_redirection(causal_lm(model.model))
        render = renderer(model, config.prompt)

        @lru_cache(maxsize=config.prompts_per_step)
        def messages(index: int) -> list[dict[str, str]]:
            return model.chat(render(examples[index]).prompt.messages)

        self._messages = messages
        # TRL loads the reference policy from the name in the model's configuration.
        model.model.config._name_or_path = resolve_model(config.model)
        super().__init__(
            model=model.model,
            reward_funcs=[self.score],
            args=grpo_arguments(config, out),
            train_dataset=Dataset.from_dict({"example": list(range(len(examples)))}),
            processing_class=model.tokenizer,
            peft_config=lora_config(config),
        )
        self.advantages = StepAdvantages(config, self.accelerator)
        self.add_callback(self.recorder)
        if config.type_mix_weight:
            self.add_callback(self.advantages.type_mix)
        self.dynamic_sampling: DynamicSampling | None = None
        if config.dynamic_sampling:
            queue = PromptQueue([each.action.type for each in example_outlines(examples)], config.seed)
            self.dynamic_sampling = DynamicSampling(
                queue, config.dynamic_sampling, self.accelerator, self._draw_groups
            )
            self.add_callback(queue)
        if self.ref_model is not None:
            add_forward_redirection(self.ref_model)

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        """Return the micro-batch to learn from, as TRL does; groups stay whole, some are left out."""
        count = self.args.steps_per_generation
        if self._step % count == 0 or self._buffered_inputs is None:
            batch = self._generate_and_score_completions(generation_batch)
            scored = self._choose_scored(batch["advantages"])
            self._buffered_inputs = split_step(batch, self.num_generations, count, scored)
        return self._buffered_inputs[self._step % count]

    def _choose_scored(self, advantages: Tensor) -> list[int]:
        """Return the numbers of this process's groups that the update needs; `advantages` are (B,).

        These are all with a KL term, which teaches in every group, and else those with any advantage. All
        processes take as many as the one with the most, and at least one: with sharded weights they must run
        the model equally often, and every weight must have a gradient.
        """
        teaching = advantages.view(-1, self.num_generations).ne(0).any(1)
        if self.beta != 0:
            teaching = torch.ones_like(teaching)
        most = max(1, int(self.accelerator.gather(teaching.sum()).max()))
        self._record("policy/frac_scored", most / len(teaching))
        return choose_scored(teaching.tolist(), most)

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Tensor:
        """Return the micro-batch's loss: the mean over all its completions, of which some are left out."""
        share = inputs[SCORED_SHARE]
        if share == 0:
            return torch.zeros((), device=self.accelerator.device, requires_grad=True)
        kept: Tensor = super()._compute_loss(model, inputs)
        loss: Tensor = kept * share
        return loss

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        """Add each row's prompt, which is built when it is needed and never stored, and our advantages."""
        self.recorder.begin_step(self.state.num_input_tokens_seen)
        if self.dynamic_sampling is not None:
            asked = [row["example"] for row in inputs[:: self.num_generations]]
            self._ready = self.dynamic_sampling.fill(asked)
            inputs = [{"example": group.example} for group in self._ready for _ in group.drawn]
        batch: dict[str, Any] = super()._generate_and_score_completions(
            [row | {"prompt": self._messages(row["example"])} for row in inputs]
        )
        batch["advantages"] = self._teach()
        self._record_step()
        self.prelude_s += self.recorder.end_rewards()
        return batch

    def _generate_single_turn(
        self, prompt_ids: list[list[int]], *args: Any, **kwargs: Any
    ) -> tuple[list[list[int]], list[list[float]] | None]:
        """Return a completion for each prompt; equal prompts are run as one tree."""
        if self._ready:
            drawn = [completion for group in self._ready for completion in group.drawn]
            found = [group.log_probs for group in self._ready if group.log_probs is not None]
            log_probs = [each for group in found for each in group] or None
        else:
            drawn, log_probs = self._draw(prompt_ids)
        self.sampler.prompt_ids, self.sampler.drawn = prompt_ids, drawn
        self.show_part("scoring", 0.0)
        return [completion.ids for completion in drawn], log_probs

    def _draw(
        self, prompt_ids: list[list[int]], rows: Sequence[int] | None = None, turn: int = 0
    ) -> tuple[list[SampledCompletion], list[list[float]] | None]:
        """Return a completion for each prompt, and vLLM's log probabilities of their tokens."""
        started = time.perf_counter()
        log_probs: list[list[float]] | None = None
        if self.use_vllm:
            completions, log_probs = super()._generate_single_turn(prompt_ids, None, {}, self.num_generations)
            pairs = zip(completions, log_probs, strict=True)
            drawn = [SampledCompletion(ids, torch.tensor(found)) for ids, found in pairs]
        else:
            step = self.state.global_step
            drawn = self.sampler.draw(
                self.model, self.accelerator, prompt_ids, step, self._before_batch, rows, turn
            )
        self.recorder.sampling_s += time.perf_counter() - started
        self.stop_if_requested()
        return drawn, log_probs

    def _draw_groups(self, examples: Sequence[int], places: Sequence[int], turn: int) -> list[DrawnGroup]:
        """Return a group for each example; see `DrawGroups`."""
        size = self.num_generations
        prompts: list[list[int]] = self._tokenize_prompts([self._messages(each) for each in examples])[0]
        rows = [place * size + number for place in places for number in range(size)]
        drawn, log_probs = self._draw([each for each in prompts for _ in range(size)], rows, turn)
        repeated = [self._examples[each] for each in examples for _ in range(size)]
        ids = [completion.ids for completion in drawn]
        scored = score_step(self._local, repeated, ids, [None] * len(ids), self._config.reward)
        return [
            DrawnGroup(
                example,
                prompt,
                drawn[start : start + size],
                None if log_probs is None else log_probs[start : start + size],
                scored[start : start + size],
            )
            for example, prompt, start in zip(examples, prompts, range(0, len(ids), size), strict=True)
        ]

    def _before_batch(self, done: int, groups: int) -> None:
        self.show_part(f"sampling, {done}/{groups} groups", 0.0)
        self.stop_if_requested(alone=True)

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

        The model is the policy or the reference; ids and mask are (B, P + C), prompts padded on the left and
        completions, C = `logits_to_keep`, on the right. The rest is for images and mixtures of experts.
        """
        pairs = read_pairs(input_ids, attention_mask, logits_to_keep)
        scores = self._score_tokens(model, pairs)
        if torch.is_grad_enabled() and self.sampler.drawn:
            self._record_mismatch(self.sampler.log_probs(pairs), [score.log_probs for score in scores])
        return (
            _pad([score.log_probs for score in scores], logits_to_keep),
            _pad([score.entropy for score in scores], logits_to_keep),
            None,
        )

    def _score_tokens(
        self, model: Any, pairs: Sequence[_Pair], measure: Measure | None = None
    ) -> list[TokenScores]:
        sharded = self.accelerator.distributed_type == DistributedType.FSDP
        with self.accelerator.autocast():
            return score_pairs(
                model,
                pairs,
                self._local.pad_id,
                self.temperature,
                measure,
                group=self.num_generations if sharded else 0,
            )

    def score(self, completion_ids: list[list[int]], example: list[int], **columns: Any) -> list[float]:
        """Return the rewards of this process's completions, and keep what they are made of.

        TRL's only reward function. `example` has the number of each completion's example.
        """
        self.completions = score_step(
            self._local,
            [self._examples[index] for index in example],
            completion_ids,
            self._certainties(completion_ids),
            self._config.reward,
        )
        return [completion.reward.total for completion in self.completions]

    def _certainties(self, completions: list[list[int]]) -> Sequence[Tensor | None]:
        """Return each completion's certainties, token by token; None with that reward switched off.

        Sampling has measured them along the way. Completions of vLLM take a scoring pass without gradients.
        """
        measured = [completion.measured for completion in self.sampler.drawn]
        if self.sampler.measure is None or (measured and measured[0] is not None):
            return measured or [None] * len(completions)
        pairs = [(tuple(a), tuple(b)) for a, b in zip(self.sampler.prompt_ids, completions, strict=True)]
        with torch.no_grad():
            scores = self._score_tokens(self.model, pairs, self.sampler.measure)
        return [score.measured for score in scores]

    def _teach(self) -> Tensor:
        """Return (B,) the advantages of this process's completions, which get them too; log their figures."""
        advantages = self.advantages.compute(self.completions, self._types, self._first_drawn()).float()
        figures = {} if self.dynamic_sampling is None else self.dynamic_sampling.figures
        for name, value in (self.advantages.figures | figures).items():
            self._record(name, value)
        self.completions = [
            replace(completion, advantage=advantage)
            for completion, advantage in zip(self.completions, advantages.tolist(), strict=True)
        ]
        return advantages.to(self.accelerator.device)

    def _first_drawn(self) -> list[ScoredCompletion]:
        """Return this process's completions of the step's first prompts; none where none can be replaced."""
        groups = [] if self.dynamic_sampling is None else self.dynamic_sampling.first
        return [completion for group in groups for completion in group.scored]

    def _record_step(self) -> None:
        """Log the figures of all processes' completions, and write some of this one's groups."""
        self.recorder.sample = self.completions[0].text
        metrics = self._metrics["train"]
        for name in [each for each in metrics if each in _TRL_NAMES or each.startswith(_TRL_PREFIXES)]:
            del metrics[name]
        everywhere, first = gather_object(self.completions), gather_object(self._first_drawn())
        for name, value in step_metrics(everywhere, self.num_generations, self._types, first).items():
            self._record(name, value)
        if self.accelerator.is_main_process:
            self.recorder.write(self.state.global_step + 1, self.completions)

    def _record_mismatch(self, drawn: Sequence[Tensor], scored: Sequence[Tensor]) -> None:
        """Log how far the probabilities at which tokens were drawn are from those that are learnt from."""
        found = torch.tensor(sampler_trainer_mismatch(drawn, scored), device=self.accelerator.device)
        everywhere = self.accelerator.gather(found).view(-1, 2)
        self._record("sampling/trainer_mismatch", everywhere[:, 0].mean().item())
        self._record("sampling/trainer_mismatch_max", everywhere[:, 1].max().item())

    def _record(self, name: str, value: float) -> None:
        self._metrics["train"][name].append(value)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add what is known only when the step is over: where its time went."""
        metrics = self._metrics["train"]
        if times := metrics.pop("step_time", None):
            for name, value in self.recorder.speed(times[-1], self.state.num_input_tokens_seen).items():
                self._record(name, value)
        if largest := metrics.get("sampling/trainer_mismatch_max"):
            largest[:] = [max(largest)]  # TRL logs the mean over micro-batches.
        super().log(logs, start_time)


def read_pairs(input_ids: Tensor, attention_mask: Tensor, completion_length: int) -> list[_Pair]:
    """Return (B, P + C) rows, prompts first, as (prompt, completion) without padding, where the mask is 0."""
    split = input_ids.shape[1] - completion_length
    return [
        (tuple(ids[:split][mask[:split]].tolist()), tuple(ids[split:][mask[split:]].tolist()))
        for ids, mask in zip(input_ids, attention_mask.bool(), strict=True)
    ]


def _pad(rows: Sequence[Tensor], width: int) -> Tensor:
    """Return (B, width), each row's values from the left, zeros after them."""
    return torch.stack([torch.nn.functional.pad(row, (0, width - len(row))) for row in rows])

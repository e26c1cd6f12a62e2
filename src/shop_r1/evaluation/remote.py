"""A model that answers over a network, and examples, to predictions.

The prompt, the parser, the scorer and the metrics are those of a checkpoint. What differs: tokens are counted
by estimate when a prompt is fitted to its budget, since the model's own tokenizer is not here; and no
self-certainty is measured, since these interfaces give no whole distributions over the vocabulary.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from shop_r1.config import Config
from shop_r1.datasets.examples import Example, example_target_cut, remember_counts
from shop_r1.endpoints.batch import AskConfig, Outcome, Progress, ask_all
from shop_r1.endpoints.pricing import PriceConfig
from shop_r1.endpoints.protocol import Answer, Endpoint, Instead, Price, Request
from shop_r1.endpoints.response_cache import AnswerCache
from shop_r1.errors import ConfigError, ModelError
from shop_r1.evaluation.completions import draw_seed, read_completion
from shop_r1.jsonl import Record
from shop_r1.pages.tokens import estimate_tokens
from shop_r1.prompts.parse import Parse
from shop_r1.prompts.render import Prompt, PromptConfig, render_prompt
from shop_r1.records.results import Prediction
from shop_r1.rewards.total import RewardConfig, score_completion

REFUSED = "refused: the model, or a filter of its endpoint, would not answer"
"""The failure of a refused completion."""
WITHOUT_TEXT: Mapping[Instead, str] = {
    "tool_calls": "tool_calls: the completion has no text, only tool calls; expected a JSON object as text",
    "reasoning": "reasoning: the completion has no text, only reasoning; expected one JSON object after it "
    "(a model that thinks first may need a larger sampling.max_new_tokens)",
}
"""The failures of completions that hold something else in place of a text."""


class RemoteSampling(Config):
    """How an endpoint is asked to draw completions; the temperature is the paper's (4.1)."""

    temperature: float = Field(0.6, ge=0)
    """0 asks for the likeliest token. Paper 4.1."""
    send_temperature: bool = True
    """Off for endpoints that refuse a temperature; theirs is then used."""
    top_p: float = Field(1.0, gt=0, le=1)
    """Keep the likeliest tokens that together reach this probability; 1 keeps all and is not sent."""
    max_new_tokens: int = Field(128, ge=1)
    """Completions are cut here, in tokens. A model that thinks before it answers needs more."""


class RemoteConfig(Config):
    """How predictions are made over a network."""

    prompt: PromptConfig = PromptConfig()
    """What of a session the model sees; tokens by estimate."""
    sampling: RemoteSampling = RemoteSampling()
    """How completions are drawn."""
    reward: RewardConfig = RewardConfig()
    """How completions are scored for the report; the rationale's part is 0, since no certainty is
    measured."""
    parse: Parse = "strict"
    """`strict` reads completions as in training. `lenient` first takes away a think part before one and a
    code fence round it, nothing else; metrics, tables and report are marked with it, since a checkpoint's
    are strict."""
    ask: AskConfig = AskConfig()
    """How many at once, how often again, and for how much."""
    price: PriceConfig | None = None
    """Of the endpoint, where it is not among the known ones."""
    seed: int = 0
    """Which draw: with another seed every step is asked anew. It is not sent."""


class Asked(Record):
    """What the answers to one run's steps were like and took: `asked.json`."""

    endpoint: str
    """The policy's name."""
    steps: int
    refused: int
    """Answers that were refused, by the model or a filter; each is scored as unparsable."""
    cut: int
    """Answers that were cut at `sampling.max_new_tokens`."""
    empty: int = 0
    """Answers without any text, refusals apart: only reasoning, only a tool call, or nothing."""
    usage_unknown: int = 0
    """Answers of which the endpoint did not say, or not in whole, what they took; they count at the most that
    it can be."""
    notes: tuple[str, ...] = ()
    """What the server refused of a request's form, and how it was asked instead."""
    input_tokens: int
    """As the endpoint counts them."""
    output_tokens: int
    """As the endpoint counts them."""
    cost_usd: float | None
    """None where no price is known."""


@dataclass(frozen=True)
class Question:
    """One step, as an endpoint is asked for it."""

    example: Example
    prompt: Prompt
    request: Request


def write_questions(examples: Sequence[Example], config: RemoteConfig) -> list[Question]:
    """Return the question for each example, in order.

    Steps with equal prompts are questions of their own, each with its own draw, as a checkpoint has it.

    Raises:
        ConfigError: the budget leaves no room for a prompt.
    """
    sampling, prompt = config.sampling, config.prompt
    completion = max(prompt.max_completion_length, sampling.max_new_tokens)
    if completion >= prompt.max_tokens:
        raise ConfigError(
            f"prompt.max_tokens is {prompt.max_tokens} and {completion} are kept free for the completion; "
            "raise it, or lower sampling.max_new_tokens"
        )
    fitted = prompt.model_copy(update={"max_completion_length": completion})
    count = remember_counts(estimate_tokens)
    questions = []
    for example in examples:
        rendered = render_prompt(example.session, example.step, example.space, fitted, count)
        request = Request(
            messages=rendered.messages,
            max_tokens=sampling.max_new_tokens,
            temperature=sampling.temperature if sampling.send_temperature else None,
            top_p=sampling.top_p if sampling.top_p < 1 else None,
            draw=draw_seed(config.seed, example),
        )
        questions.append(Question(example, rendered, request))
    return questions


async def ask_questions(
    endpoint: Endpoint,
    questions: Sequence[Question],
    config: AskConfig,
    cache: AnswerCache,
    price: Price | None,
    report: Callable[[Progress], None] | None = None,
) -> list[Answer]:
    """Return an answer to each question, in order.

    Any answer will do, a malformed or refused one too: it is what the model said, and asking again until it
    parses would measure something else.

    Args:
        endpoint: who answers; the caller closes it.
        questions: the steps.
        config: how to ask.
        cache: has what was answered before, and gets every new answer at once.
        price: None if unknown.
        report: called after each answer.

    Raises:
        ModelError: a question has no answer, so there is nothing to score; the message says how many.
        ConfigError: there is a cap on the cost and no price.
    """
    requests = [question.request for question in questions]
    outcomes = await ask_all(endpoint, requests, config, cache, price, lambda _, __: None, report)
    _require_all(outcomes, cache.path)
    return [outcome.answer for outcome in outcomes if outcome.answer is not None]


def _require_all(outcomes: Sequence[Outcome], path: Path) -> None:
    faults = [outcome.fault for outcome in outcomes if outcome.answer is None]
    if faults:
        kinds = "; ".join(dict.fromkeys(str(fault) for fault in faults[:3]))
        raise ModelError(
            f"{len(faults)} of {len(outcomes)} steps have no answer ({kinds}), so nothing was scored: "
            f"metrics of the others alone would be other metrics. The {len(outcomes) - len(faults)} answers "
            f"are in {path}; the same command, run again, asks for the missing ones only"
        )


def read_answers(
    questions: Sequence[Question], answers: Sequence[Answer], reward: RewardConfig, parse: Parse = "strict"
) -> list[Prediction]:
    """Return the prediction that each answer is, in order; prompt lengths are estimates."""
    return [
        _read_answer(question, answer, reward, parse).model_copy(
            update={
                "prompt_tokens": question.prompt.tokens,
                "pages_cut": question.prompt.pages_cut,
                "page_truncated": question.prompt.page_truncated,
                "target_cut": example_target_cut(question.example, question.prompt),
            }
        )
        for question, answer in zip(questions, answers, strict=True)
    ]


def _read_answer(question: Question, answer: Answer, reward: RewardConfig, parse: Parse) -> Prediction:
    """Return the prediction; a refusal is unparsable, whatever text came with it."""
    prediction = read_completion(question.example, answer.text, reward, parse)
    if answer.stop != "refused":
        return (
            prediction
            if answer.instead is None
            else prediction.model_copy(update={"failure": WITHOUT_TEXT[answer.instead]})
        )
    scored = score_completion(None, prediction.target, question.example.space, reward)
    update = {"action": None, "rationale": None, "failure": REFUSED, "reward": scored}
    return prediction.model_copy(update=update)


def count_answers(
    endpoint_name: str, answers: Sequence[Answer], price: Price | None, notes: Sequence[str] = ()
) -> Asked:
    """Return what the answers were like and took; `notes` as in `Asked`."""
    return Asked(
        endpoint=endpoint_name,
        steps=len(answers),
        refused=sum(answer.stop == "refused" for answer in answers),
        cut=sum(answer.stop == "length" for answer in answers),
        empty=sum(answer.stop != "refused" and not answer.text.strip() for answer in answers),
        usage_unknown=sum(not answer.usage_known for answer in answers),
        notes=tuple(notes),
        input_tokens=sum(answer.usage.input_tokens for answer in answers),
        output_tokens=sum(answer.usage.output_tokens for answer in answers),
        cost_usd=None if price is None else sum(price.cost_usd(answer.usage) for answer in answers),
    )

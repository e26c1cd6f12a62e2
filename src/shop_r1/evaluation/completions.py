"""A completion to a prediction: what a checkpoint's and an endpoint's completions share."""

import zlib
from collections.abc import Callable

from shop_r1.datasets.examples import Example
from shop_r1.prompts.cost import target_cut
from shop_r1.prompts.parse import Parse, ParseFailure, Response, Unwrapped, parse_response, unwrap
from shop_r1.prompts.render import Prompt
from shop_r1.records.results import Prediction
from shop_r1.rewards.total import RewardConfig, score_response


def read_completion(
    example: Example,
    prompt: Prompt,
    prompt_tokens: int | None,
    completion: str,
    reward: RewardConfig,
    parse: Parse = "strict",
    certainty: Callable[[Response | ParseFailure], float | None] = lambda response: None,
) -> Prediction:
    """Return the prediction that a completion is: parsed and scored by the same functions as in training.

    `lenient` parses and scores what is left after `unwrap`, and marks the prediction. `certainty` returns the
    rationale's self-certainty in nats per token; None where nothing measured it.
    """
    step = example.taken
    read = unwrap(completion) if parse == "lenient" else Unwrapped(completion, ())
    parsed = parse_response(read.text, example.space)
    action = rationale = failure = None
    if isinstance(parsed, ParseFailure):
        failure = f"{parsed.reason}: {parsed.message}"
    else:
        action, rationale = parsed.action, parsed.rationale
    return Prediction(
        session_id=example.session.session_id,
        step=example.step,
        target=step.action,
        target_rationale=step.rationale,
        completion=completion,
        action=action,
        rationale=rationale,
        failure=failure,
        parse="lenient" if parse == "lenient" else None,
        unwrapped=read.wrappings or None,
        prompt_tokens=prompt_tokens,
        pages_cut=prompt.pages_cut,
        page_truncated=prompt.page_truncated,
        target_cut=target_cut(prompt, step),
        reward=score_response(parsed, step.action, example.space, reward, certainty(parsed)),
    )


def draw_seed(seed: int, example: Example) -> int:
    """Return a seed that depends on the session and the step, not on the order of the examples."""
    return zlib.crc32(f"{seed},{example.session.session_id},{example.step}".encode())

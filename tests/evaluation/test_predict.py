from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.tiny import make_long_session

from shop_r1.datasets.examples import Example, list_examples, renderer
from shop_r1.datasets.parquet import ParquetSessions
from shop_r1.datasets.session_files import write_sessions
from shop_r1.evaluation import predict as predict_module
from shop_r1.evaluation.metrics import evaluate_predictions
from shop_r1.evaluation.predict import PredictConfig, predict
from shop_r1.models import sampling
from shop_r1.models.checkpoint import LocalModel
from shop_r1.models.prefix_tree import pack_trees
from shop_r1.models.sampling import Sampling
from shop_r1.models.scoring import batch_by_length
from shop_r1.prompts.parse import Response, parse_response
from shop_r1.prompts.render import PromptConfig, render_completion
from shop_r1.records.sessions import Session
from shop_r1.rewards.certainty import token_certainty
from shop_r1.rewards.total import RewardConfig, score_response


def settings(temperature: float = 1.0, length: int = 10, **changes: Any) -> PredictConfig:
    sampling = Sampling(temperature=temperature, max_new_tokens=length)
    return PredictConfig(sampling=sampling, bf16=False, **changes)


def oracle(monkeypatch: pytest.MonkeyPatch, model: LocalModel, script: Sequence[str]) -> None:
    """Let the first batch's completions be these, one after the other; the model itself is run."""
    rows = [torch.tensor(model.completion_ids(text)) for text in script]
    tokens = iter(torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=model.end_ids[0]).T)
    monkeypatch.setattr(sampling, "_picker", lambda _: lambda logits, uniform: next(tokens))


def test_predictions_come_in_the_order_of_the_examples(
    tiny_model: LocalModel, tiny_sessions: list[Session]
) -> None:
    examples = list_examples(tiny_sessions)
    mixed = [examples[index] for index in (5, 0, 6, 3, 1, 7, 2, 4)]
    found = predict(tiny_model, mixed, settings())
    assert [(each.session_id, each.step) for each in found] == [
        (each.session.session_id, each.step) for each in mixed
    ]
    assert [each.target for each in found] == [each.taken.action for each in mixed]


def test_a_prediction_depends_on_its_step_and_the_seed_alone(
    tiny_model: LocalModel, tiny_sessions: list[Session]
) -> None:
    examples = list_examples(tiny_sessions)
    together = predict(tiny_model, examples, settings())
    assert len({each.completion for each in together}) > 6
    backwards = predict(tiny_model, examples[::-1], settings(batch_tokens=1))[::-1]
    alone = [predict(tiny_model, [example], settings())[0] for example in examples]
    assert [each.completion for each in together] == [each.completion for each in backwards]
    assert [each.completion for each in together] == [each.completion for each in alone]
    other = predict(tiny_model, examples, settings(seed=1))
    assert all(one.completion != two.completion for one, two in zip(together, other, strict=True))


def test_a_parquet_file_and_prompts_rendered_again_change_nothing(
    tmp_path: Path,
    tiny_model: LocalModel,
    tiny_sessions: list[Session],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = predict(tiny_model, list_examples(tiny_sessions), settings(batch_tokens=900))
    write_sessions(tmp_path / "sessions.parquet", tiny_sessions)
    examples = list_examples(ParquetSessions(tmp_path / "sessions.parquet"))
    for kept in (predict_module.KEPT_TOKENS, 1000, 0):
        monkeypatch.setattr(predict_module, "KEPT_TOKENS", kept)
        assert predict(tiny_model, examples, settings(batch_tokens=900)) == expected


def test_greedy_predictions_are_those_of_generate(
    tiny_model: LocalModel, tiny_sessions: list[Session]
) -> None:
    examples = list_examples(tiny_sessions)
    render = renderer(tiny_model, PromptConfig())
    for example, found in zip(examples, predict(tiny_model, examples, settings(0.0, seed=9)), strict=True):
        ids = torch.tensor([render(example).ids])
        expected = tiny_model.model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=10
        )
        assert found.completion == tiny_model.decode(expected[0, ids.shape[1] :].tolist())
        assert found.prompt_tokens == ids.shape[1]
        assert found.pages_cut == 0


def test_completions_are_parsed_scored_and_counted(
    tiny_model: LocalModel, tiny_sessions: list[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = list_examples(tiny_sessions[:2])
    right = [render_completion("So it is.", each.taken.action) for each in examples]
    script = [right[0], "no JSON", right[2], right[0]]  # the last is a click where the shopper leaves
    oracle(monkeypatch, tiny_model, script)
    found = predict(tiny_model, examples, settings(length=200))
    assert [each.completion for each in found] == script
    assert [each.action for each in found] == [
        examples[0].session.steps[1].action,
        None,
        found[2].target,
        found[0].target,
    ]
    assert [each.rationale for each in found] == ["So it is.", None, "So it is.", "So it is."]
    failure = found[1].failure
    assert failure is not None and failure.startswith("extra_text: ")
    assert [each.failure is None for each in found] == [True, False, True, True]
    metrics = evaluate_predictions(found, examples[0].space, bootstrap=1)
    assert (metrics.n, metrics.unparsable, metrics.exact) == (4, 1, 0.5)


@torch.no_grad()
def test_the_reward_is_the_scorers_with_the_certainty_computed_directly(
    tiny_model: LocalModel, tiny_sessions: list[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = list_examples(tiny_sessions[:2])
    script = [render_completion("A \u20ac and more.", each.taken.action) for each in examples[:3]] + ["no"]
    oracle(monkeypatch, tiny_model, script)
    config = settings(length=200, reward=RewardConfig(certainty_weight=1.0))
    render = renderer(tiny_model, config.prompt)
    for example, text, found in zip(examples, script, predict(tiny_model, examples, config), strict=True):
        certainty = None
        parsed = parse_response(text, example.space)
        if isinstance(parsed, Response):
            prompt = render(example).ids
            encoded = tiny_model.tokenizer(text, return_offsets_mapping=True)
            ids = torch.tensor([prompt + encoded["input_ids"]])
            logits = tiny_model.model(input_ids=ids).logits[0, len(prompt) - 1 : -1]
            first, last = parsed.rationale_span
            inside = [start < last and end > first for start, end in encoded["offset_mapping"]]
            certainty = token_certainty(logits[torch.tensor(inside)]).mean().item()
        expected = score_response(parsed, found.target, example.space, config.reward, certainty)
        assert found.reward is not None
        assert found.reward.total == pytest.approx(expected.total, abs=1e-5)
        assert found.reward.rationale == pytest.approx(expected.rationale, abs=1e-5)


def test_a_cut_prompt_is_counted_and_progress_goes_by_sessions(
    tiny_model: LocalModel, tiny_sessions: list[Session]
) -> None:
    session = tiny_sessions[2]
    full = predict(tiny_model, [Example(session, 3)], settings())[0]
    assert full.prompt_tokens is not None
    tight = PromptConfig(max_tokens=full.prompt_tokens + 40, max_completion_length=32)
    told: list[tuple[int, int]] = []
    examples = [Example(session, 3), Example(tiny_sessions[0], 1)]
    config = settings(prompt=tight, batch_tokens=1)
    found = predict(tiny_model, examples, config, lambda done, of: told.append((done, of)))
    assert found[0].pages_cut is not None and found[0].pages_cut >= 1
    assert found[0].prompt_tokens is not None and found[0].prompt_tokens <= full.prompt_tokens + 8
    assert found[1].pages_cut == 0
    assert told == [(1, 2), (2, 2)]


# -- sessions over the budget ------------------------------------------------------------------------------

TIGHT = PromptConfig(max_tokens=1200, max_completion_length=64)
"""Two of the three pages of `make_long_session` do not fit beside each other."""


def watch_batches(monkeypatch: pytest.MonkeyPatch) -> list[list[list[tuple[str, int]]]]:
    """Return a list that gets each batch: its trees, each as (session, step) of its branches."""
    seen: list[list[list[tuple[str, int]]]] = []
    compute = predict_module._predict_batch

    def watched(model: Any, groups: Any, config: Any) -> Any:
        seen.append([[(each.session.session_id, each.step) for each, _ in group] for group in groups])
        return compute(model, groups, config)

    monkeypatch.setattr(predict_module, "_predict_batch", watched)
    return seen


def test_the_trees_of_sessions_over_the_budget_are_bounded_and_predict_as_each_step_alone(
    tiny_model: LocalModel, monkeypatch: pytest.MonkeyPatch, tiny_sessions: list[Session]
) -> None:
    long = [make_long_session("long", 7), make_long_session("longer", 9)]
    examples = list_examples([*long, tiny_sessions[0]])
    alone = [predict(tiny_model, [each], settings(prompt=TIGHT))[0] for each in examples]
    assert any(each.pages_cut for each in alone)
    seen = watch_batches(monkeypatch)
    packed: list[int] = []

    def watched(*arguments: Any) -> Any:
        batch = pack_trees(*arguments)
        packed.append(batch.input_ids.numel())
        return batch

    monkeypatch.setattr(sampling, "pack_trees", watched)
    told: list[tuple[int, int]] = []
    found = predict(
        tiny_model,
        examples,
        settings(prompt=TIGHT, batch_tokens=2500),
        lambda done, of: told.append((done, of)),
    )
    assert [each.completion for each in found] == [each.completion for each in alone]
    trees = [tree for batch in seen for tree in batch]
    assert len(trees) == 5
    assert sorted(each for tree in trees for each in tree) == sorted(
        (example.session.session_id, example.step) for example in examples
    )
    # Some tokens more than the setting: the tails of prompts do not count.
    assert max(packed) <= 2500 + 300
    # Progress goes by whole sessions, and none is done before its last tree is.
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[0][0] == 0
    assert told[-1] == (3, 3)


def test_batches_are_by_the_longest_prompt_where_nothing_is_cut(
    tiny_model: LocalModel, monkeypatch: pytest.MonkeyPatch, tiny_sessions: list[Session]
) -> None:
    wide = PromptConfig(max_tokens=4000, max_completion_length=64)
    sessions = [*tiny_sessions, make_long_session("long", 4), make_long_session("longer", 5)]
    examples = list_examples(sessions)
    render = renderer(tiny_model, wide)
    longest = [len(render(Example(each, len(each.steps) - 1)).ids) for each in sessions]
    for batch_tokens in (1, 2000, 3200, 6000, 24_000):
        with monkeypatch.context() as patch:
            seen = watch_batches(patch)
            predict(tiny_model, examples, settings(prompt=wide, batch_tokens=batch_tokens))
        expected = [
            [
                [(sessions[number].session_id, step) for step in range(1, len(sessions[number].steps))]
                for number in batch
            ]
            for batch in batch_by_length(longest, batch_tokens)
        ]
        assert seen == expected

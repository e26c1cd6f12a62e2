import asyncio
import random
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch
from starlette.applications import Starlette
from tests.in_step import InStep
from transformers import Qwen2Config, Qwen2ForCausalLM

from shop_r1.drivers.in_process import HOME, InProcessDriver
from shop_r1.models import sampling
from shop_r1.models.checkpoint import LocalModel
from shop_r1.models.prefix_tree import Tree
from shop_r1.models.sampling import SampledCompletion, Sampling
from shop_r1.prompts.parse import ParseFailure
from shop_r1.prompts.render import PromptConfig, render_completion, render_history
from shop_r1.records.actions import LIVE, SHOP, Action, terminate
from shop_r1.records.sessions import Page, Session, Step
from shop_r1.simulation.loop import EndVisit, Limits, Progress, Tally, run_sessions
from shop_r1.simulation.policies import checkpoint as policy
from shop_r1.simulation.policies.checkpoint import BatchedModel, ModelPolicy, PolicyConfig

BYTES, END = 256, 256
PROMPT = PromptConfig(max_tokens=8000, max_completion_length=64)


class ByteTokenizer:
    """One token for each byte, and one that ends a turn."""

    eos_token_id = END
    pad_token_id = END

    all_special_ids = (END,)

    def apply_chat_template(self, messages: Sequence[dict[str, str]], tokenize: bool, **_: object) -> Any:
        text = "\n".join(f"{message['role']}: {message['content']}" for message in messages)
        return {"input_ids": list(text.encode())} if tokenize else text

    def __call__(self, text: str, **_: object) -> dict[str, list[int]]:
        return {"input_ids": list(text.encode())}

    def decode(self, ids: Sequence[int], **_: object) -> str:
        return bytes(token for token in ids if token < BYTES).decode("utf-8", "replace")


@pytest.fixture(scope="module")
def model() -> LocalModel:
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=BYTES + 1,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        eos_token_id=END,
        pad_token_id=END,
        bos_token_id=None,
    )
    return LocalModel(Qwen2ForCausalLM(config).eval(), ByteTokenizer())


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch, model: LocalModel) -> Iterator[list[str]]:
    """Completions to give one after the other; the last is repeated. The model and its prompts stay real."""
    completions: list[str] = []

    def completion(*_: object) -> list[SampledCompletion]:
        ids = model.completion_ids(completions.pop(0) if len(completions) > 1 else completions[0])
        return [SampledCompletion(ids, torch.zeros(len(ids)))]

    monkeypatch.setattr(policy, "sample_completions", completion)
    yield completions


def model_policy(model: LocalModel) -> ModelPolicy:
    config = PolicyConfig(prompt=PROMPT, sampling=Sampling(max_new_tokens=6))
    return ModelPolicy(BatchedModel(model, config), config)


def sessions(
    app: Starlette,
    model: LocalModel,
    count: int,
    seed: int,
    tally: Tally,
    progress: Progress | None = None,
) -> list[Session]:
    policy, names = model_policy(model), ("model", "model")
    driver = InProcessDriver(app)
    return list(
        run_sessions(lambda _: policy, driver, count, seed, names=names, tally=tally, progress=progress)
    )


def act(model: LocalModel, page: str, seed: int = 0, history: Sequence[Step] = ()) -> Step | ParseFailure:
    return asyncio.run(model_policy(model).act(history, Page(html=page), random.Random(seed)))


def test_a_random_models_text_is_an_invalid_response(model: LocalModel) -> None:
    found = act(model, "<page>\n</page>")
    assert isinstance(found, ParseFailure)


def test_the_model_sees_the_prompt_of_training_and_nothing_else(
    model: LocalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def watch(_: object, trees: Sequence[Tree], *rest: object) -> list[SampledCompletion]:
        seen.extend((*trees[0].trunk, *trees[0].branches[0].prompt))
        return [SampledCompletion([END], torch.zeros(1))]

    monkeypatch.setattr(policy, "sample_completions", watch)
    action = Action(type="type_and_submit", name="search_input", text="mug")
    history = [Step(page=Page(html="<page>home</page>"), action=action, rationale="A secret.")]
    act(model, "<page>results</page>", history=history)
    prompt = render_history(
        ["<page>home</page>", "<page>results</page>"], [action], SHOP, PROMPT, model.count_tokens
    )
    assert seen == model.prompt_ids(prompt.messages)
    assert "A secret." not in model.decode(seen)


def test_the_same_seed_gives_the_same_completion_and_another_seed_another(
    model: LocalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[list[int]] = []
    real = sampling.sample_completions

    def watch(*arguments: object) -> list[SampledCompletion]:
        completions = real(*arguments)  # type: ignore[arg-type]
        drawn.extend(completion.ids for completion in completions)
        return completions

    monkeypatch.setattr(policy, "sample_completions", watch)
    for seed in (1, 1, 2):
        act(model, "<page></page>", seed)
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_valid_response_is_done_in_the_store(model: LocalModel, app: Starlette, says: list[str]) -> None:
    says += [
        render_completion("I need a mug.", Action(type="type_and_submit", name="search_input", text="mug")),
        render_completion("Nothing for me.", terminate()),
    ]
    tally = Tally()
    (session,) = sessions(app, model, 1, 7, tally)
    assert [step.action.type for step in session.steps] == ["type_and_submit", "terminate"]
    assert session.steps[0].rationale == "I need a mug."
    assert session.steps[1].page.url.startswith(f"{HOME}search")
    assert (session.outcome, session.session_id, session.source) == ("terminate", "model-7-00000", "store")
    assert tally.errors.total() == 0


def test_invalid_responses_and_unknown_names_are_counted_as_errors(
    model: LocalModel, app: Starlette, says: list[str]
) -> None:
    says += ["", render_completion("", Action(type="click", name="no.such.thing"))]
    limits = Limits()
    tally = Tally()
    (session,) = sessions(app, model, 1, 0, tally)
    assert session.outcome == "error"
    assert len(session.steps) == limits.max_errors  # the invalid response was retried and left no step
    assert tally.errors.total() == limits.max_errors + 1
    assert tally.errors["invalid response: empty"] == 1


def test_visits_without_one_valid_response_are_left_out_and_counted(
    model: LocalModel, app: Starlette, says: list[str]
) -> None:
    says += [""]
    tally, calls = Tally(), []
    found = sessions(app, model, 3, 0, tally, lambda done, total: calls.append((done, total)))
    assert found == []
    assert (tally.steps, tally.outcomes) == (0, {"no step": 3})
    assert tally.errors == {"invalid response: empty": 3 * Limits().max_invalid}
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_errors_are_forgotten_when_the_next_response_is_valid(driver: InStep) -> None:
    page = Page(html="<page></page>")
    search = Step(page=page, action=Action(type="type_and_submit", name="search_input", text="mug"))
    invalid = ParseFailure(reason="empty", message="the completion is empty")
    responses: list[Step | ParseFailure] = [
        invalid,
        search,
        invalid,
        Step(page=page, action=terminate()),
    ]

    class Stammering:
        async def act(self, history: Sequence[Step], page: Page, rng: random.Random) -> Step | ParseFailure:
            return responses.pop(0)

    tally = Tally()
    session = driver.visit(Stammering(), tally=tally)
    assert [step.action.type for step in session.steps] == ["type_and_submit", "terminate"]
    assert session.outcome == "terminate"
    assert tally.errors == {"invalid response: empty": 2}


async def _act_all(
    policy: ModelPolicy, asked: Sequence[tuple[Sequence[Step], Page, int]]
) -> list[Step | ParseFailure | BaseException]:
    acts = [policy.act(history, page, random.Random(seed)) for history, page, seed in asked]
    found = await asyncio.gather(*acts, return_exceptions=True)
    await policy.close()
    return found


def test_many_shoppers_are_answered_in_one_batch_as_each_would_be_alone(
    model: LocalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[list[int]] = []
    seen: list[int] = []
    real = sampling.sample_completions

    def watch(*arguments: Any) -> list[SampledCompletion]:
        completions = real(*arguments)
        drawn.extend(completion.ids for completion in completions)
        seen.extend(arguments[5])
        return completions

    monkeypatch.setattr(policy, "sample_completions", watch)
    first = Page(html="<page>\n<a name='results.mug'>Mug</a>\n</page>")
    step = Step(page=first, action=Action(type="click", name="results.mug"))
    others = [Page(html=f"<page>\n{word * 40}\n</page>") for word in ("a mug ", "a rug ", "a lamp ")]
    asked: list[tuple[Sequence[Step], Page, int]] = [([], first, seed) for seed in range(4)]
    asked += [([step], page, seed) for seed, page in enumerate(others, 10)]
    config = PolicyConfig(prompt=PROMPT, sampling=Sampling(max_new_tokens=6))
    batched = BatchedModel(model, config)
    together = ModelPolicy(batched, config)
    assert len(asyncio.run(_act_all(together, asked))) == 7
    assert batched.batches == [7]
    by_seed = dict(zip(seen, drawn, strict=True))
    drawn.clear()
    seen.clear()
    for each in asked:
        asyncio.run(_act_all(model_policy(model), [each]))
    assert dict(zip(seen, drawn, strict=True)) == by_seed
    assert len(by_seed) == 7


def test_no_batch_of_several_prompts_has_more_tokens_than_asked_for(
    model: LocalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[list[Tree]] = []

    def watch(_: object, trees: Sequence[Tree], *rest: object) -> list[SampledCompletion]:
        batches.append(list(trees))
        return [SampledCompletion([END], torch.zeros(1)) for tree in trees for _ in tree.branches]

    monkeypatch.setattr(policy, "sample_completions", watch)
    pages = [Page(html=f"<page>\n{number} {'mug ' * 100}\n</page>") for number in range(6)]
    size = len(
        model.prompt_ids(render_history([pages[0].html], [], SHOP, PROMPT, model.count_tokens).messages)
    )
    config = PolicyConfig(prompt=PROMPT, batch_tokens=size + 1000)
    asked: list[tuple[Sequence[Step], Page, int]] = [([], page, 1) for page in pages]
    asyncio.run(_act_all(ModelPolicy(BatchedModel(model, config), config), asked))
    # Each prompt has some 410 tokens that it shares with no other: the first and two more fit at once.
    assert [sum(len(tree.branches) for tree in batch) for batch in batches] == [3, 3]
    assert all(len(batch) * max(tree.size for tree in batch) <= size + 1000 for batch in batches)


def test_a_prompt_over_the_budget_ends_its_visit_alone(model: LocalModel, says: list[str]) -> None:
    says.append(render_completion("Nothing.", terminate()))
    page = Page(html="<page></page>")
    typed = Action(type="type_and_submit", name="search_input", text="mug " * 4000)
    asked: list[tuple[Sequence[Step], Page, int]] = [
        ([], page, 1),
        ([Step(page=page, action=typed)], page, 2),
    ]
    good, long = asyncio.run(_act_all(model_policy(model), asked))
    assert isinstance(good, Step)
    assert isinstance(long, EndVisit)
    assert (long.outcome, "raise max_tokens" in long.reason) == ("error", True)


def test_an_error_of_the_batch_ends_each_of_its_visits_and_later_ones_are_answered(
    model: LocalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> list[SampledCompletion]:
        monkeypatch.setattr(policy, "sample_completions", sampling.sample_completions)
        raise RuntimeError("out of memory")

    monkeypatch.setattr(policy, "sample_completions", fail)
    page = Page(html="<page></page>")

    async def twice() -> tuple[list[Step | ParseFailure | BaseException], Step | ParseFailure]:
        one = model_policy(model)
        acts = [one.act([], page, random.Random(seed)) for seed in range(2)]
        failed = await asyncio.gather(*acts, return_exceptions=True)
        later = await one.act([], page, random.Random(3))
        await one.close()
        return failed, later

    failed, later = asyncio.run(twice())
    assert [str(each) for each in failed] == ["out of memory", "out of memory"]
    assert isinstance(later, ParseFailure)


def test_the_persona_and_the_space_are_in_the_prompt(
    model: LocalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def watch(_: object, trees: Sequence[Tree], *rest: object) -> list[SampledCompletion]:
        seen.extend((*trees[0].trunk, *trees[0].branches[0].prompt))
        return [SampledCompletion([END], torch.zeros(1))]

    monkeypatch.setattr(policy, "sample_completions", watch)
    prompt = PROMPT.model_copy(update={"persona": True})
    config = PolicyConfig(prompt=prompt)
    live = ModelPolicy(BatchedModel(model, config), config, LIVE, "A student with 20 dollars.")
    asyncio.run(live.act([], Page(html="<page></page>"), random.Random(0)))
    text = model.decode(seen)
    assert "A student with 20 dollars." in text
    assert "`select`" in text

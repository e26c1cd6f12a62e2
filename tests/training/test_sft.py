import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.tiny import LOOK, SEARCH, make_long_session, make_session, with_action, with_rationale

from datasets import Dataset
from shop_r1.datasets.examples import Example, renderer
from shop_r1.errors import DataError, ModelError
from shop_r1.models.checkpoint import LocalModel, load_model
from shop_r1.models.prefix_tree import Tree, grow_tree, pack_trees
from shop_r1.models.scoring import add_forward_redirection, score_tokens
from shop_r1.prompts.render import PromptConfig, render_completion
from shop_r1.records.actions import click, type_and_submit
from shop_r1.records.sessions import Session
from shop_r1.training.memory import session_tokens
from shop_r1.training.session_trees import session_trees
from shop_r1.training.settings import SftConfig
from shop_r1.training.sft import TreeSftTrainer, train_sft, tree_features
from shop_r1.training.trl_arguments import sft_arguments

PROMPT = PromptConfig()
TIGHT = PromptConfig(max_tokens=1200, max_completion_length=64)
"""Two of the three pages of `make_long_session` do not fit beside each other."""


def session_tree(session: Session, model: LocalModel, prompt: PromptConfig) -> Tree:
    """Return the session as one tree, however large."""
    (tree,) = session_trees(session, model, prompt, sys.maxsize)
    return tree


def score_session(model: LocalModel, session: Session) -> list[torch.Tensor]:
    """Return each completion's log probabilities, one tensor a step, as SFT sees them."""
    batch = pack_trees([session_tree(session, model, PROMPT)], model.pad_id)
    log_probs = score_tokens(model.model, batch).log_probs
    return [log_probs[batch.owners == step] for step in range(len(session.steps))]


def test_the_labels_are_exactly_the_completions_and_the_ends_of_their_turns(
    tiny_model: LocalModel, tiny_sessions: list[Session]
) -> None:
    trees = [session_tree(session, tiny_model, PROMPT) for session in tiny_sessions]
    features = tree_features(trees, tiny_model.pad_id, PROMPT.max_tokens)
    assert torch.equal(features["labels"], features["shift_labels"])
    assert features["passes"] == [trees]
    learned = tiny_model.tokenizer.decode(features["labels"])
    completions = [
        render_completion(step.rationale or "", step.action) for made in tiny_sessions for step in made.steps
    ]
    assert torch.equal(features["labels"], pack_trees(trees, tiny_model.pad_id).targets)
    assert learned == "".join(f"{completion}<|im_end|>" for completion in completions)


def test_each_target_follows_the_token_that_predicts_it(
    tiny_model: LocalModel, tiny_sessions: list[Session]
) -> None:
    batch = pack_trees([session_tree(tiny_sessions[0], tiny_model, PROMPT)], tiny_model.pad_id)
    ids, places, targets = batch.input_ids[0], batch.predictors, batch.targets
    for place, target in zip(places.tolist()[:-1], targets.tolist()[:-1], strict=True):
        if target != tiny_model.tokenizer.eos_token_id:
            assert ids[place + 1] == target
    before = tiny_model.tokenizer.decode(ids[: places[0] + 1])
    assert before.endswith("<|im_start|>assistant\n")


@torch.no_grad()
def test_a_replys_loss_is_that_of_the_same_prompt_and_completion_alone(
    tiny_model: LocalModel, tiny_sessions: list[Session]
) -> None:
    render = renderer(tiny_model, PROMPT)
    for session in tiny_sessions:
        for step, found in enumerate(score_session(tiny_model, session)):
            prompt = render(Example(session, step)).ids
            taken = session.steps[step]
            completion = tiny_model.completion_ids(render_completion(taken.rationale or "", taken.action))
            logits = tiny_model.model(input_ids=torch.tensor([prompt + completion])).logits[
                0, len(prompt) - 1 : -1
            ]
            expected = logits.log_softmax(-1).gather(1, torch.tensor(completion)[:, None])[:, 0]
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_past_rationales_are_never_seen_but_past_actions_are(
    tiny_model: LocalModel, tiny_sessions: list[Session]
) -> None:
    session = tiny_sessions[0]
    first, second, third = score_session(tiny_model, session)
    told = score_session(tiny_model, with_rationale(session, 1, "Something else altogether."))
    torch.testing.assert_close(told[0], first)
    torch.testing.assert_close(told[2], third, atol=1e-6, rtol=1e-6)
    assert told[1].sum().item() != pytest.approx(second.sum().item(), abs=0.1)
    did = score_session(tiny_model, with_action(session, 1, click("results.blue_mug")))
    torch.testing.assert_close(did[0], first)
    assert did[2].sum().item() != pytest.approx(third.sum().item(), abs=1e-3)


def test_a_session_without_rationales_is_refused_before_any_training(
    tmp_path: Path, tiny_checkpoint: Path
) -> None:
    silent = make_session("silent", SEARCH, LOOK.model_copy(update={"rationale": None}))
    with pytest.raises(DataError, match="session silent, step 1 has no rationale"):
        train_sft(
            [make_session("fine", SEARCH), silent], SftConfig(model=str(tiny_checkpoint)), tmp_path / "out"
        )
    assert not (tmp_path / "out").exists()


def test_a_text_that_a_recorder_masked_is_refused_before_any_training(
    tmp_path: Path, tiny_checkpoint: Path
) -> None:
    masked = with_action(make_session("masked", SEARCH), 0, type_and_submit("search_input", "*** ****"))
    with pytest.raises(
        DataError, match=r"session masked, step 0: the text '\*\*\* \*\*\*\*' is a recorder's mask"
    ):
        train_sft([masked], SftConfig(model=str(tiny_checkpoint)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_model_that_is_not_there_is_refused(tmp_path: Path, tiny_sessions: list[Session]) -> None:
    with pytest.raises(ModelError, match="holds no checkpoint"):
        train_sft(tiny_sessions, SftConfig(model=str(tmp_path / "none")), tmp_path / "out")


def quick(checkpoint: Path, steps: int) -> SftConfig:
    return SftConfig(
        model=str(checkpoint),
        max_steps=steps,
        learning_rate=2e-2,
        warmup_steps=0,
        per_device_train_batch_size=2,
        gradient_accumulation_steps=2,
        bf16=False,
    )


def test_training_lowers_the_loss_and_leaves_a_checkpoint_and_its_metrics(
    tmp_path: Path, tiny_checkpoint: Path, tiny_sessions: list[Session]
) -> None:
    last = train_sft(tiny_sessions, quick(tiny_checkpoint, steps=12), tmp_path / "out")

    def loss(model: LocalModel) -> float:
        with torch.no_grad():
            scored = [row for session in tiny_sessions for row in score_session(model, session)]
        return -torch.cat(scored).mean().item()

    before, after = loss(load_model(str(tiny_checkpoint))), loss(load_model(str(tmp_path / "out")))
    assert after < before - 0.5
    lines = [json.loads(line) for line in (tmp_path / "out" / "metrics.jsonl").read_text().splitlines()]
    # The first step's loss is taken before anything is learned, over all four sessions: the mean over every
    # token of the step, although it was computed in two halves of different lengths.
    assert lines[0]["step"] == 1
    assert lines[0]["loss"] == pytest.approx(before, abs=1e-3)
    assert [line["step"] for line in lines] == [1, 10]
    assert lines[-1] == {"step": 10} | dict(last)
    assert all(math.isfinite(line["loss"]) for line in lines)


def test_the_same_seed_trains_the_same_weights(
    tmp_path: Path, tiny_checkpoint: Path, tiny_sessions: list[Session]
) -> None:
    for name in ("first", "second"):
        train_sft(tiny_sessions, quick(tiny_checkpoint, steps=2), tmp_path / name)
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("first", "second")]
    assert weights[0] == weights[1]


def test_a_tree_of_a_session_is_that_of_its_prompts(
    tiny_model: LocalModel, tiny_sessions: list[Session]
) -> None:
    session = tiny_sessions[0]
    render = renderer(tiny_model, PROMPT)
    prompts = [render(Example(session, step)).ids for step in range(3)]
    tree = session_tree(session, tiny_model, PROMPT)
    assert [(*tree.trunk[: b.attach], *b.prompt) for b in tree.branches] == [tuple(ids) for ids in prompts]
    assert tree.trunk == grow_tree(prompts).trunk
    # Each prompt but the last adds only the few tokens that open the completion: its pages are in the trunk.
    assert max(len(branch.prompt) for branch in tree.branches[:-1]) < 30


# -- sessions over the budget, in passes -----------------------------------------------------------------


def make_trainer(checkpoint: Path, out: Path) -> tuple[TreeSftTrainer, LocalModel]:
    model = load_model(str(checkpoint))
    add_forward_redirection(model.model)
    trainer = TreeSftTrainer(
        model=model.model,
        args=sft_arguments(quick(checkpoint, steps=1), out),
        train_dataset=Dataset.from_dict({"session": [0]}),
        data_collator=lambda rows: rows,
        processing_class=model.tokenizer,
    )
    trainer.current_gradient_accumulation_steps = 1
    trainer.model.train()
    return trainer, model


def learn(checkpoint: Path, out: Path, tokens: int, counted: bool) -> tuple[Any, ...]:
    """Return what a micro-batch of two sessions gives in passes of so many tokens each, and how many."""
    trainer, model = make_trainer(checkpoint, out)
    sessions = [make_long_session("long", 7), make_session("short", SEARCH, LOOK)]
    trees = [tree for each in sessions for tree in session_trees(each, model, TIGHT, tokens)]
    features = tree_features(trees, model.pad_id, tokens)
    loss = trainer.training_step(trainer.model, features, torch.tensor(500) if counted else None)
    gradients = {name: weight.grad for name, weight in model.model.named_parameters()}
    figures = {name: found for name, (found,) in trainer._metrics["train"].items()}
    return loss, gradients, figures | {"tokens": trainer._tokens}, features["passes"]


@pytest.mark.parametrize("counted", [True, False])
def test_passes_have_the_loss_and_gradients_of_the_whole(
    tiny_checkpoint: Path, tmp_path: Path, counted: bool
) -> None:
    at_once = session_tokens(SftConfig(prompt=TIGHT))
    assert at_once == 1200 + 3 * 128
    expected, gradients, figures, together = learn(tiny_checkpoint, tmp_path, sys.maxsize, counted)
    loss, found, other, passes = learn(tiny_checkpoint, tmp_path, at_once, counted)
    assert [len(trees) for trees in together] == [2]
    assert sum(tree.size for tree in together[0]) > 2 * at_once
    assert len(passes) > 3  # more than its tokens say: trees have padding and bounds of their own
    for trees in passes:
        assert pack_trees(trees, 0).input_ids.numel() <= at_once
    torch.testing.assert_close(loss, expected, atol=1e-6, rtol=1e-6)
    assert max(gradient.abs().max().item() for gradient in gradients.values()) > 1e-2
    for name, gradient in gradients.items():
        torch.testing.assert_close(found[name], gradient, atol=1e-6, rtol=1e-6)
    # What several trees begin with is run once for each; the rest of the figures are the whole's.
    assert other.pop("tokens") == sum(tree.size for trees in passes for tree in trees)
    assert figures.pop("tokens") == sum(tree.size for tree in together[0])
    assert other == {name: pytest.approx(value, abs=1e-5) for name, value in figures.items()}


def test_a_session_within_the_budget_stays_one_tree_and_its_batch_one_pass(
    tiny_model: LocalModel, tiny_sessions: list[Session]
) -> None:
    at_once = session_tokens(SftConfig(prompt=TIGHT))
    trees = [session_trees(session, tiny_model, TIGHT, at_once) for session in tiny_sessions]
    assert [len(each) for each in trees] == [1] * len(tiny_sessions)
    flat = [tree for each in trees for tree in each]
    features = tree_features(flat, tiny_model.pad_id, len(flat) * at_once)
    assert features["passes"] == [flat]


def test_an_idle_pass_gives_every_weight_a_gradient_of_zero(tiny_checkpoint: Path, tmp_path: Path) -> None:
    trainer, model = make_trainer(tiny_checkpoint, tmp_path)
    features = tree_features([session_tree(make_session("a", SEARCH), model, PROMPT)], model.pad_id, 10_000)
    loss = trainer.compute_loss(trainer.model, features | {"passes": []})
    loss.backward()
    assert loss.item() == 0
    assert all(torch.equal(w.grad, torch.zeros_like(w)) for w in model.model.parameters())
    assert trainer.compute_loss(trainer.model, features).item() > 1


def test_a_process_with_fewer_passes_does_as_many_as_the_others(
    tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer, model = make_trainer(tiny_checkpoint, tmp_path)
    features = tree_features([session_tree(make_session("a", SEARCH), model, PROMPT)], model.pad_id, 10_000)
    alone = trainer.training_step(trainer.model, features)
    gradients = [weight.grad.clone() for weight in model.model.parameters()]
    model.model.zero_grad()
    runs: list[int] = []
    compute = TreeSftTrainer.compute_loss

    def counted(self: Any, model: Any, inputs: Any, *rest: Any, **named: Any) -> Any:
        runs.append(len(inputs["passes"]))
        return compute(self, model, inputs, *rest, **named)

    monkeypatch.setattr(TreeSftTrainer, "compute_loss", counted)
    monkeypatch.setattr(TreeSftTrainer, "_count_passes", lambda self, mine: mine + 2)
    assert torch.equal(trainer.training_step(trainer.model, features), alone)
    assert runs == [1, 0, 0]
    for weight, gradient in zip(model.model.parameters(), gradients, strict=True):
        assert torch.equal(weight.grad, gradient)


def test_steps_of_rare_types_count_more_in_the_loss(
    tiny_checkpoint: Path, tiny_sessions: list[Session], tmp_path: Path
) -> None:
    trainer, model = make_trainer(tiny_checkpoint, tmp_path)
    session = tiny_sessions[0]
    counts = {"click": 0.5, "type_and_submit": 1.0, "terminate": 3.0}
    weights = [counts[step.action.type] for step in session.steps]
    trees = session_trees(session, model, PROMPT, sys.maxsize, counts)
    assert pack_trees(trees, model.pad_id).weights.tolist() == weights and len(set(weights)) > 1
    alone = score_session(model, session)
    expected = -torch.stack([weight * rows.sum() for weight, rows in zip(weights, alone, strict=True)]).sum()
    features = tree_features(trees, model.pad_id, PROMPT.max_tokens)
    loss = trainer.compute_loss(trainer.model, features)
    assert loss.item() == pytest.approx(expected.item() / sum(map(len, alone)), rel=1e-5)

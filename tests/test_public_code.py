"""Our numbers beside those of public code: against it where it can be installed, else worked by hand from its
definition. docs/paper_map.md names the repositories and files, and the tests elsewhere that do the same.
"""

import math
from collections.abc import Sequence

import numpy as np
import pytest
import sklearn.metrics
import torch

from shop_r1.evaluation.metrics import UNPARSABLE, evaluate_predictions
from shop_r1.evaluation.related_metrics import measure_related
from shop_r1.records.actions import SHOP, Action, click, terminate, type_and_submit
from shop_r1.records.results import Prediction
from shop_r1.rewards.certainty import token_certainty
from shop_r1.rewards.total import RewardConfig, score_completion

# -- self-certainty ------------------------------------------------------------------------------------

TOKENS = ((0.7, 0.1, 0.1, 0.1), (0.4, 0.3, 0.2, 0.1))
"""Two tokens' distributions over a vocabulary of four."""


def ours(tokens: Sequence[Sequence[float]], shift: float = 0.0) -> list[float]:
    logits = torch.tensor(tokens, dtype=torch.float64).log() + shift
    return [float(each) for each in token_certainty(logits)]


def test_self_certainty_is_that_of_its_authors_worked_by_hand() -> None:
    # Sum over the vocabulary of U (log U - log p), U = 1/4: (ln .25/.7 + 3 ln .25/.1) / 4 = .42981, and
    # (ln .25/.4 + ln .25/.3 + ln .25/.2 + ln .25/.1) / 4 = .12178; then the mean over the output's tokens.
    found = ours(TOKENS)
    assert found == pytest.approx([0.42981, 0.12178], abs=1e-5)
    assert sum(found) / 2 == pytest.approx(0.27580, abs=1e-5)


def test_on_any_distribution_it_is_the_authors_sum() -> None:
    rng = np.random.default_rng(2)
    logits = rng.normal(0, 4, (6, 300))
    for row, found in zip(logits, token_certainty(torch.from_numpy(logits)), strict=True):
        total = math.fsum(math.exp(z) for z in row)
        authors = math.fsum((math.log(1 / 300) - math.log(math.exp(z) / total)) / 300 for z in row)
        assert float(found) == pytest.approx(authors, rel=1e-5)


@pytest.mark.parametrize("shift", [0.0, 7.5])
def test_intuitors_is_larger_by_log_v(shift: float) -> None:
    # Intuitor's is logsumexp(z) - mean(z) = -mean(log p): -(ln .7 + 3 ln .1) / 4 = 1.81611, and
    # -(ln .4 + ln .3 + ln .2 + ln .1) / 4 = 1.50807. It leaves out - log V; log 4 = 1.38629.
    intuitor = [1.81611, 1.50807]
    assert ours(TOKENS, shift) == pytest.approx([each - math.log(4) for each in intuitor], abs=1e-5)


def test_the_community_environments_certainty_is_a_share_of_the_other_divergence() -> None:
    # KL(p || U) / log V: (.7 ln .7/.25 + .3 ln .1/.25) / ln 4 = .44584 / 1.38629 = .32161, of .7, .1, .1, .1.
    found = token_certainty(torch.tensor(TOKENS[0]).log(), "kl_model_uniform") / math.log(4)
    assert float(found) == pytest.approx(0.32161, abs=1e-5)


# -- the community environment's rewards ---------------------------------------------------------------

MUG, QUERY = click("results.red_mug"), type_and_submit("search_input", "wireless mouse")


def completion(action: str) -> str:
    return f'{{"rationale": "I like it.", "action": {action}}}'


def rule_reward(text: str, target: Action) -> float:
    """Return our reward without the rationale's part."""
    return score_completion(text, target, SHOP, RewardConfig(use_rationale=False)).total


@pytest.mark.parametrize(
    ("action", "target", "theirs"),
    [
        # Its parts with `enable_dars=False`, which leaves its factor of 1000: format .5, type .3; a click's
        # name .2 and 1000 x similarity; a query's name .1 + .1 x similarity, text .1 + 1000 x similarity.
        ('{"type": "click", "name": "results.red_mug"}', MUG, 0.5 + 0.3 + 0.2 + 1000),
        ('{"type": "click", "name": "logo"}', MUG, 0.5 + 0.3 + 0.2),
        ('{"type": "click"}', MUG, 0.5 + 0.3),
        ('{"type": "terminate"}', MUG, 0.5),
        ('{"type": "terminate"}', terminate(), 0.5 + 0.3),
        (
            '{"type": "type_and_submit", "name": "search_input", "text": "wireless mouse"}',
            QUERY,
            0.5 + 0.3 + 0.1 + 0.1 + 0.1 + 1000,
        ),
        (
            '{"type": "type_and_submit", "name": "search_input", "text": "kettle"}',
            QUERY,
            0.5 + 0.3 + 0.1 + 0.1 + 0.1,
        ),
        ('{"type": "type_and_submit", "name": "search_input"}', QUERY, 0.5 + 0.3 + 0.1 + 0.1),
    ],
)
def test_rewards_are_the_community_environments_where_texts_are_equal_or_unlike(
    action: str, target: Action, theirs: float
) -> None:
    assert rule_reward(completion(action), target) == pytest.approx(theirs)


def test_rewards_differ_where_it_departs_from_the_paper() -> None:
    # 13 of 14 characters in a row, so there .93 and 928.6; as words 1 of 2, so nothing.
    near = '{"type": "type_and_submit", "name": "search_input", "text": "wireless house"}'
    assert rule_reward(completion(near), QUERY) == pytest.approx(0.5 + 0.3 + 0.2 + 0.1)
    # There JSON is looked for in the text around it; the paper asks for JSON alone.
    right = completion('{"type": "click", "name": "results.red_mug"}')
    assert rule_reward(f"So I act: {right}", MUG) == 0.0


# -- classification figures -------------------------------------------------------------------------------


def make_predictions(steps: int = 300) -> list[Prediction]:
    """Return steps of uneven types, some predicted as another type and some not at all."""
    rng = np.random.default_rng(8)
    kinds: tuple[Action, ...] = (MUG, QUERY, terminate())
    return [
        Prediction(
            session_id=f"s{step // 3}",
            step=step % 3,
            target=kinds[rng.choice(3, p=[0.7, 0.2, 0.1])],
            action=(*kinds, None)[rng.choice(4, p=[0.4, 0.3, 0.2, 0.1])],
        )
        for step in range(steps)
    ]


def test_the_figures_of_types_are_scikit_learns() -> None:
    predictions = make_predictions()
    target = [each.target.type for each in predictions]
    predicted = [UNPARSABLE if each.action is None else each.action.type for each in predictions]
    metrics = evaluate_predictions(predictions, SHOP, bootstrap=1)
    labels = [*SHOP.type_names, UNPARSABLE]
    assert metrics.type_accuracy == pytest.approx(sklearn.metrics.accuracy_score(target, predicted))
    matrix = sklearn.metrics.confusion_matrix(target, predicted, labels=labels)
    assert [[metrics.confusion[name][label] for label in labels] for name in SHOP.type_names] == matrix[
        :3
    ].tolist()
    precision, recall, f1, support = sklearn.metrics.precision_recall_fscore_support(
        target, predicted, labels=SHOP.type_names
    )
    found = [metrics.per_type[name] for name in SHOP.type_names]
    assert [each.precision for each in found] == pytest.approx(list(precision))
    assert [each.type_accuracy for each in found] == pytest.approx(list(recall))
    assert [each.f1 for each in found] == pytest.approx(list(f1))
    assert [each.n for each in found] == list(support)
    related = measure_related(predictions, SHOP)
    weighted = sklearn.metrics.f1_score(target, predicted, labels=SHOP.type_names, average="weighted")
    assert related.type_f1_weighted.value == pytest.approx(weighted)

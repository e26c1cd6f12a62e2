import pytest
import torch
from tests.tiny import tiny_qwen2

from shop_r1.models.scoring import add_forward_redirection, score_pairs


@pytest.mark.parametrize("batch_tokens", [1, 12, 6000])
def test_a_completion_scores_the_same_alone_and_among_others_of_any_length(batch_tokens: int) -> None:
    model = tiny_qwen2(vocabulary=23)
    add_forward_redirection(model)
    # The longest prompt is run first, and equal ones together, so neither is in the order that is given.
    pairs = [([5, 1], [7, 8]), ([6, 1, 2, 3, 4, 9], [9]), ([5, 1], [3]), ([4, 4, 4, 2], [8, 8, 1])]
    with torch.no_grad():
        together = score_pairs(model, pairs, 0, 0.7, batch_tokens=batch_tokens)
        alone = [score_pairs(model, [pair], 0, 0.7)[0] for pair in pairs]
    for found, expected in zip(together, alone, strict=True):
        torch.testing.assert_close(found.log_probs, expected.log_probs)
        torch.testing.assert_close(found.entropy, expected.entropy)
        assert found.right.equal(expected.right)

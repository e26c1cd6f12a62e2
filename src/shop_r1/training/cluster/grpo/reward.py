"""verl's reward manager over the project's only scorer."""

import json
from typing import Any

from verl.experimental.reward_loop.reward_manager.base import RewardManagerBase

from shop_r1.records.actions import Action, find_space
from shop_r1.rewards.total import RewardConfig, score_completion
from shop_r1.training.settings import GrpoConfig


class ShopR1Reward(RewardManagerBase):
    """Scores a completion as soon as it is sampled; the trainer, which measures it, adds self-certainty."""

    def __init__(self, config: Any, tokenizer: Any, compute_score: Any, **_: Any) -> None:
        super().__init__(config, tokenizer, compute_score)
        self._reward: RewardConfig = GrpoConfig.model_validate_json(config.shop_r1.settings).reward

    async def run_single(self, data: Any) -> dict[str, Any]:
        """Return the completion's reward without self-certainty, and its parts."""
        item = data[-1]
        length = int(item.batch["attention_mask"][-item.batch["responses"].shape[-1] :].sum())
        ids = item.batch["responses"][:length].tolist()
        row = item.non_tensor_batch
        target = Action.model_validate(json.loads(row["reward_model"]["ground_truth"]))
        text = self.tokenizer.decode(ids, skip_special_tokens=True)
        scored = score_completion(text, target, find_space(row["data_source"]), self._reward)
        parts = scored.model_dump(exclude={"reasons", "total"})
        return {"reward_score": scored.total, "reward_extra_info": parts}

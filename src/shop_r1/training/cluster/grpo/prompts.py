"""The examples as verl's dataset: a prompt is rendered when it is read, and never stored."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset

from shop_r1.datasets.examples import Example, read_examples, remember_counts
from shop_r1.datasets.session_files import open_sessions
from shop_r1.prompts.render import PromptConfig, render_prompt
from shop_r1.training.cluster.start import open_without_weights


class SessionPrompts(Dataset[dict[str, Any]]):
    """One row for each example, in the order of their file.

    Attributes:
        examples: what the rows are made of.
        model: the policy without its weights.
    """

    def __init__(
        self,
        data_files: Sequence[str],
        tokenizer: Any,
        config: Any,
        processor: Any = None,
        max_samples: int = -1,
    ) -> None:
        """Open the sessions; verl's settings `data.shop_r1` say which steps, and what prompts show.

        `processor` and `max_samples` are verl's, and not used.

        Raises:
            DataError: a file cannot be read, or names a step that is not there.
        """
        ours = config.shop_r1
        self.examples: Sequence[Example] = read_examples(
            Path(ours.examples), open_sessions(Path(data_files[0]))
        )
        self._prompt = PromptConfig.model_validate_json(ours.prompt)
        self.model = open_without_weights(ours.model, tokenizer)
        self._count = remember_counts(partial(_count_tokens, tokenizer))

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> dict[str, Any]:
        example = self.examples[index]
        prompt = render_prompt(example.session, example.step, example.space, self._prompt, self._count)
        return {
            "raw_prompt": self.model.chat(prompt.messages),
            "index": index,
            "data_source": example.space.name,
            "reward_model": {"ground_truth": example.taken.action.model_dump_json(exclude_none=True)},
            "extra_info": {"index": index},
            "tools_kwargs": {},
            "interaction_kwargs": {},
            "dummy_tensor": torch.zeros(1, dtype=torch.uint8),  # verl wants a tensor in every row
        }


def _count_tokens(tokenizer: Any, text: str) -> int:
    return len(tokenizer(text, add_special_tokens=False)["input_ids"])

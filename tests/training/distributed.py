"""A small training run for `torchrun`, which goes on where one was cut off.

`-m tests.training.distributed sft|grpo CHECKPOINT OUT BATCH`
"""

import sys
from pathlib import Path

import torch
from tests.tiny import make_sessions
from tests.training.scripted import SCRIPT, ScriptedTrainer, make_clicks, settings

from shop_r1.training import grpo
from shop_r1.training.settings import SftConfig
from shop_r1.training.sft import train_sft

STEPS = 3


def run(kind: str, checkpoint: Path, out: Path, device_batch: int) -> None:
    """Train on two prompts or two sessions a step, however many processes share them."""
    torch.set_num_threads(1)
    if kind == "sft":
        config = SftConfig(
            model=str(checkpoint),
            max_steps=STEPS,
            learning_rate=1e-2,
            device_batch=device_batch,
            accumulation=1,
            bf16=False,
            checkpoint_every=2,
        )
        train_sft(make_sessions(), config, out, resume=True)
    else:
        # The tiny model's own replies earn nothing.
        ScriptedTrainer.script = SCRIPT
        grpo.ShopR1Trainer = ScriptedTrainer  # type: ignore[misc]
        grpo.train_grpo(
            make_clicks(),
            settings(
                checkpoint,
                steps=STEPS,
                device_prompts=device_batch,
                learning_rate=1e-3,
                checkpoint_every=2,
            ),
            out,
            resume=True,
        )


if __name__ == "__main__":
    kind, checkpoint, out, device_batch = sys.argv[1:]
    run(kind, Path(checkpoint), Path(out), int(device_batch))
    # A thread of theirs that frees a tensor while Python shuts down can abort the process.
    threads = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
    assert not [name for name in threads if "gloo" in name], threads

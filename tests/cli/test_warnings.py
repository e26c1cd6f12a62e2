"""What libraries warn of and users can do nothing about stays off the terminal; whole commands are run."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.tiny import make_sessions

from shop_r1.jsonl import write_records

OF_LIBRARIES = re.compile(
    r"[A-Z]\w*Warning\b|indexing errors|\[transformers\]|warnings\.warn|\[W\d|Traceback"
)
COMMANDS = {
    "sft": ("num_train_epochs=1", "warmup_steps=0", "gradient_accumulation_steps=1"),
    "grpo": (
        "max_steps=1",
        "generation_batch_size=2",
        "num_generations=2",
        "type_ratio=0",
        "max_completion_length=8",
    ),
    "evaluate": ("--temperature", "0", "sampling.max_new_tokens=8"),
}


@pytest.fixture(scope="module")
def odd_checkpoint(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose files disagree on special tokens, and whose tokenizer has a low limit."""
    folder = tmp_path_factory.mktemp("odd") / "model"
    shutil.copytree(tiny_checkpoint, folder)
    for name in ("config.json", "generation_config.json"):
        found = json.loads((folder / name).read_text("utf-8"))
        (folder / name).write_text(
            json.dumps(found | {"eos_token_id": [3, 5], "pad_token_id": None}), "utf-8"
        )
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | {"model_max_length": 64}), "utf-8")
    return folder


def test_no_warning_of_a_library_reaches_the_terminal(odd_checkpoint: Path, tmp_path: Path) -> None:
    data = tmp_path / "sessions.jsonl"
    write_records(data, make_sessions())
    general = ("--data", str(data), "--model", str(odd_checkpoint), "bf16=false")
    lines = [
        [command, "--out", str(tmp_path / command), *general, *words] for command, words in COMMANDS.items()
    ]
    # One process for all: a command takes longer to import than to run.
    program = (
        "import json, sys; from shop_r1.cli.main import run; sys.exit(any(map(run, json.load(sys.stdin))))"
    )
    # As for a user: Python's own choice of warnings, whatever the tests are run with.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps(lines),
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (done.stdout + done.stderr).count("Next: shop-r1") == len(COMMANDS)
    assert not OF_LIBRARIES.search(done.stdout + done.stderr)

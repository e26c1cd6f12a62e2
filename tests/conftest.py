import os
import signal
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from tests.shell import Shell
from tests.tiny import make_sessions, save_tiny_checkpoint, train_tiny_tokenizer

from shop_r1.records.sessions import Session

os.environ["HF_HUB_OFFLINE"] = "1"  # No test may reach for a network; read when transformers is imported.
os.environ["OMP_NUM_THREADS"] = "1"  # Models this small only lose by threads; read when torch is imported.
os.environ["TOKENIZERS_PARALLELISM"] = "false"
# A busy machine is no failure.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As shells start jobs in the background, and so would the processes be that tests start and interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def tiny_tokenizer() -> Any:
    return train_tiny_tokenizer()


@pytest.fixture(scope="session")
def tiny_checkpoint(tiny_tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_checkpoint(tmp_path_factory.mktemp("tiny"), tiny_tokenizer)


@pytest.fixture
def tiny_model(tiny_checkpoint: Path) -> Any:
    """A fresh `LocalModel`, since training changes it."""
    from shop_r1.models.checkpoint import load_model

    return load_model(str(tiny_checkpoint))


@pytest.fixture
def tiny_sessions() -> list[Session]:
    return make_sessions()


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    """Run one command here; return its exit code, stdout and stderr."""
    from shop_r1.cli import main as cli  # not before the environment is set

    def run(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = cli.run([str(word) for word in words])
        out, err = capsys.readouterr()
        return code, out, err

    return run

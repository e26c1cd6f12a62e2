from collections.abc import Callable

import pytest

from shop_r1 import cli

Shell = Callable[..., tuple[int, str, str]]


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    """Run one command here; return its exit code, stdout and stderr."""

    def run(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = cli.run([str(word) for word in words])
        out, err = capsys.readouterr()
        return code, out, err

    return run

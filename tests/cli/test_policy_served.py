"""`evaluate --model` against a server that we did not write: transformers' own, with our base checkpoint."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.shell import Shell

from shop_r1.models.checkpoint import BASE_CHECKPOINT

SERVE = "from transformers.cli.transformers import main; main()"
SHORT = "sampling.max_new_tokens=24"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@contextmanager
def transformers_server(folder: Path, model: str) -> Iterator[str]:
    """Serve the model of this name in the folder, in float32 as ours computes, and yield the URL."""
    port = free_port()
    options = ("--host", "127.0.0.1", "--port", str(port), "--device", "cpu", "--dtype", "float32")
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, "serve", model, *options],
        cwd=folder,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until_it_answers(f"http://127.0.0.1:{port}/health", process)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.kill()
        process.wait()


def wait_until_it_answers(url: str, process: "subprocess.Popen[bytes]") -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(1200):
        assert process.poll() is None, "transformers serve has ended"
        try:
            with direct.open(url, timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(url)


def completions(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "predictions.jsonl").read_text("utf-8").splitlines()]


@pytest.mark.slow
def test_transformers_serve_gives_the_greedy_completions_that_the_checkpoint_gives_here(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("fastapi", reason="transformers serve needs fastapi")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    (tmp_path / "base").symlink_to(BASE_CHECKPOINT)
    data, here, served = tmp_path / "sessions.jsonl", tmp_path / "here", tmp_path / "served"
    assert shell("simulate", "--shoppers", 3, "--seed", 5, "--out", data)[0] == 0
    words = ("evaluate", SHORT, "--temperature", 0, "--data", data)
    with transformers_server(tmp_path, "base") as url:
        code, _, err = shell(*words, "--model", f"openai:base@{url}", "--out", served)
        assert code == 0, err
    assert shell(*words, "bf16=false", "--model", "base", "--out", here)[0] == 0

    ours, theirs = completions(here), completions(served)
    assert len(ours) == len(theirs) > 3
    for one, other in zip(ours, theirs, strict=True):
        # That server cuts white space around a completion, as our parser does.
        assert one["completion"].strip() == other["completion"].strip()
        assert one.get("action") == other.get("action")
    assert (here / "metrics.json").read_bytes() == (served / "metrics.json").read_bytes()
    requests = json.loads((served / "requests.json").read_text("utf-8"))
    assert requests["input_tokens"] == sum(one["prompt_tokens"] for one in ours)

import pytest
from tests.shell import Shell


def test_doctor_says_what_this_machine_can_run(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    code, out, _ = shell("doctor")
    assert code == 0
    assert "keys in the environment: OPENAI_API_KEY" in " ".join(out.split()) and "sk-secret" not in out
    assert max(map(len, out.splitlines())) <= 90
    for word in ("python", "device", "memory", "cores", "base checkpoint", "browser", "Qwen2.5-3B-Instruct"):
        assert word in out

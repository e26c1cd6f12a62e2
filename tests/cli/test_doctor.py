from pathlib import Path

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


def browser_row(out: str) -> str:
    rows = out.partition("browser ")[2].splitlines()
    more = [line.strip() for line in rows[1:] if line.startswith(" " * 10)]
    return " ".join([rows[0].strip(), *more[: len(rows) - 1]])


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'Chromium 156.0.8078.108 built on Debian'", "Chromium 156.0.8078.108 at "),
        ("exit 3", "does not say its version"),
    ],
)
def test_doctor_says_which_chromium_is_driven(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, said: str
) -> None:
    program = tmp_path / "chrome"
    program.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("SHOP_R1_CHROMIUM", str(program))
    code, out, _ = shell("doctor")
    assert code == 0
    assert said in browser_row(out)


def test_doctor_says_how_to_get_chromium(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in {"PATH": str(tmp_path), "PLAYWRIGHT_BROWSERS_PATH": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("SHOP_R1_CHROMIUM", raising=False)
    other = tmp_path / "chromium-1" / "chrome-linux64" / "chrome"  # of another Playwright: it starts its own
    other.parent.mkdir(parents=True)
    other.write_text("#!/bin/sh\necho 'Chromium 1.0'\n", "utf-8")
    other.chmod(0o755)
    code, out, _ = shell("doctor")
    assert code == 0
    assert "python -m playwright install chromium" in browser_row(out)

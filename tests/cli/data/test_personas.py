"""`personas`: what it finds in a log, prints and writes, and that the rest takes the file."""

from pathlib import Path

import pytest
from tests.cli.comparison.test_fidelity import QUICK, make_crowd
from tests.endpoints.serving import ModelServer
from tests.shell import Shell

from shop_r1 import write_sessions
from shop_r1.personas.entries import read_shoppers


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.jsonl"
    write_sessions(path, make_crowd(40, seed=2, buys=0.5))
    return path


def test_a_log_becomes_a_file_that_others_take(shell: Shell, log: Path, tmp_path: Path) -> None:
    out = tmp_path / "personas.toml"
    code, text, err = shell("personas", log, "--out", out)
    assert code == 0, err
    assert max(len(line) for line in text.splitlines() if not line.startswith("Next:")) <= 80
    found = read_shoppers(out)
    assert sum(each.weight for each in found.persona) == pytest.approx(1, abs=1e-5)
    assert sum(each.sessions or 0 for each in found.persona) == 40
    assert [(each.query, each.weight) for each in found.intent] == [("red mug", 40)]
    names = [each.name for each in found.persona]
    assert all(name in text for name in names) and "First queries: 40 of 40 sessions" in text
    assert out.read_text("utf-8").startswith(
        "# Made by shop-r1 personas from log.jsonl: 40 sessions of 40 shoppers."
    )
    assert f"--persona {out} --intent {out}" in text
    code, _, err = shell("personas", log, "--out", out)
    assert code == 2 and "--force" in err
    code, _, err = shell("personas", log, "--out", out, "--force", "--groups", 2)
    assert code == 0 and len(read_shoppers(out).persona) == 2


@pytest.mark.slow
def test_a_calibration_weighs_the_personas_of_a_file(shell: Shell, log: Path, tmp_path: Path) -> None:
    personas, out = tmp_path / "who.toml", tmp_path / "out"
    personas.write_text(
        '[[persona]]\nname = "buyer"\nwho = "Buys."\n\n[[persona]]\nname = "looker"\nwho = "Looks."\n',
        "utf-8",
    )
    told = {"purchase": "Buys.\nWhat you came for: a mug", "terminate": "Looks."}
    crowd = [
        each.model_copy(update={"persona": told[each.outcome or ""]})
        for each in make_crowd(60, seed=1, buys=0.2)
    ]
    simulated = tmp_path / "simulated.jsonl"
    write_sessions(simulated, crowd)
    words = ("fidelity", simulated, log, *QUICK, "--out", out, "--calibrate", "--margin", "purchase")
    code, _, err = shell(*words, "--personas", personas)
    assert code == 0, err
    buyer, looker = read_shoppers(out / "who.toml").persona
    assert buyer.weight > 1.2 > 0.8 > looker.weight
    assert buyer.weight + looker.weight == pytest.approx(2, abs=1e-4)
    code, _, err = shell("fidelity", simulated, log, *QUICK, "--personas", personas)
    assert code == 2 and "--personas is for --calibrate" in err


def test_a_model_may_put_the_counts_into_words(
    shell: Shell, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-key-of-a-test-0123456789")
    out, words = (
        tmp_path / "personas.toml",
        ("personas", log, "--groups", 2, "--out", tmp_path / "personas.toml"),
    )

    def describe(body: dict[str, object]) -> str:
        return '{"who": "Knows what it wants."}' if "share that buys: 1.00" in str(body) else "Somebody."

    with ModelServer(completion=describe) as server:
        code, _, err = shell(*words, "--describe", server.name("openai"))
        assert code == 0, err
        assert "1 of 2 personas are described by their counts alone" in " ".join(err.split())
        who = sorted(
            each.who.startswith("Knows what it wants. A shopper who") for each in read_shoppers(out).persona
        )
        assert who == [False, True]
        sent = len(server.tries)
        assert shell(*words, "--describe", server.name("openai"), "--force")[0] == 0
        assert len(server.tries) == sent  # what was paid for is kept, invalid completions too
    code, _, err = shell(*words, "--force", "--describe", "base")
    assert code == 2 and "expected openai:…" in err
    code, _, err = shell(*words, "--force", "--max-cost", 1)
    assert code == 2 and "--max-cost is of --describe" in err

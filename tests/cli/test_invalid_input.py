"""Invalid input to each command: one sentence, exit code 2, nothing written."""

import json
from pathlib import Path

import pytest
from tests.cli.cases import COMPLETION, TARGET, session_line
from tests.shell import Shell


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("score", "needs --target and --response"),
        ("score --target nonsense --response x", "--target: "),
        (
            "score --target {target} --response x --space moon",
            "'moon' is unknown; expected one of shop, opera",
        ),
        ("score --target {target} --response x --certainty nan", "expected a finite number"),
        (
            "score --target {target} --response x --wrong",
            "No such option: --wrong",
        ),
        ("score --target {target} --response x moon", "'moon': expected at most one settings file"),
        ("score --target {target} --response x action.dars=moon", "action.dars: "),
        ("score --jsonl {empty}", "empty.jsonl: holds no lines"),
        ("score --jsonl {half}", "half.jsonl:2: "),
        ("score --jsonl {nothing}", "nothing.jsonl: cannot be read (No such file"),
        ("moon", "No such command 'moon'"),
        ("data", "Missing command"),
        ("data validate {sessions} {nothing}", "nothing.jsonl: cannot be read"),
        ("data stats {sessions} --max-tokens 99", "max_completion_length 256 must be below max_tokens 99"),
        ("data stats {sessions} --report {out}", "ends in .svg or .html"),
        ("data stats {sessions} --tokenizer {nothing}", "cannot be loaded"),
        ("data stats {sessions} --against {empty}", "empty.jsonl: holds no sessions"),
        ("data split {half} --out {out}", "half.jsonl:1: "),
        ("data split {empty} --out {out}", "empty.jsonl: holds no sessions"),
        (
            "data split {sessions} --out {out} --by moon",
            "--by 'moon' is unknown",
        ),
        ("data split {sessions} --out {out} --test-sessions 2", "2 sessions; expected more than the 2"),
        ("data split {sessions} --out {blocked} --test 0", "cannot be written"),
        (
            "data balance {sessions} --out {out}.jsonl --method moon",
            "'moon' is unknown; expected one of undersample",
        ),
        ("data balance {half} --out {out}.jsonl", "half.jsonl:1: "),
        ("data balance {sessions} --out {blocked}.jsonl", "cannot be written"),
        ("grpo --data {sessions} --out {out} --examples {nothing}", "nothing.jsonl: cannot be read"),
        ("grpo --data {sessions} --out {out} --examples {half}", "half.jsonl:1: "),
        ("data stats {empty}", "empty.jsonl: holds no sessions"),
        ("data stats {half}", "half.jsonl:1: "),
        ("data import pages {folder} --out {out}.jsonl", "links.json: cannot be read"),
        ("data import log {empty} --out {out}.jsonl", "empty.jsonl: holds no sessions"),
        ("data import log {half} --out {out}.jsonl", "half.jsonl:1: "),
        ("data import log {half} --out {out}.jsonl --recipe moon", "recipe 'moon': unknown"),
        ("data import rrweb {half} --out {out}.jsonl", "none of 1 recordings gives a session"),
        ("data import rrweb {folder} --out {out}.jsonl", "folder: holds no recordings"),
        ("data import rrweb {half} --out {out}.jsonl --space moon", "'moon' is unknown"),
        ("data import rrweb {half} --out {out}.jsonl --masked moon", "--masked 'moon' is unknown"),
        ("data import rrweb {half} --out {out}.jsonl --end moon", "--end 'moon' is unknown"),
        ("simplify {json}", "page.json: "),
        ("simplify {folder}", "cannot be read"),
        ("simplify {empty}", "empty.jsonl: "),
        ("store --port 99999", "port 99999: expected 0 to 65535"),
        ("store --port moon", "--port"),
        ("simulate --out {blocked}.jsonl", "cannot be written"),
        ("simulate --shoppers 0 --out {out}.jsonl", "--shoppers"),
        ("simulate --policy {nothing} --out {out}.jsonl", "nothing.jsonl is not there"),
        ("simulate --out {out}.jsonl sampling.top_k=3", "settings are for models"),
        ("sft --data {sessions} --out {out} --model {nothing}", "nothing.jsonl is not there"),
        ("sft --data {sessions} --out {blocked} --model {tiny}", "cannot be written"),
        ("sft --data {sessions} --out {out} --model {tiny} num_train_epochs=-1", "num_train_epochs: "),
        ("sft --data {sessions} --out {out} --model {tiny} nonsense=1", "nonsense: "),
        ("sft --data {sessions} --out {out} --model {tiny}", "step 1 has no rationale"),
        ("sft {nothing} --data {sessions} --out {out}", "expected at most one settings file"),
        ("sft none.toml --data {sessions} --out {out}", "none.toml: cannot be read"),
        ("sft --data {half} --out {out}", "half.jsonl:1: "),
        ("grpo --data {empty} --out {out}", "empty.jsonl: holds no sessions"),
        ("grpo --data {sessions} --out {out} --model {folder}", "folder holds no checkpoint"),
        ("evaluate", "needs --model, --data and --out"),
        ("evaluate --predictions {empty}", "empty.jsonl: holds no predictions"),
        ("evaluate --predictions {half}", "half.jsonl:1: "),
        ("evaluate --predictions {half} --model base", "takes the place of"),
        ("evaluate --model {nothing} --data {sessions} --out {out}", "nothing.jsonl is not there"),
        ("evaluate --model {tiny} --data {empty} --out {out}", "empty.jsonl: holds no sessions"),
        ("evaluate --model {tiny} --data {sessions} --out {blocked}", "cannot be written"),
        ("evaluate --model {tiny} --data {sessions} --out {out} --context moon", "'moon' is unknown"),
        ("evaluate --model {tiny} --data {sessions} --out {out} --temperature -1", "--temperature"),
        ("report {nothing}", "no such folder"),
        ("report {folder}", "table.json: cannot be read"),
    ],
)
def test_bad_input_gets_one_sentence_and_leaves_nothing(
    words: str, problem: str, shell: Shell, sessions: Path, tiny: Path, tmp_path: Path
) -> None:
    folder, out = tmp_path / "folder", tmp_path / "out"
    folder.mkdir()
    files = {"empty": "", "half": f"{session_line()[:70]}\n{session_line()}"}
    paths = {name: tmp_path / f"{name}.jsonl" for name in (*files, "nothing")}
    for name, text in files.items():
        paths[name].write_text(text, "utf-8")
    case = {"response": COMPLETION, "target": json.loads(TARGET)}
    if words.startswith("score"):
        paths["half"].write_text(json.dumps(case) + "\n" + json.dumps(case)[:50], "utf-8")
    (tmp_path / "page.json").write_text('{"not": "a page"}', "utf-8")
    places = paths | {"folder": folder, "out": out, "blocked": paths["empty"] / "run"}
    places |= {"sessions": sessions, "tiny": tiny, "json": tmp_path / "page.json"}
    filled = [TARGET if word == "{target}" else word.format(**places) for word in words.split()]
    code, _, err = shell(*filled)
    last = err.rstrip("\n").split("\n")[-1]
    assert code == 2, err
    assert last.startswith("shop-r1: "), err
    assert problem in last
    assert "Traceback" not in err
    written = [path.name for path in out.rglob("*")] if out.exists() else []
    assert not out.with_name("out.jsonl").exists()
    assert set(written) <= {
        "settings.json",
        "metrics.jsonl",
        "prompts.json",
    }  # the record of a run that then failed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("evaluate --policy base", "--policy is now --model"),
        ("simulate --model base --out x", "--model is now --policy"),
        ("doctor --config x.toml", "give the settings file alone"),
        ("simulat --out x", "Did you mean 'simulate'?"),
        (
            "data balance x --out y --method resampl",
            "--method 'resampl' is unknown; did you mean resample?",
        ),
        ("data split x --out y --by usr", "--by 'usr' is unknown; did you mean user?"),
        ("score --space shp --target {} --response x", "'shp' is unknown; did you mean shop?"),
        ("score actoin.dars=1 --target {} --response x", "actoin: no such setting; did you mean action?"),
        ("score action.kind=binry --target {} --response x", "'binry' is unknown; did you mean binary?"),
        ("doctor seed=1 --stage grop", "--stage 'grop' is unknown; did you mean grpo?"),
        ("sft --dta x --out y", "--data"),
        (
            "sft --learning-rate 1e-4",
            "--learning-rate is a setting, not an option: give it as learning_rate=VALUE",
        ),
        ("grpo --reward.action.dars_factor=3", "give it as reward.action.dars_factor=VALUE"),
        ("evaluate --price.input_usd 3", "give it as price.input_usd=VALUE"),
        ("sft --lr 1e-4", "No such option: --lr"),
        ("data split --seeed 3", "No such option: --seeed"),
        ("demo --seed 4294967296", "4294967295"),
    ],
)
def test_what_is_misspelt_or_has_another_name_now_is_suggested(
    words: str, message: str, shell: Shell
) -> None:
    code, out, err = shell(*words.split())
    assert (code, out) == (2, "")
    assert message in err and err.count("\n") == 1


def test_an_unknown_option_of_a_command_whose_packages_are_missing_is_told_as_one(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: str) -> None:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr("shop_r1.cli.terminal.settings_list.resolve_name", fail)
    code, _, err = shell("sft", "--learning-rate", "1")
    assert code == 2 and err == "shop-r1: No such option: --learning-rate (see shop-r1 sft --help)\n"

"""Where commands may write; every command of the command line is asked, so that a new one cannot forget."""

import inspect
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

import pytest
import typer
from tests.shell import Shell
from tests.tiny import make_sessions

from shop_r1.cli import main as cli
from shop_r1.cli.terminal.outputs import check_apart, check_folder, check_output
from shop_r1.errors import ConfigError
from shop_r1.jsonl import write_records
from shop_r1.records.sessions import Session

READ = {
    *("data", "folder", "log", "path", "recordings", "file", "files", "against", "predictions", "training"),
    *("evaluations", "jsonl", "config", "launch", "chosen", "test_profile", "wheel", "embedding"),
    *("simulated", "real", "weights", "variant", "past", "personas"),
    *("funnel", "baseline"),
}
"""Parameters that name what is read. Any other that takes a path is taken for one that is written."""
OPTIONAL = {"config", "predictions", "training", "chosen", "against", "launch", "embedding"} | {
    "weights",
    "variant",
    "personas",
}
"""Those of them that a command line need not have."""
FOLDERS = {"demo", "reproduce", "sft", "grpo", "evaluate", "data split", "simulate"} | {
    "model fetch",
    "model convert",
    "compare",
    "fidelity",
    "backtest",
}
"""Commands whose --out is a folder."""
APPENDED = {"cache"}
"""Files that a run adds to: what is there is never replaced."""
FIXED = {"report", "card", "journey"}
"""Commands that write to a place of their own in a folder that they are given; tested below."""
GIVEN = {"data import opera": ("--config", "full", "--split", "train"), "simulate": ("--browser",)}
GIVEN["model fetch"] = ("smollm2-135m",)
GIVEN["compare"] = ("--url", "http://127.0.0.1:9/a", "--url", "http://127.0.0.1:9/b")
GIVEN["simplify"] = ("page.html",)
"""What else a command needs to come as far as its output."""


ENDINGS = {
    "data stats": ".svg or .html",
    "personas": ".toml or .jsonl or .jsonl.zst",
    "data balance": ".jsonl or .jsonl.zst",
}
"""Of the files of commands that do not write sessions."""


class Output(NamedTuple):
    """A parameter of a command that names what is written."""

    command: str
    option: str
    name: str


def commands(path: str = "", command: Any = None) -> Iterator[tuple[str, Any]]:
    command = command or typer.main.get_command(cli.app)
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path, command
    for name, each in (inner or {}).items():
        yield from commands(f"{path} {name}".strip(), each)


COMMANDS = dict(commands())


def takes_path(command: str, name: str) -> bool:
    """Return whether a parameter's annotation has a path in it."""
    hint = str(get_type_hints(inspect.unwrap(COMMANDS[command].callback)).get(name, ""))
    return "Path" in hint


OUTPUTS = [
    Output(name, parameter.opts[0], parameter.name)
    for name, command in COMMANDS.items()
    for parameter in command.params
    if takes_path(name, parameter.name) and parameter.name not in READ
]
FILES = [each for each in OUTPUTS if each.command not in FOLDERS and each.name not in APPENDED]


def test_the_outputs_are_found() -> None:
    found = {(each.command, each.name) for each in OUTPUTS}
    assert found == {
        *(("demo", "out"), ("reproduce", "out"), ("simulate", "out")),
        *(("rationales", "out"), ("rationales", "cache")),
        *(("sft", "out"), ("grpo", "out"), ("evaluate", "out"), ("evaluate", "cache")),
        *(("data import pages", "out"), ("data import opera", "out"), ("data import log", "out")),
        *(("data import rrweb", "out"), ("data stats", "report")),
        *(("data split", "out"), ("data balance", "out"), ("data convert", "out")),
        *(("model fetch", "out"), ("model convert", "out")),
        *(
            ("compare", "out"),
            ("fidelity", "out"),
            ("simplify", "out"),
            ("backtest", "out"),
            ("personas", "out"),
        ),
    }


def test_every_command_that_writes_has_force() -> None:
    for name in {each.command for each in OUTPUTS} | FIXED:
        assert "--force" in {option for each in COMMANDS[name].params for option in each.opts}, name


def words_for(output: Output, out: Path, source: Path) -> list[str]:
    """Return a command line that reads the source in each place that takes a path, and writes to `out`."""
    words = [*output.command.split(), *GIVEN.get(output.command, ())]
    folder = source if source.is_dir() else source.parent
    for parameter in COMMANDS[output.command].params:
        if parameter.name == output.name:
            words += [output.option, str(out)] if output.option[0] == "-" else [str(out)]
        elif parameter.name in OPTIONAL:
            continue
        elif takes_path(output.command, parameter.name) and parameter.name in READ:
            place = folder if parameter.name in ("folder", "path") else source
            words += [str(place)] if parameter.opts[0][0] != "-" else [parameter.opts[0], str(place)]
        elif parameter.name == "out":  # of a command with another output
            words += ["--out", str(out.parent / "elsewhere" / "out.jsonl")]
        elif parameter.name == "model" and output.command in ("rationales", "evaluate", "sft", "grpo"):
            words += ["--model", "openai:x@http://127.0.0.1:9/v1" if output.name == "cache" else "base"]
    return words


def has_input(output: Output) -> bool:
    return any(
        takes_path(output.command, each.name) and each.name in READ
        for each in COMMANDS[output.command].params
    )


@pytest.mark.parametrize("output", [each for each in OUTPUTS if has_input(each)], ids=str)
@pytest.mark.parametrize(
    "way", ["itself", "spelled otherwise", "missing folder", "symbolic link", "hard link", "folder link"]
)
@pytest.mark.parametrize("force", [False, True])
def test_no_command_writes_onto_its_input(
    output: Output, way: str, force: bool, shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    ending = ".svg" if output.name == "report" else ".jsonl"
    folder = tmp_path / "in"
    folder.mkdir()
    source = folder / f"source{ending}"
    source.write_text("precious", "utf-8")
    if output.command == "demo":
        source = source.rename(source.with_suffix(".toml"))
    (tmp_path / "link").symlink_to(folder)
    out = {
        "itself": source,
        "spelled otherwise": folder / ".." / "in" / source.name,
        "missing folder": folder / "new" / ".." / source.name,  # writing would make it
        "symbolic link": tmp_path / f"soft{ending}",
        "hard link": tmp_path / f"hard{ending}",
        "folder link": tmp_path / "link" / source.name,
    }[way]
    if way == "symbolic link":
        out.symlink_to(source)
    if way == "hard link":
        os.link(source, out)
    if output.command in FOLDERS and output.name == "out":
        out = out.parent if way != "symbolic link" else tmp_path / "link"
        if way == "hard link":
            out = folder  # a folder has none
    words = words_for(output, out, source) + (["--force"] if force else [])
    words += [str(source)] if output.command == "demo" else []
    before = sorted(path.name for path in folder.rglob("*"))
    code, _, err = shell(*words)
    assert code == 2, err
    assert (
        " which this command reads" in err or " is read by this very command" in err or "three files" in err
    )
    assert source.read_text("utf-8") == "precious"
    assert sorted(path.name for path in folder.rglob("*")) == before
    assert out.is_symlink() == (way == "symbolic link" or out == tmp_path / "link")


@pytest.mark.parametrize("output", FILES, ids=str)
def test_no_command_replaces_another_file_without_force(output: Output, shell: Shell, tmp_path: Path) -> None:
    source = tmp_path / "in" / "source.jsonl"
    source.parent.mkdir()
    source.write_text("{}\n")
    out = tmp_path / ("out.svg" if output.name == "report" else "out.jsonl")
    out.write_text("precious", "utf-8")
    code, _, err = shell(*words_for(output, out, source))
    assert (code, out.read_text("utf-8")) == (2, "precious")
    assert f"{out}: is there already; add --force to replace it, or give another name" in err
    code, _, err = shell(*words_for(output, tmp_path / "new" / ".." / out.name, source))
    assert (code, out.read_text("utf-8")) == (2, "precious") and "is there already" in err
    out.unlink()
    out.mkdir()
    assert f"{out}: is a folder; expected the name of a file" in shell(*words_for(output, out, source))[2]


@pytest.mark.parametrize(
    ("output", "ending"),
    [
        (output, ending)
        for output in FILES
        for ending in (".gz", ".jsonl.gz", ".csv", ".parquet", ".json", ".zip", "", ".JSONL")
        if ending != ".parquet" or output.command in ENDINGS  # the others can write that
    ],
    ids=str,
)
def test_no_command_writes_to_an_ending_that_it_cannot_write(
    output: Output, ending: str, shell: Shell, tmp_path: Path
) -> None:
    source = tmp_path / "in" / "source.jsonl"
    source.parent.mkdir()
    source.write_text("{}\n")
    out = tmp_path / f"out{ending}"
    code, _, err = shell(*words_for(output, out, source))
    expected = ENDINGS.get(output.command, ".jsonl or .jsonl.zst or .parquet")
    assert code == 2 and f"expected a name that ends in {expected}" in err
    assert not out.exists()


@pytest.mark.parametrize("command", sorted(FOLDERS))
def test_no_command_writes_a_run_among_other_files_without_force(
    command: str, shell: Shell, tmp_path: Path
) -> None:
    source, out = tmp_path / "source.jsonl", tmp_path / "out"
    source.write_text("{}\n")
    out.mkdir()
    (out / "thesis.tex").write_text("precious")
    for options in ([], ["--resume"]) if command in ("sft", "grpo", "simulate") else ([],):
        code, _, err = shell(*words_for(Output(command, "--out", "out"), out, source), *options)
        assert code == 2 and f"{out}: holds " in err
        assert [path.name for path in out.iterdir()] == ["thesis.tex"]


def test_a_new_place_is_written_and_a_later_run_needs_force(shell: Shell, tmp_path: Path) -> None:
    out = tmp_path / "new" / "s.jsonl"
    words = ("simulate", "--shoppers", 1, "--out", out)
    assert shell(*words)[0] == 0
    first = out.read_bytes()
    assert shell(*words, "--seed", 1)[0] == 2
    assert out.read_bytes() == first
    assert shell(*words, "--seed", 1, "--force")[0] == 0
    assert out.read_bytes() != first


def test_a_finished_model_is_not_trained_over(shell: Shell, tiny_checkpoint: Path, tmp_path: Path) -> None:
    model, data = tmp_path / "model", tmp_path / "s.jsonl"
    shutil.copytree(tiny_checkpoint, model)
    data.write_text("{}\n")
    before = (model / "model.safetensors").read_bytes()
    code, _, err = shell("sft", "--data", data, "--model", tiny_checkpoint, "--out", model)
    assert code == 2 and "which this run did not write; give another --out, or --force" in err
    code, _, err = shell("grpo", "--data", data, "--model", model, "--out", model, "--force")
    assert code == 2 and "is read by this very command" in err
    assert (model / "model.safetensors").read_bytes() == before


def without_rationales(session: Session) -> Session:
    steps = tuple(step.model_copy(update={"rationale": None}) for step in session.steps)
    return session.model_copy(update={"steps": steps})


def test_a_run_that_was_refused_for_its_data_is_given_again_as_it_was(
    shell: Shell, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    data, out = tmp_path / "s.jsonl", tmp_path / "model"
    words = ("--data", data, "--out", out, "--model", tiny_checkpoint, "bf16=false")
    write_records(data, [without_rationales(each) for each in make_sessions()])
    code, _, err = shell("sft", *words)
    assert code == 2 and "has no rationale" in err
    write_records(data, make_sessions())
    code, _, err = shell("sft", *words, "max_steps=1", "warmup_steps=0")
    assert code == 0, err
    assert (out / "model.safetensors").exists()


# -- the one function --------------------------------------------------------------------------------------


def test_a_file_system_without_letter_case_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lower, upper = tmp_path / "data.jsonl", tmp_path / "DATA.jsonl"
    lower.write_text("precious")
    os.link(lower, upper)  # what such a file system shows: one file under both names
    with pytest.raises(ConfigError, match="is read by this very command"):
        check_output(upper, [lower], force=True)


def test_names_of_models_are_no_places(tmp_path: Path) -> None:
    names = ["base", "Qwen/Qwen2.5-3B-Instruct", "openai:x@http://127.0.0.1/v1", "a\0b", "x" * 5000, None]
    check_output(tmp_path / "out.jsonl", names, force=False)
    check_apart(tmp_path, names)


def test_an_empty_folder_and_a_cut_off_start_may_be_written(tmp_path: Path) -> None:
    check_folder(tmp_path / "new", [], force=False)
    check_folder(tmp_path, [], force=False)
    (tmp_path / "settings.json").write_text("{}")
    (tmp_path / ".DS_Store").write_text("")
    check_folder(tmp_path, [], force=False, leftovers=["settings.json"])
    with pytest.raises(ConfigError, match=r"holds settings\.json, which"):
        check_folder(tmp_path, [], force=False)
    with pytest.raises(ConfigError, match="is a file; expected a folder"):
        check_folder(tmp_path / "settings.json", [], force=True)

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import zstandard
from tests.jobs.pages import page, write_folder, write_pages
from tests.jobs.slow_command import command
from tests.shell import Shell

from shop_r1.jobs import blocks
from shop_r1.pages.elements import SimplifiedPage
from shop_r1.pages.serialize.truncate import fit_page
from shop_r1.pages.simplify import simplify_page
from shop_r1.pages.tokens import estimate_tokens


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(blocks, "PAGES_PER_BLOCK", 4)
    yield


def read_rows(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        rows = pq.read_table(path).to_pylist(maps_as_pydicts="strict")
        return [{key: value for key, value in row.items() if value is not None} for row in rows]
    data = path.read_bytes()
    if path.suffix == ".zst":
        with zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True) as stream:
            data = stream.read()
    return [json.loads(line) for line in data.splitlines()]


def expected_row(file: str, text: str, **more: Any) -> dict[str, Any]:
    found = simplify_page(text)
    return {"file": file, "html": found.html, "dropped": dict(found.dropped), **more}


@pytest.mark.parametrize("ending", ["parquet", "jsonl", "jsonl.zst"])
def test_pages_of_parquet_become_a_row_each_in_order(shell: Shell, tmp_path: Path, ending: str) -> None:
    pages = [page(number) for number in range(10)]
    source, out = write_pages(tmp_path / "p.parquet", pages), tmp_path / f"short.{ending}"
    code, text, err = shell("simplify", source, "--keep", "address", "--out", out)
    assert (code, text) == (0, f"{out}: 10 pages, none failed\n"), err
    assert read_rows(out) == [
        expected_row(str(source), each, row=number + 1, address=f"https://shop.example/{number}")
        for number, each in enumerate(pages)
    ]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["p.parquet", out.name]


def test_pages_of_a_folder_become_a_row_each_in_order(shell: Shell, tmp_path: Path) -> None:
    folder, out = (
        write_folder(tmp_path / "pages", [page(number) for number in range(6)]),
        tmp_path / "s.jsonl",
    )
    assert shell("simplify", folder, "--out", out)[0] == 0
    files = sorted(folder.rglob("*.html"))
    assert read_rows(out) == [expected_row(str(file), file.read_text("utf-8")) for file in files]


def test_a_budget_and_elements_are_in_the_rows_that_ask_for_them(shell: Shell, tmp_path: Path) -> None:
    text = page(1, "word " * 400)
    source, out = write_pages(tmp_path / "p.parquet", [text]), tmp_path / "s.parquet"
    assert shell("simplify", source, "--max-tokens", 60, "--elements", "--out", out)[0] == 0
    fitted: SimplifiedPage = fit_page(simplify_page(text), 60, estimate_tokens)
    (row,) = read_rows(out)
    assert (row["html"], row["tokens"]) == (fitted.html, estimate_tokens(fitted.html))
    assert row["cut"] == dict(fitted.cut) and row["cut"]
    assert [each["name"] for each in row["elements"]] == [each.name for each in fitted.elements]


def test_pages_that_fail_are_rows_with_a_reason_and_are_counted(shell: Shell, tmp_path: Path) -> None:
    source = write_pages(tmp_path / "p.parquet", [page(0), "", None, page(3)])
    out = tmp_path / "s.jsonl"
    code, text, err = shell("simplify", source, "--out", out, "--keep", "address")
    assert (code, text) == (0, f"{out}: 4 pages, 2 failed (invalid 2)\n")
    rows = read_rows(out)
    assert ["html" in row for row in rows] == [True, False, False, True]
    assert [row["address"][-1] for row in rows] == ["0", "1", "2", "3"]
    assert rows[2]["failure"] == "invalid: there is no page in this row"
    assert f"failed: {source}:3: {rows[2]['failure']}" in " ".join(err.split())


def test_no_output_is_written_of_pages_that_all_fail(shell: Shell, tmp_path: Path) -> None:
    source, out = write_pages(tmp_path / "p.parquet", ["", ""]), tmp_path / "s.jsonl"
    code, text, err = shell("simplify", source, "--out", out)
    assert (code, text) == (2, "")
    assert "none of 2 pages could be simplified; the first: " in err
    assert [each.name for each in tmp_path.iterdir()] == ["p.parquet"]


def test_what_contradicts_is_refused(shell: Shell, tmp_path: Path) -> None:
    source, out = write_pages(tmp_path / "p.parquet", [page(0)]), tmp_path / "s.jsonl"
    for words, problem in (
        (("--ray", "local"), "--ray is for many pages at once; give --out FILE too"),
        (("--keep", "address"), "--keep is for many pages"),
        (("--out", out, "--json"), "--json and --explain print pages"),
        (("--out", out, "--keep", "html"), "--keep html: the output has a column of its own of that name"),
        (("--out", out, "--ray-workers", 2), "--ray-workers is for --ray"),
        (("--out", tmp_path / "s.csv"), "s.csv: .csv cannot be written"),
        (("--out", source), "is read by this very command"),
    ):
        code, _, err = shell("simplify", source, *words)
        assert code == 2 and problem in err
    assert not out.exists()


def test_a_run_that_is_ended_by_sigterm_goes_on_where_it_was(tmp_path: Path, shell: Shell) -> None:
    pages = [page(number) for number in range(40)]
    source, out, whole = (
        write_pages(tmp_path / "p.parquet", pages),
        tmp_path / "s.parquet",
        tmp_path / "w.parquet",
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command(source, out), stderr=subprocess.PIPE, text=True, env=environment) as run:
        parts = tmp_path / "s.parts"
        while len(list(parts.glob("*.part"))) < 3:
            assert run.poll() is None
            time.sleep(0.02)
        run.send_signal(signal.SIGTERM)
        errors = run.communicate(timeout=30)[1]
    assert run.returncode == 143 and "ended by SIGTERM" in errors
    finished = {file.name: file.stat().st_mtime_ns for file in parts.glob("*.part")}
    assert 3 <= len(finished) < 10 and not out.exists()
    refused = shell("simplify", source, "--out", out, "--elements")
    assert refused[0] == 2 and "holds finished blocks of another job: elements (false there" in refused[2]
    again = subprocess.run(command(source, out), capture_output=True, text=True, env=environment, check=True)
    assert f"going on after {len(finished)} of 10 blocks" in " ".join(again.stderr.split())
    assert shell("simplify", source, "--out", whole)[0] == 0
    assert out.read_bytes() == whole.read_bytes()
    assert not parts.exists()


def test_finished_blocks_of_another_job_are_replaced_by_force(tmp_path: Path, shell: Shell) -> None:
    source, out = (
        write_pages(tmp_path / "p.parquet", [page(number) for number in range(8)]),
        tmp_path / "s.jsonl",
    )
    parts = tmp_path / "s.parts"
    parts.mkdir()
    (parts / "job.json").write_text('{"inputs": ["other.parquet"]}')
    (parts / "00000000.part").write_bytes(b"{}")
    code, _, err = shell("simplify", source, "--out", out)
    assert code == 2 and "holds finished blocks of another job" in err
    assert shell("simplify", source, "--out", out, "--force")[0] == 0
    assert len(read_rows(out)) == 8
    mine = tmp_path / "mine.parts"
    mine.mkdir()
    (mine / "notes").write_text("keep me")
    code, _, err = shell("simplify", source, "--out", tmp_path / "mine.jsonl", "--force")
    assert code == 2 and "holds something else" in err and (mine / "notes").exists()


def test_without_ray_the_extra_is_named(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    source, out = write_pages(tmp_path / "p.parquet", [page(0)]), tmp_path / "s.jsonl"
    for words in (
        ("simplify", source, "--out", out),
        ("data", "validate", source),
        ("data", "stats", source),
    ):
        code, _, err = shell(*words, "--ray", "local")
        assert code == 2
        assert "--ray needs the package ray, which is not installed: pip install 'shop-r1[ray]'" in err
    assert not out.exists()


def test_what_ray_is_not_for_is_refused(shell: Shell, tmp_path: Path) -> None:
    code, _, err = shell(
        "rationales", tmp_path, "--model", "base", "--out", tmp_path / "o.jsonl", "--ray", "x"
    )
    assert code == 2 and "--ray sends requests to a model over a network, and 'base' is a checkpoint" in err
    code, _, err = shell("evaluate", "--predictions", tmp_path / "p.jsonl", "--ray", "local")
    assert code == 2 and "--ray is for a model that predicts" in err

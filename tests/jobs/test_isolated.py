import os
import time
from pathlib import Path

import psutil
import pytest
from tests.jobs.pages import page, write_folder
from tests.jobs.poisoned_jobs import CRASHES, FAILURES, HANGS, LIMITS, ONCE, PoisonedPages

from shop_r1.errors import ConfigError, DataError
from shop_r1.jobs.blocks import Block, Item, PageFiles, cut_pages
from shop_r1.jobs.isolated import IsolatedWorker
from shop_r1.jobs.pages import SimplifyWork
from shop_r1.pages.simplify import simplify_page


def block_of(folder: Path, pages: list[str]) -> Block:
    (block,) = cut_pages([write_folder(folder, pages)], "html", ()).blocks
    return block


def test_each_poisoned_page_is_a_named_failure_and_all_others_are_done(tmp_path: Path) -> None:
    pages = [page(number, mark) for number, mark in enumerate(["", *FAILURES, "", CRASHES])]
    block = block_of(tmp_path / "pages", pages)
    with IsolatedWorker(PoisonedPages(), LIMITS, Path.cwd()) as worker:
        rows = worker.run(block)
    assert [row["file"] for row in rows] == [item.file for item in block.read()]
    for row in rows:
        text = Path(row["file"]).read_text("utf-8")
        expected = next((failure for mark, failure in FAILURES.items() if mark in text), None)
        if expected is None:
            assert row["html"] == simplify_page(text).html and "failure" not in row
        else:
            assert row["failure"].rstrip() == expected and "html" not in row


def test_a_process_that_is_killed_from_outside_costs_no_page(tmp_path: Path) -> None:
    marks = ["", f"{ONCE}{tmp_path / 'was-here'} ", ""]
    block = block_of(tmp_path / "pages", [page(number, mark) for number, mark in enumerate(marks)])
    with IsolatedWorker(PoisonedPages(), LIMITS, Path.cwd()) as worker:
        rows = worker.run(block)
        assert worker.lost == 1
    assert [row.get("failure") for row in rows] == [None, None, None]


def test_a_worker_does_one_block_after_the_other_in_one_process(tmp_path: Path) -> None:
    blocks = [block_of(tmp_path / str(number), [page(number)]) for number in range(3)]
    before = set(psutil.Process().children())
    with IsolatedWorker(SimplifyWork(), LIMITS, Path.cwd()) as worker:
        found = [worker.run(block) for block in blocks]
        (child,) = set(psutil.Process().children()) - before
    assert [rows[0]["html"] for rows in found] == [simplify_page(page(number)).html for number in range(3)]
    assert not child.is_running()


def test_work_that_cannot_be_prepared_ends_the_job(tmp_path: Path) -> None:
    work = SimplifyWork(max_tokens=10, tokenizer=str(tmp_path / "no-model"))
    with (
        IsolatedWorker(work, LIMITS, Path.cwd()) as worker,
        pytest.raises(Exception, match="no-model"),
    ):
        worker.run(block_of(tmp_path / "pages", [page(0)]))


class _Unreadable(PageFiles):
    def read(self):  # type: ignore[no-untyped-def]
        yield Item("first", None, "<p>one")
        os._exit(1)


def test_a_block_whose_reading_ends_the_process_is_named(tmp_path: Path) -> None:
    block = _Unreadable(tmp_path, ("a.html", "b.html"))
    with (
        IsolatedWorker(SimplifyWork(), LIMITS, Path.cwd()) as worker,
        pytest.raises(DataError, match=r"a\.html to b\.html: cannot be read after 1 items: its process"),
    ):
        worker.run(block)


def test_the_process_ends_with_its_parent(tmp_path: Path) -> None:
    block = block_of(tmp_path / "pages", [page(0, HANGS)])
    started = time.monotonic()
    parent = os.fork()
    if parent == 0:
        with IsolatedWorker(PoisonedPages(), LIMITS.model_copy(update={"seconds": 60}), Path.cwd()) as worker:
            worker.run(block)
        os._exit(0)
    children: list[psutil.Process] = []
    while not children:
        assert time.monotonic() - started < 60
        children = psutil.Process(parent).children()
        time.sleep(0.05)
    time.sleep(1.0)
    os.kill(parent, 9)
    os.waitpid(parent, 0)
    gone, _ = psutil.wait_procs(children, timeout=20)
    assert gone == children


def test_limits_are_positive() -> None:
    assert CRASHES in FAILURES
    with pytest.raises(ConfigError):
        from shop_r1.config import load_config

        load_config(type(LIMITS), None, ["seconds=0"])

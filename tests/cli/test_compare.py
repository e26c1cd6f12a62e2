import json
from pathlib import Path

import pytest
from tests.shell import Shell

from shop_r1.cli.pipeline.stores import create_store
from shop_r1.jsonl import read_json, read_records
from shop_r1.records.comparisons import (
    COMPARISON_FILE,
    COMPARISON_PAGE,
    SHOPPERS_FILE,
    ShopperPlan,
    VersionComparison,
)
from shop_r1.records.sessions import Session
from shop_r1.records.visits import SESSIONS_FILE, VISITS_FILE
from shop_r1.store.serve import served
from shop_r1.store.variants import StoreVariant


@pytest.fixture
def variant(tmp_path: Path) -> Path:
    path = tmp_path / "no_ratings.toml"
    path.write_text("ratings = false\n", "utf-8")
    return path


def read_comparison(folder: Path) -> VersionComparison:
    return VersionComparison.model_validate_json((folder / COMPARISON_FILE).read_text("utf-8"))


def test_two_versions_are_compared_shopper_by_shopper(
    shell: Shell, tmp_path: Path, variant: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    out = Path("runs/comparison")
    code, text, err = shell("compare", "--variant", variant.name, "--shoppers", 10, "--seed", 2)
    assert code == 0, err
    assert max(map(len, text.splitlines())) <= 80
    assert "purchases *" in text and "replaces no experiment on people" in " ".join(text.split())
    found = read_comparison(out)
    assert found.versions == ("store", "no_ratings") and found.shoppers == 10
    plan = list(read_records(out / SHOPPERS_FILE, ShopperPlan))
    assert (
        sorted(each.order for each in plan) == [("no_ratings", "store")] * 5 + [("store", "no_ratings")] * 5
    )
    assert {each.segment for each in plan} <= {"quality-minded", "price-minded", "neither price nor quality"}
    sessions = {each.session_id: each for each in read_records(out / SESSIONS_FILE, Session)}
    assert len(sessions) == 20
    for each in plan:
        key = each.user_id.removeprefix("shopper-")
        first, second = (sessions[f"store-{key}-{name}"] for name in found.versions)
        assert first.user_id == second.user_id == each.user_id
        assert first.steps[0].action == second.steps[0].action  # the same shopper with the same wish
    assert found.verdict[0] in (out / COMPARISON_PAGE).read_text("utf-8")
    settings = json.loads((out / "settings.json").read_text("utf-8"))
    assert (
        settings["command"] == "compare"
        and settings["settings"]["versions"]["no_ratings"]["ratings"] is False
    )
    assert shell("report", out)[0] == 0  # the replays


def test_equal_versions_differ_in_nothing(shell: Shell, tmp_path: Path) -> None:
    twin = tmp_path / "twin.toml"
    twin.write_text("", "utf-8")
    out = tmp_path / "out"
    code, text, _ = shell("compare", "--variant", twin, "--variant", "store", "--shoppers", 6, "--out", out)
    assert code == 0
    found = read_comparison(out)
    assert found.versions == ("twin", "store")
    assert {each.finding for each in found.differences} == {"no difference found"}
    assert "No difference in purchases between store and twin was found" in " ".join(text.split())


def test_a_comparison_goes_on_where_it_was_and_comes_to_the_same(
    shell: Shell, tmp_path: Path, variant: Path
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    words = ("compare", "--variant", variant, "--shoppers", 6)
    assert shell(*words, "--out", whole)[0] == 0
    assert shell(*words, "--out", cut)[0] == 0
    with (cut / VISITS_FILE).open("rb+") as visits:  # as if it had been killed while the sixth visit ended
        visits.truncate(len(b"".join(visits.readlines()[:5])) + 10)
    (cut / COMPARISON_FILE).unlink()
    code, _, err = shell(*words, "--out", cut, "--resume")
    assert code == 0 and "5 of 12 visits are finished; 7 are left" in err
    assert (cut / SESSIONS_FILE).read_bytes() == (whole / SESSIONS_FILE).read_bytes()
    assert read_json(cut / COMPARISON_FILE) == read_json(whole / COMPARISON_FILE)
    code, _, err = shell("compare", "--variant", variant, "--shoppers", 8, "--out", cut, "--resume")
    assert code == 2 and "of another run: shoppers" in err  # a number that grows when it was seen


def test_several_processes_come_to_the_same(shell: Shell, tmp_path: Path, variant: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    words = ("compare", "--variant", variant, "--shoppers", 21)
    assert shell(*words, "--out", one, "--processes", 1)[0] == 0
    code, text, err = shell(*words, "--out", two, "--processes", 2)
    assert code == 0, err
    assert "in 2 processes" in " ".join(text.split())
    assert (one / SESSIONS_FILE).read_bytes() == (two / SESSIONS_FILE).read_bytes()
    assert read_json(one / COMPARISON_FILE) == read_json(two / COMPARISON_FILE)


def test_a_clear_difference_ends_the_run_early(shell: Shell, tmp_path: Path) -> None:
    empty = tmp_path / "empty.toml"
    empty.write_text('latency_s = 0\npage_size = 1\nranking = "price"\nsponsored_places = 0\n', "utf-8")
    out = tmp_path / "out"
    code, text, err = shell(
        *("compare", "--variant", empty, "--shoppers", 150, "--primary", "left_at_search", "--out", out),
        *("--stop-when-certain", "--metric", "steps", "--processes", 1),
    )
    assert code == 0, err
    found = read_comparison(out)
    assert found.stopping is not None and [each.metric for each in found.differences] == [
        "left_at_search",
        "steps",
    ]
    if found.stopping.is_certain:
        assert found.stopping.shoppers < 150
        assert found.differences[0].finding != "no difference found"
    assert "Looked at every 10 shoppers" in text
    code, _, _ = shell(
        *("compare", "--variant", empty, "--shoppers", 150, "--primary", "left_at_search", "--out", out),
        *("--stop-when-certain", "--metric", "steps", "--processes", 1, "--resume"),
    )
    assert code == 0 and read_comparison(out) == found


PAGES = """
[[edits]]
do = "hide"
selector = ".rating, a[href*='sort=rating'], a[href*='rating=']"

[[edits]]
do = "text"
selector = "button.none"
to = "Buy"
"""


@pytest.mark.slow
def test_hidden_ratings_are_those_that_the_store_does_not_show(
    shell: Shell, tmp_path: Path, variant: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pages, out = Path("pages.toml"), Path("out")
    pages.write_text(PAGES, "utf-8")
    words = ("compare", "--browser", "--variant", variant.name, "--variant", pages)
    code, text, _ = shell(*words, "--check", "--check-page", "/search?q=mug")
    assert code == 1
    assert "1 edit on no page: pages: 2 text button.none: nothing" in " ".join(text.split())
    code, text, err = shell(*words, "--shoppers", 3, "--out", out, "--no-recording")
    assert code == 0, err
    assert max(map(len, text.splitlines())) <= 80
    sessions = {each.session_id: each for each in read_records(out / SESSIONS_FILE, Session)}
    for name in {name.rpartition("-")[0] for name in sessions}:
        one, two = (sessions[f"{name}-{each}"].steps for each in ("no_ratings", "pages"))
        assert [step.action for step in one] == [step.action for step in two]
        assert [step.page.html for step in one] == [step.page.html for step in two]
    found = read_comparison(out)
    hide, none = found.edits
    assert hide.edit.startswith("1 hide .rating") and 0 < hide.pages < hide.pages_seen
    assert none.pages == 0 and any("2 text button.none of pages held on none" in it for it in found.warnings)


@pytest.mark.slow
def test_two_addresses_are_visited_each_within_its_own_host(shell: Shell, tmp_path: Path) -> None:
    out, bare = tmp_path / "out", StoreVariant(name="bare", ratings=False)
    with served(create_store()) as first, served(create_store(variant=bare)) as second:
        urls = {name: f"http://127.0.0.1:{port}/" for name, port in (("old", first), ("new", second))}
        words = [f"{name}={url}" for name, url in urls.items()]
        code, text, err = shell(
            *("compare", "--url", words[0], "--url", words[1], "--shoppers", 2, "--rate", 0),
            *("--max-steps", 6, "--no-recording", "--out", out),
        )
    assert code == 0, err
    hosts = f"each version's own, 127.0.0.1:{first} or 127.0.0.1:{second}; all else is refused"
    assert hosts in " ".join(text.split())
    found = read_comparison(out)
    assert found.versions == ("old", "new") and found.shoppers == 2 and found.edits == ()
    sessions = list(read_records(out / SESSIONS_FILE, Session))
    assert len(sessions) == 4
    for session in sessions:
        start = urls[session.session_id.rpartition("-")[2]]
        assert {step.page.url.startswith(start) for step in session.steps} == {True}
        if start == urls["new"]:
            assert not any("stars (" in step.page.html for step in session.steps)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ((), "there is one version"),
        (("--url", "https://a.example"), "there is one version"),
        (("--url", "a.example", "--url", "https://b.example"), "is no address"),
        (
            ("--url", "https://a.example", "--url", "x=https://b.example", "--policy", "scripted"),
            "scripted shoppers",
        ),
        (("--variant", "store", "--variant", "store"), "two versions are called store"),
        (("--variant", "store", "--url", "https://a.example"), "two versions are called shop"),
        (("--variant", "VARIANT", "--url", "https://a.example"), "no_ratings is of the built-in store"),
        (
            ("--variant", "PAGES", "--url", "https://a.example", "--url", "https://b.example"),
            "give it with one --url",
        ),
        (("--variant", "PAGES"), "pages is made in a browser; add --browser"),
        (("--variant", "VARIANT", "--check"), "--check is for versions that are made of page edits"),
        (("--variant", "BROKEN", "--browser"), "edit 1 (hide): selector: is missing"),
        (("--variant", "VARIANT", "--primary", "sales"), "metric 'sales' is unknown"),
        (("--variant", "VARIANT", "--goal", "sale"), "--goal 'sale' is unknown"),
        (("--variant", "VARIANT", "--primary", "revenue", "--stop-when-certain"), "no largest value"),
        (("--variant", "VARIANT", "https://a.example"), "addresses after --url"),
        (("--variant", "VARIANT", "--processes", 2, "--watch"), "--watch shows the shoppers"),
        (("--variant", "VARIANT", "--out", "x.jsonl"), "a comparison is a folder"),
        (("--variant", "none.toml"), "cannot be read"),
        (("--variant", "VARIANT", "--allow-purchase"), "in a browser"),
    ],
)
def test_what_means_nothing_is_refused(
    shell: Shell, tmp_path: Path, variant: Path, words: tuple[str, ...], problem: str
) -> None:
    pages, broken = tmp_path / "pages.toml", tmp_path / "broken.toml"
    pages.write_text('[[edits]]\ndo = "hide"\nselector = ".rating"\n', "utf-8")
    broken.write_text('[[edits]]\ndo = "hide"\n', "utf-8")
    given = {"VARIANT": variant, "PAGES": pages, "BROKEN": broken}
    code, _, err = shell("compare", *(given.get(word, word) for word in words))
    assert code == 2 and problem in " ".join(err.split())

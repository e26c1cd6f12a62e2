import io
import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from tests.cli.cases import PAGE
from tests.shell import Shell

SHARED = Path(__file__).resolve().parents[2].parent / "shared"


def test_simplify_prints_one_json_line_for_each_page(shell: Shell, page: Path) -> None:
    code, out, _ = shell("simplify", page, page, "--json")
    assert code == 0
    first, second = (json.loads(line) for line in out.splitlines())
    assert first == second
    assert set(first) == {"file", "html", "elements", "dropped"}
    assert [element.get("href") for element in first["elements"]] == ["/", "/red"]
    assert first["file"] == str(page)


def test_simplify_prints_the_page_and_a_summary(shell: Shell, page: Path) -> None:
    code, out, err = shell("simplify", page)
    assert code == 0
    assert out.startswith("<page")
    assert "2 elements that can be acted on; dropped: head 1, script_or_style 1" in " ".join(err.split())


def test_simplify_reads_stdin(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(PAGE.encode())))
    code, out, _ = shell("simplify", "-", "--json")
    assert (code, json.loads(out)["file"]) == (0, "-")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    code, out, err = shell("simplify", "-")
    assert (code, out) == (2, "")
    assert err.startswith("shop-r1: -: ")


def test_a_bad_page_among_several_is_named_and_the_good_ones_are_printed(
    shell: Shell, page: Path, tmp_path: Path
) -> None:
    empty = tmp_path / "empty.html"
    empty.write_bytes(b"")
    code, out, err = shell("simplify", page, empty, page, "--json")
    assert code == 2
    assert len(out.splitlines()) == 2
    assert err.startswith(f"shop-r1: {empty}: ") and err.count("\n") == 1


def test_simplify_says_what_it_dropped_with_examples(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # lines are counted, and a folder's name may be long
    page = Path("page.html")
    page.write_text("<p hidden>one</p><p hidden>two</p><script>x</script><p>seen")
    code, out, err = shell("simplify", page, "--explain")
    assert (code, out) == (0, "<page>\nseen\n")
    lines = err.splitlines()
    start = lines.index("hidden 2: hidden by attribute")
    assert lines[start + 1 : start + 3] == ['<p hidden="">one</p>', '<p hidden="">two</p>']
    assert max(map(len, lines)) <= 80
    record = json.loads(shell("simplify", page, "--explain", "--json")[1])
    assert record["examples"]["script_or_style"] == ["<script>x</script>"]


def test_simplify_fits_a_page_into_a_budget_and_says_what_it_cut(shell: Shell, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(f"<ul>{''.join(f'<li><a href=/{i}>Mug {i}</a>' for i in range(300))}</ul>")
    code, out, err = shell("simplify", page, "--max-tokens", "400")
    assert code == 0
    assert 'name="mug_0"' in out
    assert 'name="mug_299"' in out
    assert " more\n" in out
    assert "of 400 tokens (estimate); cut: " in " ".join(err.split())
    record = json.loads(shell("simplify", page, "--max-tokens", "400", "--json")[1])
    assert record["cut"]["elements"] == 300 - len(record["elements"])


def test_simplify_counts_with_a_model_s_tokenizer(shell: Shell, tmp_path: Path, tiny: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<p>" + "words and more words " * 400)
    code, out, err = shell("simplify", page, "--max-tokens", "200", "--tokenizer", tiny)
    assert (code, "of 200 tokens" in err) == (0, True)
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny)
    assert len(tokenizer(out, add_special_tokens=False)["input_ids"]) <= 201  # and the line's end
    assert shell("simplify", page, "--tokenizer", tiny)[0] == 2
    missing = shell("simplify", page, "--max-tokens", "9", "--tokenizer", tmp_path / "no")
    assert "cannot be loaded" in missing[2]


def test_simplify_uses_a_recipe(shell: Shell, tmp_path: Path) -> None:
    page, recipe = tmp_path / "page.html", tmp_path / "shop.toml"
    page.write_text("<div class=buy><button>Buy</button></div><p class=noise>Join us")
    recipe.write_text(
        'site = ["x"]\npage = "a product"\nhas = [".buy"]\n'
        '[[sections]]\nselector = ".buy"\nname = "buy_box"\n'
        '[[leave_out]]\nselector = ".noise"\nwhy = "an advertisement"\n'
    )
    code, out, err = shell("simplify", page, "--recipe", recipe)
    assert (code, out) == (0, '<page>\n<button name="buy_box.buy">Buy</button>\n')
    assert "recipe 1" in err
    code, _, err = shell("simplify", page, "--recipe", "amazon_search")
    assert (code, "does not fit this page" in err) == (2, True)
    assert "use amazon_product, amazon_search" in shell("simplify", page, "--recipe", "ebay")[2]


class _Site(BaseHTTPRequestHandler):
    """One page in an encoding that only its header names; all else is missing."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/mug" else 404)
        self.send_header("Content-Type", "text/html; charset=koi8-r")
        self.end_headers()
        self.wfile.write("<a href=/p>Кружка</a>".encode("koi8-r"))

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def test_simplify_reads_addresses(shell: Shell) -> None:
    with HTTPServer(("127.0.0.1", 0), _Site) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        try:
            assert shell("simplify", f"{address}/mug")[1] == '<page>\n<a name="кружка">Кружка</a>\n'
            code, _, err = shell("simplify", f"{address}/none")
            assert (code, f"{address}/none: no page came: Not Found" in err) == (2, True)
        finally:
            server.shutdown()
    code, _, err = shell("simplify", f"{address}/mug")
    assert (code, "no page came: " in err) == (2, True)


def test_simplify_works_on_every_real_page(shell: Shell) -> None:
    files = sorted((SHARED / "data" / "pages").rglob("*.html"))[::10]
    if not files:
        pytest.skip("no ../shared/data/pages beside this clone")
    code, out, _ = shell("simplify", *files, "--json")
    assert (code, len(out.splitlines())) == (0, len(files))

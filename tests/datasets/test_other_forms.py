"""What people give instead of a file of sessions: read where it can be, else told what it is."""

import gzip
import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from shop_r1.cli.main import app
from shop_r1.datasets.session_files import open_sessions
from shop_r1.datasets.validation import Checker
from shop_r1.errors import DataError
from shop_r1.importers.logs import LogSession
from shop_r1.jsonl import parse_record, read_json, read_lines, read_records
from shop_r1.records.actions import click
from shop_r1.records.sessions import Page, Session, Step

SESSIONS = [
    Session(session_id=name, steps=(Step(page=Page(html='<page>\n<a name="m">Mué</a>'), action=click("m")),))
    for name in ("s1", "s2")
]
LINES = [session.model_dump_json(exclude_none=True) for session in SESSIONS]
TEXT = "".join(f"{line}\n" for line in LINES)
LOG = {"session_id": "a", "steps": [{"page": {"html": "<a>"}, "action": {"type": "click", "target": {}}}]}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("bom.jsonl", b"\xef\xbb\xbf" + TEXT.encode()),
        ("two_boms.jsonl", b"".join(b"\xef\xbb\xbf" + line.encode() + b"\n" for line in LINES)),
        ("crlf.jsonl", TEXT.replace("\n", "\r\n").encode()),
        ("cr.jsonl", TEXT.replace("\n", "\r").encode()),
        ("blank.jsonl", f"\n  \n{LINES[0]}\n\n\r\n{LINES[1]}".encode()),
        ("packed.jsonl.gz", gzip.compress(TEXT.encode(), mtime=0)),
        (
            "members.jsonl.gz",
            b"".join(gzip.compress(f"{line}\n".encode(), mtime=0) for line in LINES) + b"\0" * 512,
        ),
        ("bom.jsonl.gz", gzip.compress(b"\xef\xbb\xbf" + TEXT.encode(), mtime=0)),
    ],
)
def test_sessions_are_read_as_other_programs_write_them(tmp_path: Path, name: str, data: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    assert list(read_records(path, Session)) == SESSIONS
    assert list(open_sessions(path)) == SESSIONS
    checker = Checker()
    assert not [
        each for number, text in read_lines(path) for each in checker.check(number, text) if each.is_error
    ]
    assert checker.sessions == 2


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        (
            "a.jsonl",
            TEXT.encode("utf-16"),
            "is UTF-16 text, as PowerShell's > writes it; expected UTF-8: iconv",
        ),
        ("a.jsonl", TEXT.encode("utf-16-le"), "is UTF-16 text.*iconv -f UTF-16LE"),
        ("a.jsonl", TEXT.encode("utf-16-be"), "is UTF-16 text.*iconv -f UTF-16BE"),
        ("a.jsonl", TEXT.encode("utf-32"), "is UTF-32 text"),
        ("a.jsonl", gzip.compress(TEXT.encode(), mtime=0), "is gzip data; name it FILE.gz"),
        ("a.jsonl.gz", TEXT.encode(), "broken gzip data .*it is plain text, rename it"),
        ("a.jsonl.gz", gzip.compress(TEXT.encode(), mtime=0)[:-4], "broken gzip data .the file breaks off"),
        ("a.jsonl.zst", TEXT.encode(), "broken zstd data .*it is plain text, rename it"),
        ("a.jsonl.zst", TEXT.encode("utf-16-le"), r"broken zstd data \([^;]*\); expected a whole .zst file"),
        ("a.jsonl", b"PAR1\x15\x04", "is a Parquet file; name it .*data import opera"),
        ("a.jsonl", b"PK\x03\x04abc", "is a zip archive"),
        (
            "a.jsonl",
            f"{LINES[0]}\n".encode() * 9 + TEXT.encode("latin-1"),
            r":10: is not UTF-8 text .byte 0xe9",
        ),
        (
            "a.jsonl",
            f"[{','.join(LINES)}]".encode(),
            r"is a JSON array; .* jq -c '\.\[\]' FILE > FILE\.jsonl",
        ),
        ("a.jsonl", json.dumps(SESSIONS[0].model_dump(), indent=1).encode(), "over several lines; .*jq -c"),
        ("a.jsonl", f'{{"sessions": [{LINES[0]}]}}'.encode(), r"in a list; .*jq -c '\.sessions\[\]'"),
        (
            "a.jsonl",
            b"session_id,step,url\ns1,0,/\n",
            "looks like CSV .session_id,step,url.; expected a JSON",
        ),
        ("a.jsonl", b"session_id\tstep\n", "looks like CSV"),
        ("a.jsonl", b"<!doctype html><title>404</title>", "is HTML or XML"),
        ("a.jsonl", json.dumps(LOG).encode(), "looks like a plain log; .*shop-r1 data import log FILE --out"),
        (
            "a.jsonl",
            b'{"type": 4, "data": {}, "timestamp": 1}',
            "looks like an event of rrweb; .*import rrweb",
        ),
        ("a.jsonl", b'{"session_id": "s", "step": 1}', "is one example by name"),
        ("a.jsonl", b'{"messages": []}', "holds a finished prompt"),
    ],
)
def test_what_is_no_file_of_sessions_gets_the_sentence_that_helps(
    tmp_path: Path, name: str, data: bytes, told: str
) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(DataError, match=told):
        list(read_records(path, Session))
    with pytest.raises(DataError, match=told):
        open_sessions(path)
    result = CliRunner().invoke(app, ["data", "validate", str(path)])
    assert result.exit_code in (1, 2)
    assert re.search(told.removeprefix(":10: "), result.output.replace("\n", " "))


def test_sessions_given_as_a_log_are_told_to_be_sessions_already() -> None:
    with pytest.raises(DataError, match="is a session already"):
        parse_record(LINES[0], LogSession, "log.jsonl", 1)


def test_one_json_document_is_read_without_its_byte_order_mark_and_packed(tmp_path: Path) -> None:
    (tmp_path / "bom.json").write_bytes(b'\xef\xbb\xbf{"a": "\xc3\xa9"}')
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(b"[1]", mtime=0))
    assert read_json(tmp_path / "bom.json") == {"a": "é"}
    assert read_json(tmp_path / "a.json.gz") == [1]
    (tmp_path / "wide.json").write_bytes("[1]".encode("utf-16"))
    with pytest.raises(DataError, match="is UTF-16 text"):
        read_json(tmp_path / "wide.json")

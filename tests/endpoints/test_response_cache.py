import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from shop_r1.endpoints.protocol import Completion, Request, Stop, Usage
from shop_r1.endpoints.response_cache import ResponseCache, request_key
from shop_r1.errors import DataError

ROOT = Path(__file__).resolve().parents[2]
KEY, OTHER = "a" * 64, "b" * 64


def make_completion(text: str, stop: Stop = "end", tokens: tuple[int, int] = (3, 2)) -> Completion:
    return Completion(text=text, stop=stop, usage=Usage(input_tokens=tokens[0], output_tokens=tokens[1]))


def make_request(text: str = "why?", **more: object) -> Request:
    return Request.model_validate({"messages": [{"role": "user", "content": text}], "max_tokens": 9, **more})


def test_completions_come_back_after_reopening_in_order_rejected_ones_too(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "cache.jsonl"
    completions = [
        make_completion("no JSON"),
        make_completion("I will not", "refused"),
        make_completion("caf\u00e9 \n \u2028"),
    ]
    with ResponseCache(path) as cache:
        for completion in completions:
            cache.add(KEY, "openai:m", completion)
        cache.add(OTHER, "openai:m", make_completion("else"))
        assert cache.completions(KEY) == completions
    with ResponseCache(path) as cache:
        assert cache.completions(KEY) == completions
        assert cache.completions("c" * 64) == []
        assert len(cache) == 4
        assert not cache.is_incomplete
    lines = [json.loads(line) for line in path.read_text("utf-8").split("\n")[:-1]]
    assert [(line["key"], line["attempt"]) for line in lines] == [(KEY, 1), (KEY, 2), (KEY, 3), (OTHER, 1)]
    assert {line["endpoint"] for line in lines} == {"openai:m"}


def test_a_completion_is_in_the_file_before_the_cache_is_closed(tmp_path: Path) -> None:
    with ResponseCache(tmp_path / "cache.jsonl") as cache:
        cache.add(KEY, "openai:m", make_completion("here"))
        assert json.loads(cache.path.read_bytes())["completion"]["text"] == "here"


def test_an_incomplete_last_line_is_dropped_counted_and_written_over(tmp_path: Path) -> None:
    path = tmp_path / "cache.jsonl"
    with ResponseCache(path) as cache:
        cache.add(KEY, "openai:m", make_completion("whole"))
        cache.add(KEY, "openai:m", make_completion("cut, and longer than what comes after it"))
    path.write_bytes(path.read_bytes()[:-20])
    with ResponseCache(path) as cache:
        assert cache.is_incomplete
        assert [each.text for each in cache.completions(KEY)] == ["whole"]
        cache.add(KEY, "openai:m", make_completion("new"))
    with ResponseCache(path) as cache:
        assert not cache.is_incomplete
        assert [each.text for each in cache.completions(KEY)] == ["whole", "new"]


def test_a_broken_line_in_the_middle_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "cache.jsonl"
    with ResponseCache(path) as cache:
        cache.add(KEY, "openai:m", make_completion("one"))
    path.write_bytes(path.read_bytes() + b'{"key": 1}\n' + path.read_bytes())
    with pytest.raises(DataError, match=r"cache\.jsonl:2: .*key"):
        ResponseCache(path)


def test_a_second_run_on_the_same_cache_is_refused_until_the_first_has_closed_it(tmp_path: Path) -> None:
    path = tmp_path / "cache.jsonl"
    with ResponseCache(path), pytest.raises(DataError, match="another run is writing to it"):
        ResponseCache(path)
    ResponseCache(path).close()


def test_a_folder_in_place_of_the_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be opened"):
        ResponseCache(tmp_path)


def test_the_key_is_the_digest_of_the_endpoint_and_the_whole_request() -> None:
    request = make_request(json_schema={"type": "object", "required": ["a"]})
    content = (
        '["openai:m",{"draw":0,"json_schema":{"required":["a"],"type":"object"},"max_tokens":9,'
        '"messages":[{"content":"why?","role":"user"}],"temperature":null,"top_p":null}]'
    )
    assert request_key("openai:m", request) == hashlib.sha256(content.encode()).hexdigest()


def test_each_different_request_has_a_key_of_its_own() -> None:
    first = make_request(json_schema={"a": 1, "b": 2})
    assert request_key("m", first) == request_key("m", make_request(json_schema={"b": 2, "a": 1}))
    others = [
        make_request("why not?", json_schema={"a": 1, "b": 2}),
        make_request(json_schema={"a": 1, "b": 3}),
        make_request(json_schema={"a": 1, "b": 2}, draw=1),
        make_request(json_schema={"a": 1, "b": 2}, temperature=0.5),
    ]
    keys = {request_key("m", request) for request in [first, *others]} | {request_key("n", first)}
    assert len(keys) == 6


def test_usage_is_counted_over_the_requests_that_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "cache.jsonl"
    with ResponseCache(path) as cache:
        cache.add(KEY, "openai:m", make_completion("x", tokens=(10, 1)))
        cache.add(KEY, "openai:m", make_completion("y", tokens=(10, 2)))
        cache.add(OTHER, "openai:m", make_completion("z", tokens=(500, 7)))
    with ResponseCache(path) as cache:
        assert cache.usage([KEY, OTHER]) == Usage(input_tokens=520, output_tokens=10)
        assert cache.usage([KEY, KEY, "c" * 64]) == Usage(input_tokens=20, output_tokens=3)


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from shop_r1.errors import DataError
from shop_r1.endpoints.response_cache import ResponseCache
from shop_r1.endpoints.protocol import Completion, Usage
completion = Completion(text="whole", stop="end", usage=Usage(input_tokens=1, output_tokens=1))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
cache = ResponseCache(Path(sys.argv[1]))
cache.add("a" * 64, "m", completion)
size = cache.path.stat().st_size
most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, most))
try:
    cache.add("a" * 64, "m", completion)
except DataError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
cache.add("a" * 64, "m", completion)
"""


def test_a_completion_that_does_not_fit_on_the_disk_is_an_error_and_leaves_the_rest_whole(
    tmp_path: Path,
) -> None:
    path = tmp_path / "cache.jsonl"
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path)],
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert "a completion cannot be written (File too large); free some space" in done.stdout
    with ResponseCache(path) as cache:
        assert [each.text for each in cache.completions(KEY)] == ["whole", "whole"]
        assert not cache.is_incomplete


@pytest.mark.parametrize("text", ["precious notes", "a\nb", '{"session_id": "s"}', "\0x"])
def test_another_file_is_not_taken_for_an_incomplete_cache_and_stays(tmp_path: Path, text: str) -> None:
    path = tmp_path / "notes.txt"
    path.write_text(text)
    with pytest.raises(DataError, match=r"notes\.txt:1: "):
        ResponseCache(path)
    assert path.read_text() == text


@pytest.mark.parametrize("begun", ["{", '{"key":"ab', "\0\0\0"])
def test_what_is_left_of_a_line_of_ours_is_incomplete(tmp_path: Path, begun: str) -> None:
    path = tmp_path / "cache.jsonl"
    path.write_text(begun)
    with ResponseCache(path) as cache:
        assert (len(cache), cache.is_incomplete) == (0, True)

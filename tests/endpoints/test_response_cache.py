import hashlib
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from shop_r1.endpoints.protocol import Answer, Request, Stop, Usage
from shop_r1.endpoints.response_cache import AnswerCache, request_key
from shop_r1.errors import DataError

ROOT = Path(__file__).resolve().parents[2]
KEY, OTHER = "a" * 64, "b" * 64


def make_answer(text: str, stop: Stop = "end", tokens: tuple[int, int] = (3, 2)) -> Answer:
    return Answer(text=text, stop=stop, usage=Usage(input_tokens=tokens[0], output_tokens=tokens[1]))


def make_request(text: str = "why?", **more: object) -> Request:
    return Request.model_validate({"messages": [{"role": "user", "content": text}], "max_tokens": 9, **more})


def test_answers_come_back_after_reopening_in_order_those_of_no_use_too(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "answers.jsonl"
    answers = [
        make_answer("no JSON"),
        make_answer("I will not", "refused"),
        make_answer("caf\u00e9 \n \u2028"),
    ]
    with AnswerCache(path) as cache:
        for answer in answers:
            cache.add(KEY, "openai:m", answer)
        cache.add(OTHER, "openai:m", make_answer("else"))
        assert cache.answers(KEY) == answers
    with AnswerCache(path) as cache:
        assert cache.answers(KEY) == answers
        assert cache.answers("c" * 64) == []
        assert len(cache) == 4
        assert cache.dropped_lines == 0
    lines = [json.loads(line) for line in path.read_text("utf-8").split("\n")[:-1]]
    assert [(line["key"], line["attempt"]) for line in lines] == [(KEY, 1), (KEY, 2), (KEY, 3), (OTHER, 1)]
    assert {line["endpoint"] for line in lines} == {"openai:m"}


def test_an_answer_is_in_the_file_before_the_cache_is_closed(tmp_path: Path) -> None:
    with AnswerCache(tmp_path / "answers.jsonl") as cache:
        cache.add(KEY, "openai:m", make_answer("here"))
        assert json.loads(cache.path.read_bytes())["answer"]["text"] == "here"


def test_a_torn_last_line_is_dropped_counted_and_written_over(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    with AnswerCache(path) as cache:
        cache.add(KEY, "openai:m", make_answer("whole"))
        cache.add(KEY, "openai:m", make_answer("torn, and longer than what comes after it"))
    path.write_bytes(path.read_bytes()[:-20])
    with AnswerCache(path) as cache:
        assert cache.dropped_lines == 1
        assert [answer.text for answer in cache.answers(KEY)] == ["whole"]
        cache.add(KEY, "openai:m", make_answer("new"))
    with AnswerCache(path) as cache:
        assert cache.dropped_lines == 0
        assert [answer.text for answer in cache.answers(KEY)] == ["whole", "new"]


def test_a_broken_line_in_the_middle_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    with AnswerCache(path) as cache:
        cache.add(KEY, "openai:m", make_answer("one"))
    path.write_bytes(path.read_bytes() + b'{"key": 1}\n' + path.read_bytes())
    with pytest.raises(DataError, match=r"answers\.jsonl:2: .*key"):
        AnswerCache(path)


def test_a_second_run_on_the_same_cache_is_refused_until_the_first_has_closed_it(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    with AnswerCache(path), pytest.raises(DataError, match="another run is writing to this cache"):
        AnswerCache(path)
    AnswerCache(path).close()


def test_a_folder_in_place_of_the_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be opened"):
        AnswerCache(tmp_path)


def test_the_key_is_the_digest_of_the_endpoint_and_the_whole_request() -> None:
    request = make_request(json_schema={"type": "object", "required": ["a"]})
    content = (
        '["openai:m",{"draw":0,"json_schema":{"required":["a"],"type":"object"},"max_tokens":9,'
        '"messages":[{"content":"why?","role":"user"}],"temperature":null,"top_p":null}]'
    )
    assert request_key("openai:m", request) == hashlib.sha256(content.encode()).hexdigest()


def test_whatever_is_asked_differently_has_a_key_of_its_own() -> None:
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


def test_what_was_spent_is_counted_over_all_answers_or_those_to_some_requests(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    with AnswerCache(path) as cache:
        cache.add(KEY, "openai:m", make_answer("x", tokens=(10, 1)))
        cache.add(KEY, "openai:m", make_answer("y", tokens=(10, 2)))
        cache.add(OTHER, "openai:m", make_answer("z", tokens=(500, 7)))
    with AnswerCache(path) as cache:
        assert cache.spent() == Usage(input_tokens=520, output_tokens=10)
        assert cache.spent([KEY, KEY, "c" * 64]) == Usage(input_tokens=20, output_tokens=3)


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from shop_r1.errors import DataError
from shop_r1.endpoints.response_cache import AnswerCache
from shop_r1.endpoints.protocol import Answer, Usage
answer = Answer(text="whole", stop="end", usage=Usage(input_tokens=1, output_tokens=1))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
cache = AnswerCache(Path(sys.argv[1]))
cache.add("a" * 64, "m", answer)
size = cache.path.stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, resource.RLIM_INFINITY))
try:
    cache.add("a" * 64, "m", answer)
except DataError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
cache.add("a" * 64, "m", answer)
"""


@pytest.mark.skipif(resource.getrlimit(resource.RLIMIT_FSIZE)[1] != resource.RLIM_INFINITY, reason="limited")
def test_an_answer_that_does_not_fit_on_the_disk_is_an_error_and_leaves_the_rest_whole(
    tmp_path: Path,
) -> None:
    path = tmp_path / "answers.jsonl"
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path)],
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert "an answer cannot be written (File too large); make room" in done.stdout
    with AnswerCache(path) as cache:
        assert [answer.text for answer in cache.answers(KEY)] == ["whole", "whole"]
        assert cache.dropped_lines == 0


@pytest.mark.parametrize("text", ["precious notes", "a\nb", '{"session_id": "s"}', "\0x"])
def test_somebody_elses_file_is_not_taken_for_a_torn_cache_and_stays(tmp_path: Path, text: str) -> None:
    path = tmp_path / "notes.txt"
    path.write_text(text)
    with pytest.raises(DataError, match=r"notes\.txt:1: "):
        AnswerCache(path)
    assert path.read_text() == text


@pytest.mark.parametrize("torn", ["{", '{"key":"ab', "\0\0\0"])
def test_whatever_is_left_of_a_line_of_ours_is_torn(tmp_path: Path, torn: str) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text(torn)
    with AnswerCache(path) as cache:
        assert (len(cache), cache.dropped_lines) == (0, 1)

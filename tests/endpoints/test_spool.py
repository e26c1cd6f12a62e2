import tempfile

import pytest

from shop_r1.endpoints.protocol import Request
from shop_r1.endpoints.spool import SpooledRequests

REQUESTS = [
    Request(messages=({"role": "user", "content": text},), max_tokens=length, json_schema={"type": "object"})
    for length, text in enumerate(("", "mug", "Süß – \n\u2028 <|x|>"), 1)
]


def test_requests_come_back_as_they_were_in_any_order() -> None:
    with tempfile.TemporaryFile() as stream:
        spooled = SpooledRequests(stream)
        for request in REQUESTS:
            spooled.append(request)
        assert list(spooled) == REQUESTS
        assert [spooled[-1], spooled[0], spooled[1]] == [REQUESTS[2], REQUESTS[0], REQUESTS[1]]
        assert spooled[1:] == REQUESTS[1:]
        with pytest.raises(IndexError):
            spooled[3]
        spooled.append(REQUESTS[0])  # after a read
        assert (len(spooled), spooled[3]) == (4, REQUESTS[0])


def test_none_is_an_empty_sequence() -> None:
    with tempfile.TemporaryFile() as stream:
        assert list(SpooledRequests(stream)) == []

from collections.abc import Iterator

import pytest
from tests.window import Chromium


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    with Chromium() as started:
        yield started

import asyncio

import pytest

from shop_r1.drivers.bounds.rate import Rate


def waits(per_second: float | None, *hosts: str, at_least_s: float = 0.0) -> list[float]:
    async def run() -> list[float]:
        rate = Rate(per_second)
        return await asyncio.gather(*(rate.wait(host, at_least_s) for host in hosts))

    return asyncio.run(run())


def test_loads_of_one_host_are_spaced() -> None:
    assert waits(5.0, "a", "a", "a") == pytest.approx([0.0, 0.2, 0.4], abs=0.1)


def test_hosts_do_not_wait_for_each_other() -> None:
    assert waits(5.0, "a", "b") == [0.0, 0.0]


def test_a_host_can_ask_for_more_room() -> None:
    assert waits(1000.0, "a", "a", at_least_s=0.2) == pytest.approx([0.0, 0.2], abs=0.1)


def test_without_a_rate_nobody_waits() -> None:
    assert waits(None, "a", "a", "a") == [0.0, 0.0, 0.0]

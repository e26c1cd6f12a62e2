import asyncio

from shop_r1.simulation.cluster.visit_queue import VisitQueue
from shop_r1.simulation.loop import Visit

ONE, TWO = Visit("1", "one"), Visit("2", "two")


def test_nothing_to_do_is_done_at_once() -> None:
    async def do() -> None:
        queue = VisitQueue([], 3)
        assert queue.all_ended.is_set()
        assert await queue.next() is None

    asyncio.run(do())


def test_a_visit_that_was_put_back_is_next_and_who_waited_gets_it() -> None:
    async def do() -> None:
        queue = VisitQueue([ONE, TWO], 3)
        assert [await queue.next(), await queue.next()] == [ONE, TWO]
        waits = asyncio.ensure_future(queue.next())
        await asyncio.sleep(0)
        await queue.finish()
        assert not waits.done()  # the other one may come again
        assert await queue.put_back(TWO)
        assert await waits == TWO
        assert not queue.all_ended.is_set()
        last = asyncio.ensure_future(queue.next())
        await queue.finish()
        assert await last is None
        assert queue.all_ended.is_set()
        assert queue.repeated == 1

    asyncio.run(do())


def test_a_visit_is_not_begun_too_often() -> None:
    async def do() -> None:
        queue = VisitQueue([ONE], 2)
        await queue.next()
        assert await queue.put_back(ONE)
        await queue.next()
        assert not await queue.put_back(ONE)
        await queue.finish()
        assert queue.all_ended.is_set()

    asyncio.run(do())


def test_a_closed_queue_hands_out_nothing() -> None:
    async def do() -> None:
        queue = VisitQueue([ONE, TWO], 2)
        await queue.next()
        await queue.close()
        assert await queue.next() is None
        assert not queue.all_ended.is_set()

    asyncio.run(do())

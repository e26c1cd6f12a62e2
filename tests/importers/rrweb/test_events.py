from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shop_r1.importers.rrweb.events import Event, order_events, split_tabs


def event(number: int, time: float | None, tab: str = "") -> Event:
    return Event(3, {"number": number}, time, tab)


def ordered(*events: Event) -> tuple[list[int], dict[str, int]]:
    counts: Counter[str] = Counter()
    found = order_events(events, counts, counts)
    return [each.data["number"] for each in found], dict(counts)


def test_events_are_sorted_by_time_and_those_of_one_time_keep_their_order() -> None:
    events = [event(1, 10), event(2, 30), event(3, 20), event(4, 20), event(5, 30)]
    assert ordered(*events) == ([1, 3, 4, 2, 5], {"events out of order, sorted by time": 2})


def test_an_event_without_a_time_stays_behind_the_one_before_it() -> None:
    events = [event(1, None), event(2, 30), event(3, None), event(4, 20), event(5, None)]
    assert ordered(*events) == ([1, 4, 5, 2, 3], {"events out of order, sorted by time": 1})


def test_the_same_at_the_same_time_is_one_event_and_at_another_time_two() -> None:
    events = [event(1, 10), event(1, 10), event(2, 10), event(1, 11), event(1, 10)]
    passed = {"events sent twice": 2, "events out of order, sorted by time": 1}
    assert ordered(*events) == ([1, 2, 1], passed)
    assert ordered(event(1, None), event(1, None)) == ([1, 1], {})


@given(st.lists(st.integers(0, 9)), st.integers(1, 5), st.randoms(use_true_random=False))
def test_batches_that_come_late_or_twice_change_nothing(steps: list[int], size: int, random: Any) -> None:
    times = [float(sum(steps[: place + 1])) for place in range(len(steps))]
    events = [event(number, time) for number, time in enumerate(times)]
    batches: list[list[Event]] = []
    for each in events:  # a batch ends between two times only
        full = not batches or (len(batches[-1]) >= size and batches[-1][-1].time != each.time)
        batches.append([each]) if full else batches[-1].append(each)
    sent = [batch for batch in batches for _ in range(random.choice([1, 1, 2]))]
    random.shuffle(sent)
    assert ordered(*(each for batch in sent for each in batch))[0] == list(range(len(events)))


def test_each_tab_has_its_events_and_a_single_name_stands_for_all() -> None:
    one, other, none = event(1, 1, "a"), event(2, 2, "b"), event(3, 3)
    assert split_tabs([one, other, one]) == {"a": [one, one], "b": [other]}
    assert split_tabs([none, one, none]) == {"a": [none, one, none]}
    assert split_tabs([none, one, other]) == {"": [none], "a": [one], "b": [other]}
    assert split_tabs([]) == {}

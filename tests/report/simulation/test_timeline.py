from tests.report.simulation.visits import BEGAN, done, leaving, opening, page_events, searching, seen, timed

from shop_r1.records.recordings import Recording
from shop_r1.report.simulation.journey import make_steps
from shop_r1.report.simulation.timeline import Load, timeline_of_recording, timeline_of_steps


def test_a_recordings_marks_say_when_pages_were_seen_and_actions_began() -> None:
    steps = [searching(), opening(), leaving()]
    blank = [
        {"type": 4, "data": {"href": "about:blank", "width": 9, "height": 9}, "timestamp": 1000 * BEGAN - 200}
    ]
    events = [
        *blank,
        *page_events(0, "/", [], []),
        seen(0.5, "/"),
        done(1.0, 0, steps[0], 7),
        *page_events(1.2, "/search?q=mug", [], []),
        seen(1.5, "/search?q=mug"),
        done(3.5, 1, steps[1]),
        seen(4.0, "/search?q=mug"),
        done(4.5, 2, steps[2]),
    ]
    timeline = timeline_of_recording(Recording(events), make_steps(steps))
    assert timeline is not None and timeline.is_timed
    # The first page is at 1 ms, since rrweb's player takes 0 for no time.
    assert timeline.begin == 1000 * BEGAN - 1
    first, second, third = timeline.moments
    assert (first.begin, first.seen, first.at, first.until) == (0.0, 501.0, 1001.0, 1501.0)
    assert (second.begin, second.seen, second.at, second.until) == (1501.0, 1501.0, 3501.0, 4001.0)
    assert (third.begin, third.seen, third.at, third.until) == (4001.0, 4001.0, 4501.0, 4501.0)
    assert first.loads == (Load(1.0, "/"), Load(1201.0, "/search?q=mug"))
    assert (second.loads, third.loads) == ((), ())
    assert first.target is not None and first.target.node == 7
    assert second.share(second.at) == 0.8
    assert third.share(third.at) == 1.0


def test_a_recording_without_a_mark_of_a_step_has_no_timeline() -> None:
    steps = [searching(), leaving()]
    events = [*page_events(0, "/", [], []), done(1.0, 0, steps[0])]
    assert timeline_of_recording(Recording(events), make_steps(steps)) is None
    assert timeline_of_recording(Recording(events), ()) is None


def test_the_times_of_steps_say_when_actions_began() -> None:
    # Each step's time is its end: the action took 0.5 s of it.
    timeline = timeline_of_steps(make_steps([searching(**timed(1.0)), leaving(**timed(4.0))]), BEGAN)
    assert timeline.begin == 1000 * BEGAN
    # The first page took until 0.25 s before the first action, which is how long that was decided on.
    assert [(each.begin, each.seen, each.at, each.until) for each in timeline.moments] == [
        (0.0, 750.0, 1000.0, 1500.0),
        (1500.0, 1500.0, 4000.0, 4500.0),
    ]


def test_without_times_every_step_takes_a_second() -> None:
    timeline = timeline_of_steps(make_steps([searching(), leaving(**timed(4.0))]), None)
    assert not timeline.is_timed
    assert [(each.seen, each.at, each.until) for each in timeline.moments] == [
        (0, 0, 1000),
        (1000, 1000, 2000),
    ]
    assert timeline_of_steps((), None).moments == ()

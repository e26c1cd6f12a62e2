import random
from collections.abc import Sequence

from shop_r1.drivers.in_process import InProcessDriver
from shop_r1.records.actions import Action, click, type_and_submit
from shop_r1.records.sessions import Page, Step
from shop_r1.simulation.loop import FAULTS_MAX, Decision, Tally, run_session


class Script:
    """A policy that does what it was told, in order, and then repeats the last."""

    def __init__(self, *actions: Action) -> None:
        self.actions = actions

    def act(self, history: Sequence[Step], page: Page, rng: random.Random) -> Decision:
        return Decision(None, self.actions[min(len(history), len(self.actions) - 1)])


def test_unknown_names_are_counted_and_end_the_visit_after_a_few(driver: InProcessDriver) -> None:
    tally = Tally()
    session = run_session(Script(click("no.such_thing")), driver, 1, tally=tally)
    assert (len(session.steps), session.outcome) == (FAULTS_MAX, "error")
    assert tally.faults.total() == FAULTS_MAX
    assert len({step.page.html for step in session.steps}) == 1


def test_one_fault_does_not_end_the_visit(driver: InProcessDriver) -> None:
    script = Script(click("no.such_thing"), type_and_submit("search_input", "mug"), Action(type="terminate"))
    session = run_session(script, driver, 1)
    assert [step.page.url for step in session.steps] == ["/", "/", "/search?q=mug"]
    assert session.outcome == "terminate"


def test_a_visit_ends_after_the_most_steps(driver: InProcessDriver) -> None:
    session = run_session(Script(type_and_submit("search_input", "mug")), driver, 1, max_steps=4)
    assert (len(session.steps), session.outcome) == (4, "max_steps")


def test_the_same_seed_gives_a_policy_the_same_chances(driver: InProcessDriver) -> None:
    class Wanderer:
        def act(self, history: Sequence[Step], page: Page, rng: random.Random) -> Decision:
            return Decision(None, type_and_submit("search_input", rng.choice(["mug", "rug", "pan", "hose"])))

    first, again, other = (run_session(Wanderer(), driver, seed, 12) for seed in (3, 3, 4))
    assert first == again
    assert [s.action for s in first.steps] != [s.action for s in other.steps]

import random
import re
from collections.abc import Sequence

from tests.in_step import InStep

from shop_r1.drivers.in_process import HOME
from shop_r1.records.actions import Action, click, type_and_submit
from shop_r1.records.sessions import Page, Step
from shop_r1.simulation.loop import Limits, Tally


class Script:
    """A policy that does what it was told, in order, and then repeats the last."""

    def __init__(self, *actions: Action) -> None:
        self.actions = actions

    async def act(self, history: Sequence[Step], page: Page, rng: random.Random) -> Step:
        return Step(page=page, action=self.actions[min(len(history), len(self.actions) - 1)])


def test_unknown_names_are_counted_and_end_the_visit_after_a_few(driver: InStep) -> None:
    tally = Tally()
    session = driver.visit(Script(click("no.such_thing")), tally=tally)
    assert (len(session.steps), session.outcome) == (3, "error")
    assert tally.errors.total() == 3
    assert len({step.page.html for step in session.steps}) == 1


def test_one_error_does_not_end_the_visit(driver: InStep) -> None:
    script = Script(click("no.such_thing"), type_and_submit("search_input", "mug"), Action(type="terminate"))
    session = driver.visit(script)
    assert [step.page.url for step in session.steps] == [HOME, HOME, f"{HOME}search?q=mug"]
    assert session.outcome == "terminate"


def test_buying_ends_the_visit_as_a_purchase(driver: InStep) -> None:
    class Buyer:
        async def act(self, history: Sequence[Step], page: Page, rng: random.Random) -> Step:
            if not history:
                return Step(page=page, action=type_and_submit("search_input", "mug"))
            pattern = r'"(results\.[^"]+)"' if len(history) == 1 else r'"([^"]*buy_now)"'
            return Step(page=page, action=click(re.findall(pattern, page.html)[0]))

    session = driver.visit(Buyer())
    assert (len(session.steps), session.outcome) == (3, "purchase")


def test_a_visit_ends_after_the_most_steps(driver: InStep) -> None:
    session = driver.visit(Script(type_and_submit("search_input", "mug")), limits=Limits(max_steps=4))
    assert (len(session.steps), session.outcome) == (4, "max_steps")


def test_the_same_seed_gives_a_policy_the_same_chances(driver: InStep) -> None:
    class Wanderer:
        async def act(self, history: Sequence[Step], page: Page, rng: random.Random) -> Step:
            word = rng.choice(["mug", "rug", "pan", "hose"])
            return Step(page=page, action=type_and_submit("search_input", word))

    first, again, other = (driver.visit(Wanderer(), seed, Limits(max_steps=12)) for seed in (3, 3, 4))
    assert first == again
    assert [s.action for s in first.steps] != [s.action for s in other.steps]

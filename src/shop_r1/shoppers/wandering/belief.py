"""What a wandering shopper will do next, by Bayes' rule over every persona and every want."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from shop_r1.records.actions import TYPE_AND_SUBMIT, Action, exact_match, type_and_submit
from shop_r1.records.sessions import Session
from shop_r1.shoppers.forecasts import Forecast, impossible_step
from shop_r1.shoppers.persona import Floats
from shop_r1.shoppers.wandering import phrases
from shop_r1.shoppers.wandering.course import Course, read_course
from shop_r1.shoppers.wandering.people import MANNERS, Wanderers, Wants, wanderer_grid
from shop_r1.shoppers.wandering.rule import play, view_of
from shop_r1.shoppers.wandering.scene import Scene, View, Wish

Indices = NDArray[np.int_]


class Phrasebook:
    """The query of every want in every manner, each text once; shape (I, M) for I wants and M manners."""

    def __init__(self, wants: Wants) -> None:
        self._wants = wants
        self._tables: dict[tuple[Wish, str], tuple[Indices, list[Action]]] = {}
        self._places: dict[tuple[Wish, str], dict[str, int]] = {}

    def table(self, kind: Wish, field: str) -> tuple[Indices, list[Action]]:
        """Return for each want and manner which action it is, (I, M), and the actions."""
        if (kind, field) not in self._tables:
            say = phrases.opening if kind == "opening" else phrases.full
            wants, _ = self._wants.all
            texts: dict[str, int] = {}
            rows = [[texts.setdefault(say(w, m), len(texts)) for m in MANNERS] for w in wants]
            actions = [type_and_submit(field, text) for text in texts]
            self._tables[kind, field] = np.array(rows), actions
            self._places[kind, field] = texts
        return self._tables[kind, field]

    def place(self, kind: Wish, done: Action) -> int | None:
        """Return which of the table's actions this is; None where it is none of them."""
        if done.type != TYPE_AND_SUBMIT.name:
            return None
        self.table(kind, done.value("name"))
        return self._places[kind, done.value("name")].get(done.value("text"))


class Forecaster:
    """Forecasts sessions of wandering shoppers in one market.

    The belief is (I, P): how likely each of the I wants and P personas is, together.
    """

    def __init__(self, wants: Wants, crowd: Wanderers | None = None) -> None:
        self._wants, self._crowd = wants, crowd if crowd is not None else wanderer_grid()
        self._book = Phrasebook(wants)
        manners = self._crowd.manner[:, None] == np.arange(len(MANNERS))[None, :]
        self._manners = manners.astype(float)  # (P, M)

    def forecast(self, session: Session) -> Iterator[Forecast]:
        """Yield the posterior predictive of each step from the second on.

        Raises:
            DataError: an action is impossible under the choice rule.
        """
        wants, shares = self._wants.all
        alive: Indices = np.arange(len(wants))
        belief: Floats = shares[:, None] * self._crowd.prior[None, :]
        for index, step in enumerate(session.steps):
            course = read_course(session.steps[:index], step.page)
            groups = self._look(alive, course)
            if index > 0:
                yield Forecast(index, step.action, self._predict(belief, alive, groups))
            belief = self._update(belief, alive, groups, step.action)
            kept = belief.any(axis=1)
            if not kept.any():
                raise impossible_step(session, index)
            belief, alive = belief[kept], alive[kept]
            belief /= belief.sum()

    def _look(self, alive: Indices, course: Course) -> list[tuple[Indices, Scene]]:
        """Return the wants (rows of the belief) that look alike from the page, with their choices."""
        wants, _ = self._wants.all
        rows: dict[View, list[int]] = defaultdict(list)
        for row, place in enumerate(alive):
            rows[view_of(wants[place], course, self._wants)].append(row)
        return [
            (np.array(found), play(self._crowd, view, course, self._wants)) for view, found in rows.items()
        ]

    def _predict(
        self, belief: Floats, alive: Indices, groups: Sequence[tuple[Indices, Scene]]
    ) -> Mapping[Action, float]:
        actions: dict[Action, float] = defaultdict(float)
        for rows, now in groups:
            together = belief[rows].sum(axis=0)
            for choice in now.choices:
                actions[choice.action] += float(together @ choice.probability)
            for kind, part, _ in now.wishes:
                places, queries = self._book.table(kind, now.page.search_field or "")
                weights = (belief[rows] * part[None, :]) @ self._manners  # (rows, M)
                chances = np.bincount(places[alive[rows]].ravel(), weights.ravel(), len(queries))
                for place in np.flatnonzero(chances):
                    actions[queries[place]] += float(chances[place])
        total = sum(actions.values())
        return {action: chance / total for action, chance in actions.items() if chance > 0}

    def _update(
        self, belief: Floats, alive: Indices, groups: Sequence[tuple[Indices, Scene]], done: Action
    ) -> Floats:
        after = np.zeros_like(belief)
        for rows, now in groups:
            likely: Floats = np.zeros(len(self._crowd))
            for choice in now.choices:
                if exact_match(choice.action, done):
                    likely = likely + choice.probability
            after[rows] = belief[rows] * likely[None, :]
            for kind, part, _ in now.wishes:
                places, _ = self._book.table(kind, now.page.search_field or "")
                said = self._book.place(kind, done)
                if said is not None:
                    spoken = (places[alive[rows]] == said) @ self._manners.T  # (rows, P)
                    after[rows] += belief[rows] * part[None, :] * spoken
        return after

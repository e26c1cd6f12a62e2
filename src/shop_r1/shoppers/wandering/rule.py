"""How a wandering shopper chooses: one pure function of persona, want and what was observed so far.

Like the focused crowd's it weighs many personas at once. Of the want it takes no more than the page's `View`,
so that wants which look alike from a page are weighed together (`belief`).
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from shop_r1.records.actions import type_and_submit
from shop_r1.records.sessions import Page, Step
from shop_r1.shoppers.situation import Choice
from shop_r1.shoppers.wandering import checkout, goods, lists, phrases
from shop_r1.shoppers.wandering.course import Course, read_course
from shop_r1.shoppers.wandering.people import MANNERS, Wanderer, Wanderers, Want, Wants
from shop_r1.shoppers.wandering.scene import Scene, View

MAX_STEPS = 60
"""Steps of a visit at most; at the last one everybody leaves."""
_RULES: Mapping[str, Callable[[Scene], None]] = {
    "home": lists.at_home,
    "departments": lists.at_departments,
    "department": lists.at_department,
    "results": lists.at_results,
    "product": goods.at_product,
    "reviews": goods.at_reviews,
    "cart": checkout.at_cart,
    "checkout": checkout.at_checkout,
}


def place_of(course: Course) -> str:
    """Return which rule the page falls under."""
    return "department" if course.page.department else course.page.kind


def view_of(want: Want, course: Course, wants: Wants) -> View:
    """Return what the page lets a shopper see of its want."""
    place = place_of(course)
    if place in ("home", "departments"):
        return View(department=want.department)
    if place == "department":
        return View(noun=want.noun if want.noun in course.page.names else "")
    if place == "results":
        words = set(want.words)
        matches = tuple(
            len(words & set(item.words)) if item.words[-1] == want.noun else -1 for item in course.page.items
        )
        return View(matches=matches, unsaid=not words <= set(course.query))
    return View()


def play(crowd: Wanderers, view: View, course: Course, wants: Wants) -> Scene:
    """Return what each persona may do next, whose want looks like this; for each all of it sums to 1."""
    now = Scene(course, crowd, view, wants)
    if course.steps >= MAX_STEPS - 1:
        now.leave("I have been here for a long time, so I leave.")
    _RULES.get(place_of(course), checkout.elsewhere)(now)
    return now


def crowd_choices(crowd: Wanderers, want: Want, course: Course, wants: Wants) -> list[Choice]:
    """Return what each persona of the crowd may do next with this want; for each they sum to 1."""
    now = play(crowd, view_of(want, course, wants), course, wants)
    found = list(now.choices)
    for kind, part, rationale in now.wishes:
        for place, manner in enumerate(MANNERS):
            probability = np.where(crowd.manner == place, part, 0.0)
            if probability.any() and course.page.search_field is not None:
                text = phrases.opening(want, manner) if kind == "opening" else phrases.full(want, manner)
                found.append(Choice(type_and_submit(course.page.search_field, text), rationale, probability))
    return found


def choices(persona: Wanderer, want: Want, history: Sequence[Step], page: Page, wants: Wants) -> list[Choice]:
    """Return what this shopper may do next; the probabilities, arrays of one number, sum to 1."""
    return crowd_choices(Wanderers([persona], np.ones(1)), want, read_course(history, page), wants)

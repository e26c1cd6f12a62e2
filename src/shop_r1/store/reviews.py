"""Generated customer reviews: a few short sentences whose tone follows the stars."""

import random
from dataclasses import dataclass

_AUTHORS = ("Ana", "Ben", "Chen", "Dora", "Emil", "Fay", "Gus", "Hana", "Ivo", "June", "Kai", "Lena", "Omar")
_OPENINGS = {
    5: ("Love this {noun}.", "The best {noun} I have owned.", "Perfect, would buy again."),
    4: ("A good {noun}.", "Very happy with this {noun}.", "Does what it should."),
    3: ("An average {noun}.", "Fine, not more.", "The {noun} is okay."),
    2: ("Not what I hoped for.", "A weak {noun}.", "I expected more."),
    1: ("Do not buy this {noun}.", "Broke in a week.", "I sent it back."),
}
_DETAILS = {
    True: ("Good quality.", "Came fast.", "Worth the price.", "Looks like the picture.", "Feels solid."),
    False: ("Poor quality.", "Came late.", "Not worth the price.", "Looks cheap.", "Feels weak."),
}
_STARS_SPREAD = 0.8  # ours: most reviews lie within one star of the average


@dataclass(frozen=True, slots=True)
class Review:
    """One customer's review: 1 to 5 stars, a first name and one or two sentences."""

    stars: int
    author: str
    text: str


def write_review(rng: random.Random, noun: str, rating: float) -> Review:
    """Return a review of a product whose average rating is `rating` (1.0 to 5.0).

    `noun` is the kind of product in lower case.
    """
    stars = min(5, max(1, round(rng.gauss(rating, _STARS_SPREAD))))
    pleased = stars > 3 or (stars == 3 and rng.random() < 0.5)
    text = f"{rng.choice(_OPENINGS[stars]).format(noun=noun)} {rng.choice(_DETAILS[pleased])}"
    return Review(stars=stars, author=rng.choice(_AUTHORS), text=text)

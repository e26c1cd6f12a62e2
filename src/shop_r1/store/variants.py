"""Versions of the store's design, to be compared: what is ranked, sold, shown and how fast it is."""

from typing import Literal

from pydantic import Field

from shop_r1.config import Config

Ranking = Literal["relevance", "popularity", "price", "rating"]
MAX_LATENCY_S = 30.0


class StoreVariant(Config):
    """One version of the store; the defaults are the store as it is."""

    name: str = Field("store", pattern=r"^[a-z0-9][a-z0-9_-]{0,30}$")
    """What results call it; it stands in the ids of sessions."""
    ranking: Ranking = "relevance"
    """What comes first where the visitor chose no sort. `relevance` is how well the words match;
    `popularity` (rating times the log of its number), `price` (lowest first) and `rating` order products
    that hold equally many of the words."""
    sponsored_places: int = Field(1, ge=0, le=20)
    """Of a search's results, how many of the first places are sold to sponsored products of the leading
    kind."""
    filters: Literal["beside", "above", "below", "none"] = "beside"
    """Where filters and sorts stand: to the left of the results, above them, below them, or nowhere."""
    prices: Literal["plain", "delivered"] = "plain"
    """`delivered`: prices of products include their delivery, in lists and on their pages; the cart and the
    checkout show both."""
    delivery_badge: bool = False
    """Whether lists of results say what delivery costs and how long it takes."""
    ratings: bool = True
    """Whether average ratings are shown, with the filter and the sort by them; the texts of reviews always
    are."""
    page_size: int | None = Field(None, ge=1, le=100)
    """Products on a page of results; None: as the store is set up."""
    latency_s: float = Field(0.0, ge=0, le=MAX_LATENCY_S)
    """Seconds that each page is held back."""

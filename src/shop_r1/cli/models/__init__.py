"""The models that `evaluate` and `rationales` are given: a checkpoint here, or one over a network."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from shop_r1.cli.terminal import console
from shop_r1.endpoints.secrets import refuse_secret_name

if TYPE_CHECKING:
    from shop_r1.endpoints.batch import Progress
    from shop_r1.evaluation.results_folder import Evaluation, Predicted

NO_PRICE = "no price known: give price.input_usd and price.output_usd"


def is_endpoint(name: str) -> bool:
    """Return whether the name is that of a model over a network, not of a checkpoint.

    Raises:
        ConfigError: it holds a secret, which would be shown and written wherever the name is.
    """
    refuse_secret_name(name)
    return re.match("(openai|anthropic|bedrock):", name) is not None


@dataclass(frozen=True)
class Policy:
    """What predicts, and its defaults where the command line gives none."""

    context: str
    temperature: float | None
    """None where an endpoint is sent none."""
    predict: "Callable[[Evaluation], Iterator[Predicted]]"
    """Yields the predictions of each of an evaluation's conditions, in order."""


@contextmanager
def request_bar() -> "Iterator[Callable[[Progress], None]]":
    """Show the progress of requests; what is yielded takes each `Progress`.

    Behind the bar stand the cost or tokens so far, the failures and the time left.
    """
    with console.progress("Requests", noted=True) as move:

        def show(now: "Progress") -> None:
            tokens = f"{now.usage.input_tokens + now.usage.output_tokens:,} tokens"
            parts = [tokens if now.cost_usd is None else f"{now.cost_usd:.2f} USD"]
            parts += [f"{now.failed} failed"] if now.failed else []
            parts += [f"{timedelta(seconds=round(now.left_s))} left"] if now.left_s is not None else []
            move(now.done, now.total, ", ".join(parts))

        yield show

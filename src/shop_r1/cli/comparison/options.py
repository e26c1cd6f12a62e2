"""What `compare` was asked for: versions of a shop, each as `simulate` would visit it, and the question."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from shop_r1.cli.simulation.options import Options
from shop_r1.comparison.analysis import Question
from shop_r1.comparison.measures import GOALS
from shop_r1.drivers.edits.page_variant import PageVariant
from shop_r1.errors import ConfigError
from shop_r1.patterns import is_pattern
from shop_r1.store.variants import StoreVariant

DEFAULT_OUT = Path("runs/comparison")
STORE = "store"
"""What stands for the shop as it is in place of a file, and the name of the built-in store as it is."""
SHOP = "shop"
"""The name of a shop at an address as it is, unless the address is given one."""
_NAMED = re.compile(r"([a-z0-9][a-z0-9_-]{0,30})=(https?://.*)")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class CompareOptions:
    """The command line of `compare`."""

    base: Options
    """What all versions have in common."""
    urls: Sequence[str]
    """Addresses, each with or without `name=` before it."""
    variants: Sequence[StoreVariant | PageVariant | None]
    """Of the built-in store, or of the one address; None: the shop as it is."""
    primary: str
    metrics: Sequence[str]
    goal: str
    stop_when_certain: bool
    processes: int | None

    @cached_property
    def versions(self) -> Mapping[str, Options]:
        """The versions by name, the one that others are compared with first.

        Raises:
            ConfigError: there are fewer than two, or two of one name.
        """
        found = [*self._of_urls(), *self._of_variants()]
        names = [name for name, _ in found]
        if len(found) < 2:
            raise ConfigError(
                "there is one version; give --url twice, or --variant FILE.toml, which is compared with the "
                "shop as it is"
            )
        if twice := [name for place, name in enumerate(names) if name in names[:place]]:
            raise ConfigError(f"two versions are called {twice[0]}; give each a name of its own")
        return dict(found)

    def _of_urls(self) -> Iterator[tuple[str, Options]]:
        if self.variants:
            return
        for letter, given in zip(_LETTERS, self.urls, strict=False):
            name, url = _split(given)
            yield name or letter, replace(self.base, words=[url, *self.base.words])

    def _of_variants(self) -> Iterator[tuple[str, Options]]:
        given = list(self.variants)
        if len(given) == 1:
            given.insert(0, None)
        name, base = STORE, self.base
        if self.urls:
            found, url = _split(self.urls[0])
            name, base = found or SHOP, replace(base, words=[url, *base.words])
        for variant in given:
            yield variant.name if variant is not None else name, replace(base, variant=variant)

    @property
    def first(self) -> Options:
        """The first version's options."""
        return next(iter(self.versions.values()))

    @property
    def descriptions(self) -> dict[str, str]:
        """What each version is, in words."""
        return {name: _describe(options) for name, options in self.versions.items()}

    @property
    def question(self) -> Question:
        """What is asked of the visits."""
        return Question(
            versions=self.descriptions,
            primary=self.primary,
            metrics=tuple(self.metrics),
            goal=self.goal,
            max_steps=self.first.most_steps,
            seed=self.base.seed,
            stops_early=self.stop_when_certain,
            planned=self.base.shoppers,
        )

    def check(self) -> None:
        """Make sure that the options mean something together.

        Raises:
            ConfigError: they do not; the message says what to do.
        """
        for problem in self._problems():
            raise ConfigError(problem)
        for options in self.versions.values():
            options.check()
        chosen = {metric.name: metric for metric in self.question.chosen}
        if self.stop_when_certain and not chosen[self.primary].has_bound:
            raise ConfigError(
                f"--primary {self.primary} has no largest value, so that its intervals at every look hold "
                "in large "
                "samples alone; with --stop-when-certain give another primary metric"
            )

    def _problems(self) -> Iterator[str]:
        if len(self.urls) > 1 and self.variants:
            yield "--variant: give it with one --url, the shop that it is a version of, or leave it out"
        for given in self.urls:
            if not given.startswith(("http://", "https://")) and not _NAMED.fullmatch(given):
                yield f"--url {given!r} is no address; expected https://… or name=https://…, in lower case"
        for word in self.base.words:
            if "=" not in word or word.startswith(("http://", "https://")):
                yield f"{word!r} is no setting; expected key=value, and addresses after --url"
        if self.goal not in GOALS and not is_pattern(self.goal):
            known = ", ".join(GOALS)
            yield f"--goal {self.goal!r} is unknown; expected {known}, or an address with *, as */delivery*"
        if self.base.is_one_file:
            yield f"{self.base.out}: a comparison is a folder; give --out a folder"
        if self.processes is not None and self.processes > 1 and self.in_one_process:
            yield f"--processes {self.processes}: {self.in_one_process}; leave it out"

    @property
    def in_one_process(self) -> str | None:
        """Why the visits run in this process; None where others may help."""
        if self.base.watch:
            return "--watch shows the shoppers of this process alone"
        if self.urls or self.base.in_browser:
            return "shoppers in a browser are in one process"
        if self.base.policy_name not in ("scripted", "random"):
            return "a model decides in one process"
        return None


def _split(given: str) -> tuple[str | None, str]:
    """Return the name before an address, if it has one, and the address."""
    named = _NAMED.fullmatch(given)
    return (named[1], named[2]) if named else (None, given)


def _describe(options: Options) -> str:
    shop = options.url or "the built-in store"
    if options.page_variant is not None:
        return f"{shop} with {options.page_variant.words}"
    if options.url is not None:
        return f"{shop} as it is" if options.variant is not None else shop
    variant = options.store_variant or StoreVariant()
    unlike = {
        name: value
        for name, value in variant.model_dump().items()
        if name != "name" and value != StoreVariant.model_fields[name].default
    }
    changes = ", ".join(f"{name} = {str(value).lower()}" for name, value in unlike.items())
    return f"the built-in store with {changes}" if changes else "the built-in store as it is"

"""What `simulate` was asked for, and what of it means nothing together."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from shop_r1.cli.models import is_endpoint
from shop_r1.cli.terminal import console
from shop_r1.cli.terminal.outputs import check_apart, check_folder, check_output
from shop_r1.errors import ConfigError
from shop_r1.ray_cluster import check_address

if TYPE_CHECKING:
    from shop_r1.drivers.edits.page_variant import PageVariant
    from shop_r1.personas.mix import ShopperMix
    from shop_r1.shoppers.crowd_kinds import CrowdName
    from shop_r1.store.variants import StoreVariant

DEFAULT_OUT = Path("runs/simulation")
STORES = ("builtin",)
Kind = Literal["scripted", "random", "checkpoint", "endpoint"]

_OF_BROWSERS = {
    "allow_host": "--allow-host",
    "allow_purchase": "--allow-purchase",
    "test_profile": "--test-profile",
    "ignore_robots": "--ignore-robots",
    "rate": "--rate",
    "max_bytes": "--max-bytes",
    "no_recording": "--no-recording",
    "screenshots": "--screenshots",
    "trace": "--trace",
}
_OF_LIVE_SHOPS = ("allow_purchase", "ignore_robots")
_NUMBERS = {
    "max_seconds": "--max-seconds",
    "max_bytes": "--max-bytes",
    "rate": "--rate",
    "max_cost": "--max-cost",
}
_OF_THE_STORE = {"catalogue_seed": 0, "crowd": "focused", "page_size": 6}
"""Options of the built-in store with their defaults."""
_BELOW = 1e9
"""What these numbers are below: JSON has no infinity, and bytes have no fraction."""
_OF_FOLDERS = {"resume": "--resume", "watch": "--watch", "screenshots": "--screenshots", "trace": "--trace"}


@dataclass(frozen=True)
class Options:
    """The command line of `simulate`; the options' help says what each is."""

    words: Sequence[str]
    store: str | None
    browser: bool
    shoppers: int
    policy: str | None
    persona: str | None
    intent: str | None
    query: str | None
    concurrency: int
    max_steps: int | None
    max_seconds: float
    max_bytes: float | None
    rate: float | None
    allow_host: Sequence[str]
    allow_purchase: bool
    test_profile: Path | None
    ignore_robots: bool
    max_cost: float | None
    no_recording: bool
    screenshots: bool
    trace: bool
    watch: bool
    watch_port: int
    resume: bool
    force: bool
    seed: int
    catalogue_seed: int
    crowd: "CrowdName"
    page_size: int
    out: Path | None
    ray: str | None = None
    actors: int | None = None
    replicas: int | None = None
    variant: "StoreVariant | PageVariant | None" = None
    """Which version of the shop: one of the built-in store, or edits in a browser; None: as it is."""
    default_out: Path = DEFAULT_OUT
    """Where a run writes that is given no place."""

    @property
    def url(self) -> str | None:
        """The shop's address; None for the built-in store."""
        return next(iter(self._urls()), None)

    @property
    def settings(self) -> list[str]:
        """The `key=value` words."""
        return [word for word in self.words if word not in self._urls()]

    @property
    def in_browser(self) -> bool:
        """Whether shoppers go by Chromium."""
        return self.browser or self.url is not None

    @property
    def store_variant(self) -> "StoreVariant | None":
        """Which version of the built-in store."""
        from shop_r1.store.variants import StoreVariant

        return self.variant if isinstance(self.variant, StoreVariant) else None

    @property
    def page_variant(self) -> "PageVariant | None":
        """Which edits the browser makes; None where it makes none."""
        if self.variant is None or self.variant is self.store_variant:
            return None
        from shop_r1.drivers.edits.page_variant import PageVariant  # with the pages' parser

        assert isinstance(self.variant, PageVariant)
        return None if self.variant.changes_nothing else self.variant

    @property
    def policy_name(self) -> str:
        """The policy that was asked for, or the one that needs no model: scripted in the built-in store."""
        return self.policy or ("random" if self.url else "scripted")

    @property
    def kind(self) -> Kind:
        """What kind of policy that is."""
        if self.policy_name == "scripted":
            return "scripted"
        if self.policy_name == "random":
            return "random"
        return "endpoint" if is_endpoint(self.policy_name) else "checkpoint"

    @property
    def most_steps(self) -> int:
        """Steps of a visit at most: what was asked for, or what the crowd needs."""
        from shop_r1.shoppers.crowd_kinds import CROWDS  # with numpy, for which --help shall not wait

        return self.max_steps or CROWDS[self.crowd].max_steps

    @cached_property
    def mix(self) -> "ShopperMix":
        """Who the shoppers of a model are, or what random ones search for: the same for all, or drawn.

        Raises:
            ShopR1Error: a file of personas and intents cannot be used.
        """
        from shop_r1.personas.mix import make_mix

        return make_mix(self.persona, self.intent, self.query, self.seed)

    @property
    def shopper_files(self) -> list[Path]:
        """The files of personas and intents, each once."""
        from shop_r1.personas.mix import is_file

        found = [each for each in (self.persona, self.intent, self.query) if each and is_file(each)]
        return [Path(each) for each in dict.fromkeys(found)]

    @property
    def is_one_file(self) -> bool:
        """Whether a file of sessions is all that is written: --out has an ending, and is no folder."""
        return self.out is not None and self.out.suffix != "" and not self.out.is_dir()

    def _urls(self) -> list[str]:
        return [word for word in self.words if word.startswith(("http://", "https://"))]

    def check(self) -> None:
        """Make sure that the options mean something together.

        Raises:
            ConfigError: two of them do not; the message says what to do.
        """
        console.check_choice("--store", self.store, STORES)
        for problem in self._problems():
            raise ConfigError(problem)
        _ = self.mix  # its files are read before anything is begun
        if self.ray is not None:
            check_address(self.ray)

    def _problems(self) -> Iterator[str]:
        yield from self._wrong_words()
        yield from self._wrong_shop()
        yield from self._wrong_policy()
        yield from self._wrong_out()
        yield from self._wrong_cluster()

    def _wrong_words(self) -> Iterator[str]:
        if len(urls := self._urls()) > 1:
            yield f"{urls[1]!r}: one shop at a time; run the command once for each"
        for word in self.settings:
            if "=" not in word:
                yield f"{word!r} is no shop's address and no setting; expected https://… or key=value"
        if self.url and re.match(r"https?://[^/?#]*@", self.url):
            yield (
                "the shop's address has a name or a password before its host, which would stand in every "
                "record; give the address without them"
            )
        for name, option in _NUMBERS.items():
            if (getattr(self, name) or 0.0) >= _BELOW:
                yield f"{option} is {getattr(self, name):g}; expected less than {_BELOW:g}"

    def _wrong_shop(self) -> Iterator[str]:
        if self.url and self.store:
            yield f"--store is not for a shop at an address; leave out --store or {self.url}"
        for name, option in _OF_BROWSERS.items():
            if getattr(self, name) and not self.in_browser:
                yield f"{option} is for shoppers in a browser; add --browser, or a shop's address"
        for name in _OF_LIVE_SHOPS:
            if getattr(self, name) and self.url is None:
                yield f"{_OF_BROWSERS[name]} is for a shop at an address; the built-in store allows all of it"
        for name, default in _OF_THE_STORE.items():
            if self.url and getattr(self, name) != default:
                option = f"--{name.replace('_', '-')}"
                yield f"{option} is of the built-in store; leave it out with an address"
        if self.url and self.store_variant is not None:
            yield (
                f"--variant {self.store_variant.name} is of the built-in store; a version of a shop at an "
                "address is made of page edits (docs: compare versions)"
            )
        if not self.in_browser and self.page_variant is not None:
            yield (
                f"--variant {self.page_variant.name} is made in a browser; add --browser for the built-in "
                "store, or a shop's address"
            )

    def _wrong_policy(self) -> Iterator[str]:
        kind = self.kind
        if kind == "scripted" and self.url:
            yield "scripted shoppers know the built-in store only; expected --policy random, or a model"
        if self.settings and kind in ("scripted", "random"):
            yield f"{self.settings[0]!r}: settings are for models; add --policy with a model, or leave it out"
        if (self.persona or self.intent) and kind in ("scripted", "random"):
            yield f"--persona and --intent are for models; {kind} shoppers take none"
        if self.query and kind == "scripted":
            yield "--query is for random shoppers and models; scripted shoppers bring their own"
        if self.max_cost is not None and kind != "endpoint":
            yield "--max-cost is for models over a network; leave it out"

    def _wrong_out(self) -> Iterator[str]:
        if self.watch_port and not self.watch:
            yield "--watch-port is of the page that --watch opens; add --watch"
        if self.resume and self.force:
            yield "--resume keeps what is finished and --force begins anew; give one of them"
        for name, option in _OF_FOLDERS.items():
            if self.is_one_file and getattr(self, name):
                yield f"{option} needs a folder; {self.out} is one file of sessions: give --out a folder"

    def _wrong_cluster(self) -> Iterator[str]:
        for name in ("actors", "replicas"):
            if getattr(self, name) is not None and self.ray is None:
                yield f"--{name} is for a Ray cluster; add --ray ADDRESS"
        if self.replicas is not None and self.kind != "checkpoint":
            yield "--replicas is for a checkpoint; leave it out"
        if self.ray is not None and self.watch:
            yield "--watch shows the shoppers of one process; leave it out with --ray: the terminal shows all"

    def place(self, inputs: Sequence[Path | str | None]) -> Path:
        """Return where the run writes: what was given, else a new folder in `runs`, or the one to resume.

        Raises:
            ConfigError: something else is there.
        """
        if self.is_one_file:
            assert self.out is not None
            check_output(self.out, inputs, force=self.force)
            if self.in_browser or self.kind == "endpoint":
                more = "shoppers in a browser leave recordings too"
                if not self.in_browser:
                    more = "a model over a network leaves completions too, which were paid for"
                raise ConfigError(f"{self.out}: {more}; give --out a folder")
            return self.out
        out = self.out or self._default_out()
        if self.resume and (out / "settings.json").exists():
            check_apart(out, inputs)
        else:
            check_folder(out, inputs, force=self.force)
        return out

    def _default_out(self) -> Path:
        first = self.default_out
        if self.force:
            return first
        if not self.resume:
            return console.unused_path(first)
        last, number = first, 2
        while (path := first.with_name(f"{first.name}-{number}")).exists():
            last, number = path, number + 1
        return last

"""The file of `--variant`: a version of the built-in store, or edits of any shop's pages; never both."""

from pathlib import Path

from shop_r1.cli.pipeline.stores import read_variant, variant_name
from shop_r1.config import read_toml
from shop_r1.drivers.edits.page_variant import PageVariant
from shop_r1.drivers.edits.reading import KEYS, build_page_variant
from shop_r1.errors import ConfigError
from shop_r1.store.variants import StoreVariant

_STORE_KEYS = frozenset(StoreVariant.model_fields) - {"name"}


def read_version(path: Path, *, at_address: bool) -> StoreVariant | PageVariant:
    """Return the version that a file describes; without a name it is called as the file is.

    A file that holds no key but its name is the shop as it is: one `at_address`, or the built-in store.

    Raises:
        ConfigError: the file cannot be read, says what no version can be, or is of both kinds.
    """
    values = read_toml(path)
    of_pages, of_store = sorted(KEYS & values.keys()), sorted(_STORE_KEYS & values.keys())
    if of_pages and of_store:
        raise ConfigError(
            f"{path}: {', '.join(of_store)} of the built-in store's versions and {', '.join(of_pages)} of "
            "versions made in a browser; expected one kind in a file"
        )
    is_of_pages = bool(of_pages) or (at_address and not of_store)
    return build_page_variant(values, path, variant_name(path)) if is_of_pages else read_variant(path)

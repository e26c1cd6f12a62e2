"""Run the doctests of the public API as it is installed, without pytest.

Usage: python recipes/api_doctests.py
"""

import doctest
import importlib
import sys

import shop_r1


def main() -> int:
    """Run them and return the exit code: 1 where one fails or a module has none."""
    modules = sorted({getattr(shop_r1, name).__module__ for name in shop_r1.__all__ if name.islower()})
    code = 0
    for name in modules:
        result = doctest.testmod(importlib.import_module(name))
        print(f"{name}: {result.attempted} examples, {result.failed} failed")
        code = code or int(result.failed > 0 or result.attempted == 0)
    print(f"shop_r1 {shop_r1.__version__} from {shop_r1.__file__}")
    return code


if __name__ == "__main__":
    sys.exit(main())

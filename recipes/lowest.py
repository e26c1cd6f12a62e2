"""Print the lowest version that pyproject.toml admits of each direct dependency, as pip constraints.

Usage: python recipes/lowest.py > constraints.txt
"""

import re
import tomllib
from pathlib import Path

_REQUIREMENT = re.compile(r"([\w.-]+)(?:\[[\w,.-]+\])?\s*(?:>=|==)\s*([\w.]+)")


def lowest_constraints(pyproject: str) -> list[str]:
    """Return `name==version` for each dependency, extras' too, in the order of the file.

    Raises:
        ValueError: a dependency has no lower bound.
    """
    project = tomllib.loads(pyproject)["project"]
    wanted = [*project["dependencies"]]
    for extra in project["optional-dependencies"].values():
        wanted += extra
    found = []
    for requirement in wanted:
        match = _REQUIREMENT.match(requirement)
        if match is None:
            raise ValueError(f"pyproject.toml: {requirement!r} has no lower bound; expected name>=version")
        found.append(f"{match[1]}=={match[2]}")
    return found


if __name__ == "__main__":
    print("\n".join(lowest_constraints(Path("pyproject.toml").read_text("utf-8"))))

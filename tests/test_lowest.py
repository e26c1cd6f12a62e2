import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from recipes.lowest import lowest_constraints

PYPROJECT = (Path(__file__).resolve().parents[1] / "pyproject.toml").read_text("utf-8")


def test_each_direct_dependency_gets_the_lowest_version_that_is_admitted() -> None:
    project = tomllib.loads(PYPROJECT)["project"]
    extras = project["optional-dependencies"].values()
    direct = [*project["dependencies"], *(each for extra in extras for each in extra)]
    found = dict(line.split("==") for line in lowest_constraints(PYPROJECT))
    assert set(found) == {Requirement(each).name for each in direct}
    for requirement in map(Requirement, direct):
        assert found[requirement.name] in requirement.specifier
        assert found[requirement.name] in {each.version for each in requirement.specifier}


def test_a_dependency_without_a_lower_bound_is_refused() -> None:
    text = '[project]\ndependencies = ["a<2"]\n[project.optional-dependencies]\n'
    with pytest.raises(ValueError, match=r"'a<2' has no lower bound"):
        lowest_constraints(text)

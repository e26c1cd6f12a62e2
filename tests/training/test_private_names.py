"""The private names of other packages: each is there as we use it, and the table has all of them."""

import ast
import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from tests.training.private_names import PRIVATE_NAMES, PrivateName
from trl import GRPOTrainer, SFTTrainer

import shop_r1
from shop_r1.training.grpo.trainer import ShopR1Trainer
from shop_r1.training.resume import ResumableTrainer
from shop_r1.training.sft import TreeSftTrainer

SOURCE = Path(str(shop_r1.__file__)).parent
PACKAGES = ("trl.", "transformers.", "accelerate.")
PUBLIC_MODULES = {"accelerate.utils", "transformers.utils"}
LISTED = {each.name for each in PRIVATE_NAMES}


def owner(entry: PrivateName) -> Any:
    module, _, name = entry.owner.partition(":")
    if module == "torch.ops.mkldnn":  # no module that can be imported
        return import_module("torch").ops.mkldnn
    return getattr(import_module(module), name) if name else import_module(module)


def check(entry: PrivateName) -> None:
    """Raise AssertionError unless the name is there as the table has it."""
    where = owner(entry)
    found = getattr(where, entry.name, None)
    if entry.parameters is None:
        # What is set on instances stands in the class's source.
        assert found is not None or f"self.{entry.name}" in "".join(
            inspect.getsource(each) for each in where.__mro__[:-1]
        ), entry
        return
    assert found is not None, entry
    names = [name for name in inspect.signature(found).parameters if name != "self"]
    assert tuple(names[: len(entry.parameters)]) == entry.parameters, (entry, names)


@pytest.mark.parametrize("entry", PRIVATE_NAMES, ids=lambda entry: f"{entry.owner}.{entry.name}")
def test_the_name_is_there_and_takes_what_we_give_it(entry: PrivateName) -> None:
    check(entry)


def test_a_name_that_is_gone_and_one_that_takes_other_parameters_are_found() -> None:
    with pytest.raises(AssertionError):
        check(PrivateName("trl:GRPOTrainer", "_never_there", ""))
    with pytest.raises(AssertionError):
        check(PrivateName("trl:GRPOTrainer", "_prepare_inputs", "", ("batch",)))


def trees() -> Iterator[ast.Module]:
    for file in SOURCE.rglob("*.py"):
        yield ast.parse(file.read_text("utf-8"))


def own_names() -> set[str]:
    """Return every name that the package itself defines or sets."""
    found = set()
    for tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                found.add(node.name)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                found.add(node.attr)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.add(node.id)
    return found


def test_every_private_attribute_that_is_not_ours_is_listed() -> None:
    used = {
        node.attr
        for folder in ("training", "models")
        for file in (SOURCE / folder).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__")
    }
    assert used - own_names() <= LISTED


def test_every_private_method_that_is_overridden_is_listed() -> None:
    for kind in (ShopR1Trainer, TreeSftTrainer, ResumableTrainer):
        overridden = {
            name
            for name in vars(kind)
            if name.startswith("_")
            and not name.startswith("__")
            and any(hasattr(base, name) for base in (GRPOTrainer, SFTTrainer))
        }
        assert overridden - {"_abc_impl"} <= LISTED


def test_every_name_from_a_module_inside_these_packages_is_listed() -> None:
    listed = {(each.owner, each.name) for each in PRIVATE_NAMES}
    found = {
        (str(node.module), alias.name)
        for tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and str(node.module).startswith(PACKAGES)
        and node.module not in PUBLIC_MODULES
        for alias in node.names
    }
    assert found <= listed

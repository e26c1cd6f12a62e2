"""Who may import whom: the layers and fences of the design, read from the source by its syntax tree."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "shop_r1"

FOUNDATION = (
    "errors",
    "signals",
    "validation_messages",
    "config",
    "patterns",
    "text_files",
    "atomic_files",
    "jsonl",
    "runs",
    "records",
)
LAYERS = (
    *FOUNDATION,
    "ray_cluster",
    "statistics",
    "pages",
    "models",
    "endpoints",
    "prompts",
    "importers",
    "rewards",
    "datasets",
    "training",
    "evaluation",
    "fidelity",
    "personas",
    "jobs",
    "drivers",
    "simulation",
    "shoppers",
    "store",
    "comparison",
    "journey",
    "report",
    "cli",
    "environments",
    "__main__",
)
"""Each may import itself and what stands before it."""

LEARNING = {"importers", "rewards", "datasets", "training", "evaluation", "jobs"}
FENCES = {
    "evaluation": {"training"},
    "jobs": {"training", "fidelity"},
    "fidelity": {"models", "endpoints", "importers", "training"},
    "personas": {"models", "endpoints", "training"},
    "drivers": {"models", "endpoints", "prompts", "fidelity"} | LEARNING,
    "simulation": {"fidelity"} | LEARNING,
    "shoppers": {"models", "endpoints", "fidelity"} | LEARNING,
    "store": set(LAYERS) - {"errors", "config", "store"},
    "statistics": set(FOUNDATION) - {"errors", "records"},
    "comparison": set(LAYERS) - {*FOUNDATION, "statistics", "comparison"},
    "journey": set(LAYERS) - {*FOUNDATION, "statistics", "comparison", "journey"},
    "report": set(LAYERS) - {*FOUNDATION, "report"},
    "environments": {"models", "endpoints", "importers", "training", "evaluation", "fidelity", "jobs"},
}
"""What a layer may not import although it stands before it: these meet through files."""


def wrong_imports(root: Path) -> list[str]:
    """Return each import that goes against a layer or a fence, as `file:line: layer -> layer`."""
    faults = []
    for file in sorted(root.rglob("*.py")):
        layer = file.relative_to(root).parts[0].removesuffix(".py")
        if layer == "__init__":
            continue
        for line, target in imports(file, root):
            place = f"{file.relative_to(root)}:{line}: {layer} -> {target}"
            if layer not in LAYERS or target not in LAYERS:
                faults.append(f"{place} (no such layer)")
            elif LAYERS.index(target) > LAYERS.index(layer) or target in FENCES.get(layer, ()):
                faults.append(place)
    return faults


def imports(file: Path, root: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, layer) for each import of the package, wherever in the file it stands."""
    package = (root.name, *file.relative_to(root).parts[:-1])
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        modules: list[str] = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parents = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join((*parents, *([node.module] if node.module else [])))
            modules = [f"{base}.{alias.name}" for alias in node.names] if base == root.name else [base]
        for module in modules:
            parts = module.split(".")
            if parts[0] == root.name and len(parts) > 1 and not parts[1].startswith("__"):
                yield getattr(node, "lineno", 0), parts[1]


def test_every_import_keeps_to_the_layers_and_fences() -> None:
    assert wrong_imports(SOURCE) == []


def test_every_file_and_folder_of_the_package_is_a_layer() -> None:
    folders = {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    found = folders | {path.stem for path in SOURCE.glob("*.py")}
    assert found - {"__init__"} <= set(LAYERS)


@pytest.mark.parametrize(
    ("file", "line", "fault"),
    [
        ("errors.py", "from shop_r1.config import Config", "errors -> config"),
        ("pages/simplify.py", "import shop_r1.prompts.render", "pages -> prompts"),
        ("evaluation/predict.py", "from shop_r1.training.sft import train_sft", "evaluation -> training"),
        ("simulation/policy.py", "def f():\n    from shop_r1.rewards import total", "simulation -> rewards"),
        ("simulation/loop.py", "from shop_r1 import evaluation", "simulation -> evaluation"),
        ("store/app.py", "from shop_r1.jsonl import Record", "store -> jsonl"),
        ("report/build.py", "from ..evaluation import tables", "report -> evaluation"),
        ("datasets/examples.py", "from .. import cli", "datasets -> cli"),
        ("extras.py", "from shop_r1.errors import ShopR1Error", "extras -> errors (no such layer)"),
    ],
)
def test_a_wrong_import_is_found_and_named(tmp_path: Path, file: str, line: str, fault: str) -> None:
    path = tmp_path / "shop_r1" / file
    path.parent.mkdir(parents=True)
    path.write_text(line + "\n", "utf-8")
    (found,) = wrong_imports(tmp_path / "shop_r1")
    assert found.startswith(file) and found.endswith(fault)


def test_right_imports_pass(tmp_path: Path) -> None:
    path = tmp_path / "shop_r1" / "simulation" / "policy.py"
    path.parent.mkdir(parents=True)
    lines = (
        "import json",
        "from shop_r1.models.checkpoint import x",
        "from .loop import y",
        "import shop_r1",
    )
    path.write_text("\n".join(lines), "utf-8")
    assert wrong_imports(tmp_path / "shop_r1") == []

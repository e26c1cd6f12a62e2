"""What each checkpoint of a reproduction was measured to do, in its model card."""

from collections.abc import Sequence

from shop_r1.cli.reproduction.folder import ReproductionFolder
from shop_r1.cli.reproduction.plan import Predict, Reachable, Rl, Sft, Stage
from shop_r1.cli.reproduction.stages import BEST_OF_TEST, BEST_TYPES_OF_TEST
from shop_r1.evaluation.metrics import Metrics, evaluate_predictions
from shop_r1.evaluation.tables import reachable_row, table_row
from shop_r1.jsonl import read_records
from shop_r1.records.actions import SHOP
from shop_r1.records.results import Prediction, TableRow
from shop_r1.report.card import write_card


def write_cards(folder: ReproductionFolder) -> None:
    """Write into the card of every checkpoint that the plan trains its figures at its seed's test steps.

    One row for each context and temperature that it was predicted with, and below them the best reachable.
    The intervals are of that seed's sessions: a card is of one checkpoint, the tables are of all seeds.

    Raises:
        DataError: predictions or a checkpoint's settings cannot be read, or a card cannot be written.
    """
    stages = _by_checkpoint(folder.plan)
    held_out = dict.fromkeys(each.held_out for found in stages.values() for each in found)
    best = {visits: _reachable(folder, Reachable(visits)) for visits in held_out}
    for model, found in stages.items():
        rows = [_row(folder, each) for each in found]
        write_card(folder.path(model), rows=[*rows, best[found[0].held_out]])


def _by_checkpoint(plan: Sequence[Stage]) -> dict[Sft | Rl, list[Predict]]:
    """Return the predictions that are made with each trained checkpoint."""
    found: dict[Sft | Rl, list[Predict]] = {}
    for stage in plan:
        if isinstance(stage, Predict) and isinstance(stage.model, Sft | Rl):
            found.setdefault(stage.model, []).append(stage)
    return found


def _row(folder: ReproductionFolder, stage: Predict) -> TableRow:
    name = f"{stage.context}, T {stage.temperature:g}, the paper's mix of types"
    return table_row(name, _measure(folder, stage), temperature=stage.temperature, context=stage.context)


def _reachable(folder: ReproductionFolder, stage: Reachable) -> TableRow:
    """Return the best in the mix of types that the test steps have."""
    files = BEST_OF_TEST, BEST_TYPES_OF_TEST
    return reachable_row(*(_measure(folder, stage, name) for name in files))


def _measure(folder: ReproductionFolder, stage: Predict | Reachable, beside: str = "") -> Metrics:
    path = folder.beside(stage, beside) if beside else folder.path(stage)
    return evaluate_predictions(list(read_records(path, Prediction)), SHOP)

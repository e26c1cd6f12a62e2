"""The results of a reproduction: every row over its seeds, from the predictions on disk."""

from collections.abc import Mapping, Sequence

from shop_r1.cli.reproduction.folder import ReproductionFolder
from shop_r1.cli.reproduction.plan import Reachable, row_stage
from shop_r1.cli.reproduction.rows import Row, Table
from shop_r1.cli.reproduction.stages import BEST_TYPES
from shop_r1.cli.terminal import console
from shop_r1.evaluation import tables
from shop_r1.evaluation.metrics import evaluate_predictions
from shop_r1.jsonl import read_records, write_text
from shop_r1.records.actions import SHOP
from shop_r1.records.results import Grid, Prediction, TableRow


def print_results(folder: ReproductionFolder, rows: Mapping[Table, Sequence[Row]]) -> None:
    """Print the tables and write them to `tables.txt`."""
    grids = [grid for table, found in rows.items() for grid in _grids(folder, table, found)]
    text = "\n\n".join([folder.config.warning, *map(tables.to_text, grids)]).strip() + "\n"
    write_text(folder.out / "tables.txt", text)
    console.echo(f"\n{text}")


def _grids(folder: ReproductionFolder, table: Table, rows: Sequence[Row]) -> list[Grid]:
    found = [pooled_row(folder, row) for row in rows] + [_pooled_best(folder)]
    if table == "table3":
        return [tables.per_type_grid(found)]
    return [tables.main_grid(found, table), tables.mix_grid(found)]


def pooled_row(folder: ReproductionFolder, row: Row) -> TableRow:
    """Return a row over the steps of all seeds."""
    predictions = [
        prediction
        for seed in folder.seeds
        for stage in [row_stage(row, seed, folder.config)]
        for prediction in read_records(folder.path(stage), Prediction)
    ]
    metrics = evaluate_predictions(predictions, SHOP)
    return tables.table_row(row.key, metrics, temperature=row.temperature, context=row.context)


def _pooled_best(folder: ReproductionFolder) -> TableRow:
    stages = [stage for stage in folder.plan if isinstance(stage, Reachable)]
    exact = [each for stage in stages for each in read_records(folder.path(stage), Prediction)]
    types = [each for stage in stages for each in read_records(folder.beside(stage, BEST_TYPES), Prediction)]
    return tables.reachable_row(evaluate_predictions(exact, SHOP), evaluate_predictions(types, SHOP))

"""From a reproduction's files to its results: every row over its seeds, compared with SFT."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from shop_r1.cli.reproduction.folder import ReproductionFolder
from shop_r1.cli.reproduction.plan import Predict, Reachable, Rl, Sft, Start, reachable_stage, row_stage
from shop_r1.cli.reproduction.results.curves import read_row_curves
from shop_r1.cli.reproduction.results.records import RaisedAlert, RowResult, TableResult
from shop_r1.cli.reproduction.rows import SFT, Row, Table
from shop_r1.cli.reproduction.stages import (
    BEST_OF_TEST,
    BEST_TYPES,
    BEST_TYPES_OF_TEST,
    TYPE_COUNTS,
    read_visits,
)
from shop_r1.evaluation.bootstrap import Floats, headline_figures, resample_counts
from shop_r1.evaluation.invalid_responses import count_invalid
from shop_r1.evaluation.metrics import (
    count_predictions,
    evaluate_predictions,
    find_collapse,
    find_vanishing,
)
from shop_r1.evaluation.seeds.comparisons import (
    Comparison,
    adjust_comparisons,
    compare_settings,
    over_seeds,
)
from shop_r1.evaluation.seeds.figures import SeedFigures, average_settings, measure_seed
from shop_r1.jsonl import read_json, read_records
from shop_r1.records.actions import SHOP
from shop_r1.records.results import Prediction
from shop_r1.shoppers.misses import MISS_KINDS, count_misses
from shop_r1.shoppers.persona import Market
from shop_r1.statistics.resampling import resample_clusters
from shop_r1.store.kinds import KINDS
from shop_r1.training.health_checks import Alert

BOOTSTRAP = 1000
"""Resamples of each seed's sessions."""
NATURAL_MIX = "natural_mix"
"""What the names of the figures in the crowd's own mix begin with."""
COMPARED = ("exact", "type_accuracy", "type_f1_macro")
"""Figures that are compared with SFT's."""


def baseline_of(row: Row) -> Row:
    """Return the SFT row that a row is compared with: of its size, its place in the map, its sessions."""
    return replace(SFT, size=row.size, sessions=row.sessions, page_size=row.page_size)


class Measurement:
    """The figures of all rows, each measured once."""

    def __init__(self, folder: ReproductionFolder) -> None:
        self._folder = folder
        self._measured: dict[Row | int, list[SeedFigures]] = {}

    def figures(self, row: Row) -> list[SeedFigures]:
        """Return a row's figures, one for each seed."""
        if row not in self._measured:
            self._measured[row] = [
                self._measure(seed, self._predictions(row, seed), row) for seed in self._folder.seeds
            ]
        return self._measured[row]

    def has(self, row: Row) -> bool:
        """Return whether the run has this row."""
        return all(self._stage(row, seed) in self._planned for seed in self._folder.seeds)

    @cached_property
    def _planned(self) -> set[Predict]:
        return {stage for stage in self._folder.plan if isinstance(stage, Predict)}

    def row_result(self, row: Row) -> RowResult:
        """Return a row over its seeds, with what was noted of its training."""
        config, runs = self._folder.config, self.figures(row)
        predictions = [each for seed in self._folder.seeds for each in self._predictions(row, seed)]
        model = self._stage(row, self._folder.seeds[0]).model
        sft = model if isinstance(model, Sft) else model.start if isinstance(model, Rl) else None
        return RowResult(
            key=row.key,
            name=row.name,
            model=config.checkpoint(row.size),
            size=row.size,
            sft_sessions=sft.sessions if isinstance(sft, Sft) else None,
            reward=row.reward,
            context=row.context,
            temperature=row.temperature,
            page_size=row.page_size or config.page_size,
            measured=over_seeds(row.key, runs),
            target_mix=_target_mix(predictions),
            invalid=count_invalid(predictions, SHOP),
            warnings=_list_warnings(predictions),
            alerts=tuple(self._alerts(row)),
            misses=self._misses(row) if row.to_ceiling else {},
            curves=read_row_curves([self._folder.path(each) for each in self._trainings(row)]),
        )

    def _misses(self, row: Row) -> dict[str, float]:
        """Return the share of each kind of miss among the row's predictions of all seeds."""
        counts: Counter[str] = Counter()
        for seed in self._folder.seeds:
            held_out = read_visits(self._folder, self._stage(row, seed).held_out)
            made, crowd = self._predictions(row, seed), self._folder.config.crowd
            for miss, count in count_misses(made, held_out, Market(KINDS), crowd).items():
                counts[miss.kind] += count
        return {kind: counts[kind] / counts.total() for kind in MISS_KINDS}

    def reachable_result(self, row: Row) -> RowResult:
        """Return what can be reached on a row's steps: each figure by the predictor that is best for it."""
        config = self._folder.config
        stages = [reachable_stage(row, seed, config) for seed in self._folder.seeds]
        paths = [self._folder.beside(stage, BEST_OF_TEST) for stage in stages]
        return RowResult(
            key=self._reachable_key(row),
            name="reachable",
            model="exact inference",
            size="–",
            sft_sessions=None,
            reward=None,
            context="whole-session",
            temperature=0.0,
            page_size=row.page_size or config.page_size,
            measured=over_seeds("reachable", [self._reachable_figures(row, stage) for stage in stages]),
            target_mix=_target_mix([each for path in paths for each in _read_predictions(path)]),
        )

    def _reachable_figures(self, row: Row, stage: Reachable) -> SeedFigures:
        """Return one seed's figures: of whole actions and of types, in the test's mix and in the crowd's."""
        beside = self._folder.beside
        paths = {
            (False, True): beside(stage, BEST_OF_TEST),
            (False, False): beside(stage, BEST_TYPES_OF_TEST),
            (True, True): self._folder.path(stage),
            (True, False): beside(stage, BEST_TYPES),
        }
        seed = stage.held_out.seed
        found = {kind: self._measure(seed, _read_predictions(path), row) for kind, path in paths.items()}
        of_types = found[False, False]
        best = {
            name: found[_is_natural(name), _is_of_whole_action(name)].resamples[name]
            for name in of_types.resamples
        }
        return replace(of_types, resamples=best)

    def _reachable_key(self, row: Row) -> str:
        page_size = row.page_size or self._folder.config.page_size
        usual = page_size == self._folder.config.page_size
        return "reachable" if usual else f"reachable, pages of {page_size}"

    def table_result(self, table: Table, rows: Sequence[Row]) -> TableResult:
        """Return a table's rows, and how each differs from SFT where the run has that."""
        found = []
        for row in rows:
            baseline = baseline_of(row)
            if row != baseline and self.has(baseline):
                pair = (row.key, self.figures(row)), (baseline.key, self.figures(baseline))
                found += compare_settings(*pair, COMPARED)
        return TableResult(
            table=table,
            rows=tuple(row.key for row in rows),
            reachable=tuple(dict.fromkeys(self._reachable_key(row) for row in rows)),
            comparisons=tuple(adjust_comparisons(found)),
            pooled=tuple(self._pooled(rows)) if table == "map" else (),
        )

    def _pooled(self, rows: Sequence[Row]) -> list[Comparison]:
        """Return how each reward differs from SFT in the mean over all starts and page sizes."""
        found = []
        for name in dict.fromkeys(row.name for row in rows if row.reward is not None):
            of_reward = [row for row in rows if row.name == name]
            ours = average_settings([self.figures(row) for row in of_reward], COMPARED)
            sft = average_settings([self.figures(baseline_of(row)) for row in of_reward], COMPARED)
            found += compare_settings((name, ours), (SFT.name, sft), COMPARED)
        return adjust_comparisons(found)

    def reachable_results(self, rows: Iterable[Row]) -> list[RowResult]:
        """Return what can be reached, for each page size that the rows have."""
        of_keys = {self._reachable_key(row): row for row in rows}
        return [self.reachable_result(row) for row in of_keys.values()]

    def natural_mixes(self, rows: Iterable[Row]) -> dict[str, dict[str, float]]:
        """Return the crowd's own mix of types for each page size, the mean over seeds."""
        mixes: dict[str, dict[str, float]] = {}
        for row in {self._reachable_key(row): row for row in rows}.values():
            of_seeds = [self._natural_mix(row, seed) for seed in self._folder.seeds]
            names = dict.fromkeys(name for mix in of_seeds for name in mix)
            page_size = str(row.page_size or self._folder.config.page_size)
            mixes[page_size] = {
                name: sum(mix.get(name, 0.0) for mix in of_seeds) / len(of_seeds) for name in names
            }
        return mixes

    def _measure(self, seed: int, predictions: Sequence[Prediction], row: Row) -> SeedFigures:
        found = measure_seed(seed, predictions, SHOP, bootstrap=BOOTSTRAP)
        counts = count_predictions(predictions, SHOP)
        natural = self._natural_mix(row, seed)
        # The same draws as `measure_seed` has, so that these figures can be compared as those can.
        totals = resample_clusters(len(counts.confusion), BOOTSTRAP, seed=0)
        shares = [natural.get(name, 0.0) for name in counts.types]
        weighted: Mapping[str, Floats] = headline_figures(resample_counts(counts, totals, shares))
        more = {f"{NATURAL_MIX}/{name}": each for name, each in weighted.items()}
        return replace(found, resamples=dict(found.resamples) | more)

    def _stage(self, row: Row, seed: int) -> Predict:
        return row_stage(row, seed, self._folder.config)

    def _predictions(self, row: Row, seed: int) -> list[Prediction]:
        return _read_predictions(self._folder.path(self._stage(row, seed)))

    def _natural_mix(self, row: Row, seed: int) -> dict[str, float]:
        counts = read_json(self._folder.beside(self._stage(row, seed).held_out, TYPE_COUNTS))
        return {name: count / sum(counts.values()) for name, count in counts.items()}

    def _trainings(self, row: Row) -> list[Rl | Sft]:
        models = [self._stage(row, seed).model for seed in self._folder.seeds]
        return [model for model in models if not isinstance(model, Start)]

    def _alerts(self, row: Row) -> Iterable[RaisedAlert]:
        for seed, model in zip(self._folder.seeds, self._trainings(row), strict=False):
            path = self._folder.path(model) / "alerts.jsonl"
            if path.exists():
                for each in read_records(path, Alert):
                    yield RaisedAlert(seed=seed, **each.model_dump())


def _read_predictions(path: Path) -> list[Prediction]:
    return list(read_records(path, Prediction))


def _is_natural(figure: str) -> bool:
    return figure.startswith(f"{NATURAL_MIX}/")


def _is_of_whole_action(figure: str) -> bool:
    return "exact" in figure or "similar" in figure


def _list_warnings(predictions: Sequence[Prediction]) -> tuple[str, ...]:
    metrics = evaluate_predictions(predictions, SHOP, bootstrap=2)
    return tuple(told for told in (find_collapse(metrics), find_vanishing(metrics)) if told)


def _target_mix(predictions: Sequence[Prediction]) -> dict[str, float]:
    counts = Counter(each.target.type for each in predictions)
    return {name: counts[name] / len(predictions) for name in SHOP.type_names}

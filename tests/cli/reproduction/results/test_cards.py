"""The cards of a reproduction's checkpoints hold what its predictions say."""

from pathlib import Path

from tests.cli.reproduction.made_run import LEAVE, WRONG_CLICK, MadeRun

from shop_r1.cli.reproduction.folder import StageLog
from shop_r1.cli.reproduction.plan import Rl, Sft
from shop_r1.cli.reproduction.results.cards import write_cards
from shop_r1.runs import CARD, RunFolder, make_record


def test_each_checkpoint_has_its_own_seeds_figures_and_the_best_reachable(tmp_path: Path) -> None:
    with StageLog(tmp_path / "stages.jsonl") as log:
        made = MadeRun(tmp_path, log, ["table2", "figure2"], 2, ["temperatures=[0.6,1.2]"])
        made.predict("whole-session-base-T0.6", [0, 0], WRONG_CLICK)
        made.predict("base-binary-T0.6", [0, 0], None)
        made.predict("sft-450-T0.6", [80, 90], LEAVE)
        made.predict("sft-450-binary-T0.6", [0, 0], LEAVE)
        made.predict("sft-450-shop-r1-T0.6", [120, 130], LEAVE)
        made.predict("sft-450-shop-r1-T1.2", [60, 70], LEAVE)
        trained = [stage for stage in made.folder.plan if isinstance(stage, Sft | Rl)]
        for stage in trained:
            config = made.folder.settings(stage)
            RunFolder(made.folder.path(stage)).write_settings(make_record(config, seed=config.seed))
        write_cards(made.folder)
        cards = {stage.name: (made.folder.path(stage) / CARD).read_text("utf-8") for stage in trained}
    assert len(cards) == 8  # SFT, two rewards after it and one without it, of two seeds
    whole, best = "| whole-session, T {}, the paper's mix of types | {} [", "| reachable | "
    place = "seed-{}/pages-of-4/models/medium-whole-session-sft-450{}"
    # Predicted to leave, the 200 steps at which shoppers leave are right too: (80 + 80 + 200) / 600.
    assert whole.format("0.6", "60.0") in cards[place.format(0, "")]
    assert whole.format("0.6", "63.3") in cards[place.format(1, "")]
    hotter = cards[place.format(1, "-shop-r1")]
    assert whole.format("0.6", "76.7") in hotter and whole.format("1.2", "56.7") in hotter
    # Of 200 steps of each type the best for whole actions has 190 right, the best for types 195.
    assert f"{best}96.7 [" in hotter and " | 98.3 [" in hotter.partition(best)[2]
    assert all(card.count(best) == 1 for card in cards.values())

"""The paper's effects as data: what each claims of which rows, and from which value on it holds.

The thresholds were written down before any result of `shop-r1 reproduce` was known. A part compares two rows
on the same steps, or one row with a number; all parts of all effects that were measured are one family, whose
intervals Holm's procedure widens, and which learns together how much seeds differ: three seeds of one claim
alone say little of that (`evaluation.seeds`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from shop_r1.cli.reproduction.results.measure import Measurement
from shop_r1.cli.reproduction.results.records import EffectResult, PartResult
from shop_r1.cli.reproduction.rows import ABLATIONS, MAIN, SFT, SHOP_R1, ZERO_SHOT, Row
from shop_r1.evaluation.metrics import PAPER_TEST_MIX
from shop_r1.evaluation.seeds.comparisons import estimate_over_seeds, pair_over_seeds
from shop_r1.evaluation.seeds.estimates import Estimate
from shop_r1.evaluation.seeds.verdicts import Claim, above, below, combine, judge, within

TERMINATE_SHARE = PAPER_TEST_MIX["terminate"] / sum(PAPER_TEST_MIX.values())
"""Of the test steps, here as in the paper's test set: 0.272."""
A_POINT = 0.01


@dataclass(frozen=True)
class Part:
    """One measurable part of an effect."""

    claim: str
    """In words, with the threshold."""
    figure: str
    of: Row
    asserts: Claim
    to: Row | None = None
    """The row that it is compared with; None: the figure itself is judged."""
    how: Literal["difference", "ratio", "share"] = "difference"


@dataclass(frozen=True)
class Effect:
    """One of the paper's effects."""

    effect: str
    paper: str
    """The paper's figures for it, in per cent."""
    parts: tuple[Part, ...]


def _row(name: str) -> Row:
    return next(row for row in (*MAIN, *ABLATIONS) if row.name == name)


RL_BINARY, SFT_BINARY = _row("rl(binary)"), _row("sft+rl(binary)")
NO_SFT, NO_FORMAT, NO_RATIONALE = _row("no-sft"), _row("no-format"), _row("no-rationale")
NO_DARS, BINARY_ACTION = _row("no-dars"), _row("binary-action")
LATEST_STEP = replace(SHOP_R1, context="latest-step")
T_08, T_12 = replace(SHOP_R1, temperature=0.8), replace(SHOP_R1, temperature=1.2)
EXACT, F1, LEAVES = "exact", "type_f1_macro", "predicted/terminate"


def _keeps_exact_but_loses_f1(row: Row) -> tuple[Part, Part]:
    return (
        Part(f"{row.name}: exact within 2 points of the full reward's", EXACT, row, within(0.02), SHOP_R1),
        Part(f"{row.name}: F1 lower than the full reward's", F1, row, below(0), SHOP_R1),
    )


EFFECTS = (
    Effect(
        "SFT is better than zero-shot",
        "exact 0.32 to 16.76",
        (Part("exact of SFT above zero-shot's", EXACT, SFT, above(0), ZERO_SHOT),),
    ),
    Effect(
        "RL alone fails",
        "exact 1.01, SFT's is 16.76",
        (
            Part(
                "exact of RL (binary) without SFT below half of SFT's",
                EXACT,
                RL_BINARY,
                below(0.5),
                SFT,
                "ratio",
            ),
        ),
    ),
    Effect(
        "Binary RL after SFT gains no exact match and drifts to terminate",
        "exact 16.76 to 16.55; on terminate steps 49.80 to 45.51",
        (
            Part("exact no more than 1 point above SFT's", EXACT, SFT_BINARY, below(A_POINT), SFT),
            Part("predicts terminate more often than SFT", LEAVES, SFT_BINARY, above(0), SFT),
            Part(
                "predicts terminate 10 points more often than it is right",
                LEAVES,
                SFT_BINARY,
                above(round(TERMINATE_SHARE + 10 * A_POINT, 4)),
                how="share",
            ),
        ),
    ),
    Effect(
        "Shop-R1 gains 65 % of SFT's exact match, and F1",
        "exact 16.76 to 27.72, F1 24.52 to 31.28",
        (
            Part("exact above 1.65 times SFT's", EXACT, SHOP_R1, above(1.65), SFT, "ratio"),
            Part("F1 above SFT's", F1, SHOP_R1, above(0), SFT),
        ),
    ),
    Effect(
        "Without SFT it fails",
        "exact 4.63, the full method's is 27.72",
        (Part("exact below half of the full method's", EXACT, NO_SFT, below(0.5), SHOP_R1, "ratio"),),
    ),
    Effect(
        "Without the format reward it fails",
        "exact 2.87, the full method's is 27.72",
        (Part("exact below half of the full reward's", EXACT, NO_FORMAT, below(0.5), SHOP_R1, "ratio"),),
    ),
    Effect(
        "Without DARS, and with a binary action reward, exact stays and F1 is lost",
        "exact 27.83 and 27.41 of 27.72; F1 11.70 and 12.11 of 31.28",
        (*_keeps_exact_but_loses_f1(NO_DARS), *_keeps_exact_but_loses_f1(BINARY_ACTION)),
    ),
    Effect(
        "Without the rationale reward little is lost",
        "exact 26.93 of 27.72",
        (Part("exact within 2 points of the full reward's", EXACT, NO_RATIONALE, within(0.02), SHOP_R1),),
    ),
    Effect(
        "The whole session is better than the latest step by half",
        "exact 27.72 against 14.74",
        (Part("exact above 1.5 times the latest step's", EXACT, SHOP_R1, above(1.5), LATEST_STEP, "ratio"),),
    ),
    Effect(
        "Exact match is flat in temperature to 0.8 and falls after",
        "27.72 at 0.6, peak 28.63 at 0.7",
        (
            Part("exact at 0.8 within 2 points of 0.6's", EXACT, T_08, within(0.02), SHOP_R1),
            Part("exact at 1.2 below 0.8's", EXACT, T_12, below(0), T_08),
        ),
    ),
)
"""In the order in which `docs/reproduction.md` has them."""


def judge_effects(measured: Measurement, effects: Sequence[Effect] = EFFECTS) -> tuple[EffectResult, ...]:
    """Return each effect with its parts judged; one whose rows were not all run cannot be told."""
    parts = [part for effect in effects for part in effect.parts]
    ready = [part for part in parts if all(measured.has(row) for row in (part.of, part.to) if row)]
    judged = judge([(part.asserts, _estimate(part, measured)) for part in ready], pooled=True)
    of_part = dict(zip(ready, judged, strict=True))
    return tuple(
        EffectResult(
            effect=effect.effect,
            paper=effect.paper,
            parts=tuple(
                PartResult(claim=part.claim, how=part.how, judgement=of_part.get(part))
                for part in effect.parts
            ),
            verdict=combine(
                of_part[part].verdict if part in of_part else "cannot be told" for part in effect.parts
            ),
        )
        for effect in effects
    )


def _estimate(part: Part, measured: Measurement) -> Estimate | None:
    if part.to is None:
        return estimate_over_seeds(measured.figures(part.of), part.figure)
    pair = pair_over_seeds(measured.figures(part.of), measured.figures(part.to), part.figure)
    return pair.difference if part.how == "difference" else pair.ratio

import io
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console
from tests.tiny import make_sessions
from transformers import TrainerControl, TrainerState

from shop_r1.datasets.examples import list_examples
from shop_r1.rewards.total import PARTS
from shop_r1.training.grpo.run import train_grpo
from shop_r1.training.health_checks import Alert, Alerts
from shop_r1.training.progress.live import LiveView
from shop_r1.training.progress.panel import History, grpo_body, sft_body, sparkline
from shop_r1.training.settings import GrpoConfig

NOBODY: Any = None
NOTED = ("reward/value", "policy/parsed")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    """Seconds that pass only when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def step_logs(step: int) -> dict[str, float]:
    found = {f"reward/{part}": float(step) for part in (*PARTS, "total")}
    shares = {"click": (0.45, 0.44), "type_and_submit": (0.35, 0.28), "terminate": (0.2, 0.28)}
    for name, (policy, data) in shares.items():
        found |= {f"policy/share_{name}": policy, f"data/share_{name}": data}
    return found | {
        "policy/parsed": 0.984,
        "policy/truncated": 0.015,
        "policy/length_mean": 27.4,
        "policy/frac_zero_variance": 0.375,
        "advantage/size": 0.61,
        "advantage/zero": 0.38,
        "entropy": 0.143,
        "seconds/step": 1.8,
        "seconds/sampling": 0.6,
        "seconds/rewards": 0.1,
        "seconds/update": 1.1,
        "tokens_per_second": 21034.0,
    }


def view_of(
    folder: Path, console: Console, sample: str | None = "", body: Any = grpo_body, clock: Any = None
) -> LiveView:
    alerts = Alerts(folder / "alerts.jsonl")
    read = None if sample is None else (lambda: sample)
    return LiveView(
        "GRPO shop-r1", body, NOTED, alerts, read, console, clock or Clock(), lambda: 1_240_000_000
    )


def run(view: LiveView, steps: int, total: int, clock: Clock, seconds: float = 2.0) -> None:
    state, control = TrainerState(global_step=0, max_steps=total), TrainerControl()
    view.on_train_begin(NOBODY, state, control)
    for step in range(1, steps + 1):
        clock.now += seconds
        state.global_step = step
        view.on_step_end(NOBODY, state, control)
        view.on_log(NOBODY, state, control, logs=step_logs(step))
    if steps == total:
        view.on_log(NOBODY, state, control, logs={"train_runtime": 1.0})
        view.on_train_end(NOBODY, state, control)


def panel(view: LiveView, width: int = 80) -> list[str]:
    console = Console(record=True, width=width, file=io.StringIO())
    console.print(view.render())
    return console.export_text().splitlines()


# -- the panel --------------------------------------------------------------------------------------------


def shown(folder: Path, sample: str = "completion", width: int = 80) -> list[str]:
    clock = Clock()
    view = view_of(folder, Console(file=io.StringIO(), width=width), sample, clock=clock)
    run(view, 20, 50, clock)
    return panel(view, width)


def test_the_panel_has_all_there_is_to_see_in_eighty_columns_and_sixteen_lines(tmp_path: Path) -> None:
    lines = shown(tmp_path)
    assert {cell_len(line) for line in lines} == {80}
    assert len(lines) <= 16
    text = "\n".join(lines)
    # 20 steps took 40 s, so 30 more take 60 s.
    assert "20/50 0:00:40 gone, 0:01:00 left, 1.2 GB" in text
    # The last ten steps' values are 11 to 20.
    assert "value      15.5" in text
    assert "parsed     98%" in text and "cut short  2%" in text and "length     27 tokens" in text
    assert "entropy    0.143 nats" in text and "KL         – nats" in text
    assert "size 0.61, 38% are zero; 38% of the groups have no variance" in text
    assert "click 45 (44)  type_and_submit 35 (28)  terminate 20 (28)" in text
    assert "1.8: sampling 0.6, rewards 0.1, update 1.1; 21,034 tokens/s" in text
    assert "last alert      none" in text and "completion      completion" in text


@pytest.mark.parametrize("width", [40, 60, 200])
def test_the_panel_fits_other_terminals_too(tmp_path: Path, width: int) -> None:
    lines = shown(tmp_path, "x" * 500, width)
    assert {cell_len(line) for line in lines} == {min(width, 80)}
    assert len(lines) <= 16


def test_a_panel_before_the_first_step_is_whole(tmp_path: Path) -> None:
    view = view_of(tmp_path, Console(file=io.StringIO(), width=80))
    view.on_train_begin(NOBODY, TrainerState(max_steps=50), TrainerControl())
    lines = panel(view)
    assert {cell_len(line) for line in lines} == {80}
    assert "0/50 0:00:00 gone, ? left" in "\n".join(lines)


def test_a_resumed_run_counts_its_own_pace(tmp_path: Path) -> None:
    clock = Clock()
    view = view_of(tmp_path, Console(file=io.StringIO(), width=80), clock=clock)
    state = TrainerState(global_step=40, max_steps=50)
    view.on_train_begin(NOBODY, state, TrainerControl())
    clock.now += 30
    state.global_step = 42
    view.on_step_end(NOBODY, state, TrainerControl())
    # Two steps in 30 s: eight more take 120 s.
    assert "42/50 0:00:30 gone, 0:02:00 left" in "\n".join(panel(view))


HOSTILE = (
    '\x1b[2J\x1b]0;owned\x07[bold red]{"rationale": "\u202elive"}[/][link=http://x]\n\r\x9b1A' + "红" * 200
)


def test_a_hostile_completion_is_shown_and_not_obeyed(tmp_path: Path) -> None:
    lines = shown(tmp_path, HOSTILE)
    text = "\n".join(lines)
    assert "·[2J·]0;owned·[bold red]{" in text
    assert {cell_len(line) for line in lines} == {80}
    assert len(lines) <= 16
    assert not any(each in text for each in "\x1b\x07\x9b\u202e\r")


def test_the_last_alert_is_shown_and_never_read_as_markup(tmp_path: Path) -> None:
    view = view_of(tmp_path, Console(file=io.StringIO(), width=80))
    view.alerts.raised.append(
        Alert(step=7, alert="truncation", message="[red]51% of the completions " + "x" * 99)
    )
    lines = panel(view)
    assert any("step 7, truncation: [red]51% of the completions" in line for line in lines)
    assert {cell_len(line) for line in lines} == {80}


def test_sft_has_its_own_rows_and_no_completion(tmp_path: Path) -> None:
    view = view_of(tmp_path, Console(file=io.StringIO(), width=80), None, sft_body)
    logs = {"loss": 1.25, "mean_token_accuracy": 0.915, "tokens_per_second": 20500.0}
    view.on_train_begin(NOBODY, TrainerState(max_steps=50), TrainerControl())
    view.on_log(NOBODY, TrainerState(global_step=1), TrainerControl(), logs=logs)
    text = "\n".join(lines := panel(view))
    assert "loss              1.250" in text and "token accuracy    91.5%" in text and "20,500" in text
    assert "│ completion " not in text
    assert {cell_len(line) for line in lines} == {80}


@pytest.mark.parametrize(
    ("values", "bars"),
    [((), ""), ((3.0, 3.0), "▁▁"), ((0.0, 7.0), "▁█"), (tuple(range(8)), "▁▂▃▄▅▆▇█"), ((5.0, -2.0), "█▁")],
)
def test_a_sparkline_runs_from_the_lowest_to_the_highest(values: tuple[float, ...], bars: str) -> None:
    assert sparkline(values) == bars


def test_history_keeps_what_is_shown_and_leaves_the_old_one_alone() -> None:
    old = History().add({"a": 1.0})
    new = old
    for value in range(100):
        new = new.add({"a": float(value)})
    assert old.values["a"] == (1.0,)
    assert new.values["a"] == tuple(map(float, range(76, 100)))
    assert new.mean("a") == 94.5  # of 90 to 99
    assert new.mean("b") is None and new.show("b") == "–"


# -- on a terminal, and away from one ---------------------------------------------------------------------


def test_away_from_a_terminal_there_are_plain_lines_with_the_time_left(tmp_path: Path) -> None:
    file, clock = io.StringIO(), Clock()
    run(view_of(tmp_path, Console(file=file, width=80), clock=clock), 50, 50, clock)
    lines = file.getvalue().splitlines()
    assert "\x1b" not in file.getvalue()
    assert len(lines) == 6  # each tenth step, and the end
    # Ten steps took 20 s; the mean of values 1 to 10 is 5.5.
    assert lines[0] == "GRPO shop-r1 10/50, 0:01:20 left, 1.2 GB: value 5.5, parsed 0.984"
    assert lines[-1] == "GRPO shop-r1 ━━━━━━━━━━━━━━━━━━━━ 50/50 value 45.5, parsed 0.984"


def test_a_slow_run_has_a_line_a_minute(tmp_path: Path) -> None:
    file, clock = io.StringIO(), Clock()
    run(view_of(tmp_path, Console(file=file, width=80), clock=clock), 6, 500, clock, seconds=31.0)
    assert [line.split(",")[0] for line in file.getvalue().splitlines()] == [
        f"GRPO shop-r1 {step}/500" for step in (2, 4, 6)
    ]


def test_parts_of_a_slow_step_are_shown_with_an_estimate_after_the_first(tmp_path: Path) -> None:
    file, clock = io.StringIO(), Clock()
    view = view_of(tmp_path, Console(file=file, width=80), clock=clock)
    view.on_train_begin(NOBODY, TrainerState(max_steps=4), TrainerControl())
    for done in range(1, 8):
        clock.now += 30
        view.show_part(f"micro-batch {done}/64", done / 64)
    # 30 s for one of 4 x 64: 255 more take 7650 s. Then a line a minute.
    lines = file.getvalue().splitlines()
    assert lines[0] == "GRPO shop-r1 0/4, micro-batch 1/64 of step 1, 2:07:30 left, 1.2 GB: value –, parsed –"
    assert [line.split()[4] for line in lines] == ["1/64", "3/64", "5/64", "7/64"]
    text = "\n".join(panel(view))
    assert "in step 1       micro-batch 7/64" in text and "2:04:30 left" in text
    view.on_step_end(NOBODY, TrainerState(global_step=1, max_steps=4), TrainerControl())
    assert "micro-batch" not in "\n".join(panel(view))


@pytest.fixture
def on_terminal(tmp_path: Path) -> Iterator[tuple[LiveView, Terminal, Clock]]:
    file, clock = Terminal(), Clock()
    console = Console(file=file, width=80, height=40, force_terminal=True, legacy_windows=False)
    with closing(view_of(tmp_path, console, "completion", clock=clock)) as view:
        yield view, file, clock


def test_on_a_terminal_the_panel_gives_way_to_one_line(
    on_terminal: tuple[LiveView, Terminal, Clock], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    view, file, clock = on_terminal
    run(view, 50, 50, clock)
    written = file.getvalue()
    assert "│ completion " in written
    assert written.endswith(" 50/50 value 45.5, parsed 0.984\n")
    assert written.count("\x1b[?25l") == written.count("\x1b[?25h") == 1  # the cursor is there again


def test_an_error_leaves_the_terminal_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    file, clock = Terminal(), Clock()
    console = Console(file=file, width=80, height=40, force_terminal=True, legacy_windows=False)
    with pytest.raises(KeyboardInterrupt), closing(view_of(tmp_path, console, clock=clock)) as view:
        run(view, 3, 50, clock)
        raise KeyboardInterrupt
    assert file.getvalue().count("\x1b[?25h") == 1
    assert view._live is None


def test_only_the_main_process_shows_anything(tmp_path: Path) -> None:
    file = io.StringIO()
    view = view_of(tmp_path, Console(file=file, width=80))
    state = TrainerState(global_step=50, max_steps=50, is_world_process_zero=False)
    for call in (view.on_train_begin, view.on_step_end, view.on_train_end):
        call(NOBODY, state, TrainerControl())
    view.on_log(NOBODY, state, TrainerControl(), logs=step_logs(50))
    assert file.getvalue() == ""


def test_a_whole_run_shows_what_its_completions_were(
    tmp_path: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panels: list[str] = []
    log = LiveView.on_log

    def record(view: LiveView, *args: Any, **kwargs: Any) -> None:
        log(view, *args, **kwargs)
        panels.append("\n".join(panel(view)))

    monkeypatch.setattr(LiveView, "on_log", record)
    config = GrpoConfig(
        model=str(tiny_checkpoint),
        max_steps=2,
        generation_batch_size=4,
        num_generations=2,
        max_completion_length=12,
        beta=0.1,
        bf16=False,
    )
    train_grpo(list_examples(make_sessions()), config, tmp_path)
    rollouts = (tmp_path / "rollouts.jsonl").read_text().splitlines()
    assert len(panels) == 3 and len(rollouts) == 2
    assert "cut short  100%" in panels[0]
    assert "KL         0 nats" in panels[0]
    assert panels[0].split("│ completion ")[1].strip(" │╰─\n") != ""

"""What long work that is no trainer's run prints of its progress."""

from io import StringIO

from rich.console import Console

from shop_r1.training.progress.console import step_progress


def test_a_line_is_printed_at_each_tenth_away_from_a_terminal() -> None:
    console = Console(file=StringIO())
    with step_progress("Copying", console) as progress:
        for step in range(1, 51):
            progress(step, 50, f"loss {step}.0 [x]")
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert len(lines) == 10
    assert lines[0].startswith("Copying 5/50, 0:00:00 left: loss 5.0 [x]")
    assert lines[-1] == "Copying 50/50, 0:00:00 left: loss 50.0 [x]"


def test_a_terminal_has_a_bar() -> None:
    console = Console(file=StringIO(), force_terminal=True, width=80)
    with step_progress("Copying", console) as progress:
        progress(30, 50, "loss 1.0")
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert "━" in printed and "30/50" in printed and "loss 1.0" in printed

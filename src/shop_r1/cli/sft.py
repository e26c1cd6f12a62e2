"""`sft`: the cold start, supervised fine-tuning on whole sessions."""

from shop_r1.cli.terminal.console import open_sessions, print_line, read_settings
from shop_r1.cli.terminal.next_command import print_next, rl_settings, unused_path
from shop_r1.cli.terminal.outputs import Force
from shop_r1.cli.terminal.settings_list import ListSettings
from shop_r1.cli.terminal.training_run import (
    AGAIN,
    Data,
    Model,
    Out,
    Resume,
    Words,
    check_run_folder,
    exit_when_stopped,
    finish_run,
    report_prompt_cost,
    write_settings,
)


def sft(
    data: Data,
    out: Out,
    settings: Words = None,
    model: Model = None,
    resume: Resume = False,
    force: Force = False,
    list_settings: ListSettings = False,
) -> None:
    """Fine-tune a model on whole sessions: completions only (paper, Eq. 2).

    A run that was interrupted goes on when the same command is given again with --resume.

    Example: shop-r1 sft configs/sft/paper_3b.toml --data train.jsonl --out runs/sft_3b seed=1
    """
    from shop_r1.cli.terminal.checkpoints import fit_prompt, hide_loading
    from shop_r1.datasets.examples import count_types, list_examples
    from shop_r1.training.run import settle_precision
    from shop_r1.training.settings import SftConfig
    from shop_r1.training.sft import train_sft

    config = read_settings(SftConfig, settings or [], model=model)
    check_run_folder(out, [data, config.model, *(settings or [])], resume, force)
    sessions = open_sessions(data)
    hide_loading()
    config = config.model_copy(update={"prompt": fit_prompt(config.prompt, config.model)})
    config = settle_precision(config, out, resume)
    write_settings(out, config, [data], "sft", resume)
    print_line(f"SFT on {len(sessions)} sessions, {len(list_examples(sessions, first_step=0))} completions")
    report_prompt_cost(out, list_examples(sessions, first_step=0), config)
    with exit_when_stopped(AGAIN):
        last = train_sft(sessions, config, out, resume)
    finish_run(out, last, "loss")
    if types := count_types(list_examples(sessions)):
        place = unused_path("runs/grpo")
        print_next("grpo", "--model", out, "--data", data, "--out", place, *rl_settings(types))
    else:
        print_next(
            "evaluate", "--model", out, "--data", "TEST.jsonl", "--out", unused_path("runs/evaluation")
        )

"""`sft`: the cold start, supervised fine-tuning on whole sessions."""

from shop_r1.cli.terminal import console
from shop_r1.cli.terminal import training_run as run
from shop_r1.cli.terminal.outputs import Force
from shop_r1.cli.terminal.settings_list import ListSettings


def sft(
    data: run.Data,
    out: run.Out,
    settings: run.Words = None,
    model: run.Model = None,
    resume: run.Resume = False,
    engine: run.ChosenEngine = "trl",
    force: Force = False,
    list_settings: ListSettings = False,
) -> None:
    """Fine-tune a model on whole sessions: completions only (paper, Eq. 2).

    A run that was interrupted goes on when the same command is given again with --resume.

    Example: shop-r1 sft configs/sft/paper_3b.toml --data train.jsonl --out runs/sft_3b seed=1
    """
    from shop_r1.datasets.examples import count_types, list_examples
    from shop_r1.training.cluster.start import check_checkpoints
    from shop_r1.training.settings import SftConfig

    config = console.read_settings(SftConfig, settings or [], model=model)
    run.check_run_folder(out, [data, config.model, *(settings or [])], resume, force)
    check_checkpoints(out, engine, resume)
    sessions = console.open_sessions(data)
    examples = list_examples(sessions, first_step=0)
    config = run.begin_run(config, out, [data], examples, "sft", resume)
    console.echo(f"SFT on {len(sessions)} sessions, {len(examples)} completions")
    with run.exit_when_stopped(run.AGAIN):
        if engine == "verl":
            from shop_r1.training.cluster.sft.run import train_sft_on_cluster

            last = train_sft_on_cluster(sessions, data, config, out, resume)
        else:
            from shop_r1.training.sft import train_sft

            last = train_sft(sessions, config, out, resume)
    run.finish_run(out, last, "loss")
    if types := count_types(list_examples(sessions)):
        # Types are balanced against `terminate`; without any the balance has to be switched off.
        unbalanced = [] if types.get("terminate") else ["type_ratio=0"]
        place = console.unused_path("runs/grpo")
        console.print_next("grpo --model", out, "--data", data, "--out", place, *unbalanced)
    else:
        place = console.unused_path("runs/evaluation")
        console.print_next("evaluate --model", out, "--data TEST.jsonl --out", place)

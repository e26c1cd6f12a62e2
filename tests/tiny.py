"""Things small enough to train in a test: a tokenizer, models of a few thousand parameters, sessions."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from shop_r1.records.actions import Action, click, terminate, type_and_submit
from shop_r1.records.sessions import Page, Session, Step

VOCABULARY = 400
SHAPE: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": True,
    "initializer_range": 0.3,  # far from uniform
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": 0,
    "attn_implementation": "sdpa",
}

HOME = '<input name="search_input" type="search">\n<a name="cart">Cart</a>'
RESULTS = '<a name="results.red_mug">Red mug</a> $4.49\n<a name="results.blue_mug">Blue mug</a> $7'
PRODUCT = '<h1>Red mug</h1>\n<button name="add_to_cart">Add</button>'

SEARCH = Step(
    page=Page(url="/", html=HOME),
    action=type_and_submit("search_input", "red mug"),
    rationale="I need a red mug, so I search.",
)
LOOK = Step(page=Page(html=RESULTS), action=click("results.red_mug"), rationale="It is cheap. \u2013 Süß!")
BUY = Step(page=Page(html=PRODUCT), action=click("add_to_cart"), rationale="This is the one.")
LEAVE = Step(page=Page(html=PRODUCT), action=terminate(), rationale="Too dear for me.")
AGAIN = Step(
    page=Page(html=RESULTS), action=type_and_submit("search_input", "mug"), rationale="Not what I meant."
)


def make_long_session(name: str, steps: int, lines: int = 12) -> Session:
    """Return a session whose pages are all different, and of so many lines."""
    made = []
    for number in range(steps):
        rows = [f'<a name="results.mug_{number}_{line}">Mug {number}.{line}</a>' for line in range(lines)]
        page = Page(html="\n".join(rows))
        rationale = f"Mug {number} is the one that I like."
        made.append(Step(page=page, action=click(f"results.mug_{number}_0"), rationale=rationale))
    return make_session(name, *made)


def make_session(name: str, *steps: Step, user: str | None = None) -> Session:
    return Session(session_id=name, user_id=user, steps=steps)


def make_sessions() -> list[Session]:
    """Four visits: their scored steps hold each type of action."""
    return [
        make_session("buys", SEARCH, LOOK, BUY),
        make_session("leaves", SEARCH, LOOK, LEAVE),
        make_session("searches-on", SEARCH, AGAIN, LOOK, LEAVE),
        make_session("leaves-at-once", SEARCH, LEAVE),
    ]


def with_rationale(session: Session, step: int, rationale: str) -> Session:
    steps = list(session.steps)
    steps[step] = steps[step].model_copy(update={"rationale": rationale})
    return session.model_copy(update={"steps": tuple(steps)})


def with_action(session: Session, step: int, action: Action) -> Session:
    steps = list(session.steps)
    steps[step] = steps[step].model_copy(update={"action": action})
    return session.model_copy(update={"steps": tuple(steps)})


def train_tiny_tokenizer() -> Any:
    from shop_r1.prompts.render import render_completion, render_system
    from shop_r1.records.actions import SHOP
    from shop_r1.training.pretraining.tokenizer import train_tokenizer

    completions = [
        render_completion(step.rationale or "", step.action)
        for each in make_sessions()
        for step in each.steps
    ]
    return train_tokenizer([render_system(SHOP), HOME, RESULTS, PRODUCT, *completions], VOCABULARY, lines=0)


def tiny_qwen2(vocabulary: int = VOCABULARY, seed: int = 0, **settings: Any) -> Any:
    """Return a random Qwen2 whose distributions are far from uniform, in eval mode."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(seed)
    return Qwen2ForCausalLM(Qwen2Config(**(SHAPE | {"vocab_size": vocabulary} | settings))).eval()


def tiny_llama(**settings: Any) -> Any:
    """Return a random Llama of the same shape."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**(SHAPE | settings))).eval()


def tiny_gemma3(**settings: Any) -> Any:
    """Return a random Gemma 3 of the same shape, all layers with full attention, and capped logits."""
    import torch
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    torch.manual_seed(0)
    kind = {"layer_types": ["full_attention"] * 2, "head_dim": 4, "query_pre_attn_scalar": 4}
    return Gemma3ForCausalLM(
        Gemma3TextConfig(**(SHAPE | kind | {"final_logit_softcapping": 9.0} | settings))
    ).eval()


def save_tiny_checkpoint(folder: Path, tokenizer: Any, seed: int = 0, family: str = "qwen2") -> Path:
    ends = {"eos_token_id": tokenizer.eos_token_id}
    makers: dict[str, Callable[..., Any]] = {
        "qwen2": partial(tiny_qwen2, seed=seed),
        "llama": tiny_llama,
        "gemma3": tiny_gemma3,
    }
    makers[family](**ends).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder

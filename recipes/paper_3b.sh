#!/usr/bin/env bash
# The 3B rows of the paper's Table 2 with its settings, on your own sessions: zero-shot, SFT, SFT + RL (binary), Shop-R1.
# Expect the paper's order of these rows, not its figures: its sessions are private. docs/scaling.md says what it costs.
#
#   recipes/paper_3b.sh TRAIN.jsonl TEST.jsonl [DIR]       (default runs/paper_3b)
#
# Given again after an interruption, training goes on from its last checkpoint (docs/training.md).
# One GPU of 80 GB. CONTEXT=8192 (tokens) where 32,768 does not fit: GRPO holds its eight prompts at once.
set -eu
train="$(realpath "$1")" test="$(realpath "$2")" out="$(realpath -m "${3:-runs/paper_3b}")"
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"
model="Qwen/Qwen2.5-3B-Instruct"
budget="prompt.max_tokens=${CONTEXT:-32768}"

evaluate() { # checkpoint, setting, folder
    shop-r1 evaluate configs/evaluate/paper.toml --model "$1" --data "$test" --setting "$2" --out "$out/$3" $budget
}

shop-r1 data validate "$train"
shop-r1 data validate "$test"
evaluate "$model" zero-shot evaluation_zero_shot
shop-r1 sft configs/sft/paper_3b.toml --data "$train" --out "$out/sft" --resume $budget
evaluate "$out/sft" sft evaluation_sft
shop-r1 grpo configs/grpo/sft_rl_binary_3b.toml --model "$out/sft" --data "$train" --out "$out/binary" --resume $budget
evaluate "$out/binary" "sft+rl(binary)" evaluation_binary
shop-r1 grpo configs/grpo/paper_3b.toml --model "$out/sft" --data "$train" --out "$out/shop_r1" --resume $budget
evaluate "$out/shop_r1" shop-r1 evaluation_shop_r1
shop-r1 report "$out/evaluation_shop_r1" --training "$out/shop_r1"

#!/usr/bin/env bash
# Every stage once, in a few minutes on a laptop: sessions, SFT, GRPO, evaluation, report.
# It shows that the path holds; the figures are those of a model that has hardly learnt. `make demo` trains longer.
#
#   recipes/smoke.sh [DIR]       (default runs/smoke; MODEL=NAME takes another model than base)
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"
out="${1:-runs/smoke}"
budget="prompt.max_tokens=4096"

shop-r1 simulate --force --shoppers "${SESSIONS:-200}" --seed 1 --out "$out/train.jsonl.zst"
shop-r1 simulate --force --shoppers "${HELD_OUT:-40}" --seed 2 --out "$out/test.jsonl.zst"
shop-r1 sft --force --model "${MODEL:-base}" --data "$out/train.jsonl.zst" --out "$out/sft" \
    num_train_epochs=1 per_device_train_batch_size=4 gradient_accumulation_steps=1 learning_rate=1e-3 save_steps=0 $budget
shop-r1 grpo --force --model "$out/sft" --data "$out/train.jsonl.zst" --out "$out/grpo" \
    max_steps=5 generation_batch_size=8 num_generations=4 learning_rate=1e-5 max_completion_length=64 save_steps=0 $budget
shop-r1 evaluate --force --model "$out/grpo" --data "$out/test.jsonl.zst" --out "$out/evaluation" \
    --setting shop-r1 $budget sampling.max_new_tokens=64
shop-r1 report "$out/evaluation" --training "$out/grpo"

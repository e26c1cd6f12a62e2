#!/usr/bin/env bash
# Make the small base checkpoint in the package: a tokenizer, then copying, then reading shop pages.
# Its shops are catalogues 101 to 130; the demo's is another. About twenty minutes on two CPU cores.
#
#   recipes/base.sh [DIR]        (default src/shop_r1/models/base, the folder in the package)
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"
out="${1:-src/shop_r1/models/base}"
work=runs/base

mkdir -p "$work"
for seed in $(seq 101 130); do
    [ -s "$work/$seed.jsonl" ] ||
        shop-r1 simulate --shoppers 100 --seed "$seed" --catalogue-seed "$seed" --out "$work/$seed.jsonl"
done
python -m shop_r1.training.pretraining.base "$out" "$work"/*.jsonl

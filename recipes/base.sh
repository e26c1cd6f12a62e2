#!/usr/bin/env bash
# Make the small base checkpoints in the package: a tokenizer, then copying, then reading shop pages.
# Their shops are catalogues 101 to 130; the demo's is another. About twenty minutes on two CPU cores for
# `base`; `base-small` and `base-large` take its tokenizer, and a half and twice as long.
#
#   recipes/base.sh [base|base-small|base-large] [DIR]        (default: base, into its folder in the package)
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"
name="${1:-base}"
out="${2:-src/shop_r1/models/$name}"
work=runs/base

case "$name" in
    base) shape="" ;;
    base-small) shape="tokenizer=base bf16=true width=64" ;;
    base-large) shape="tokenizer=base bf16=true width=160 layers=5" ;;
    *) echo "there is no $name; expected base, base-small or base-large" >&2 && exit 2 ;;
esac
mkdir -p "$work"
for seed in $(seq 101 130); do
    [ -s "$work/$seed.jsonl" ] ||
        shop-r1 simulate --shoppers 100 --seed "$seed" --catalogue-seed "$seed" --out "$work/$seed.jsonl"
done
# shellcheck disable=SC2086  # the shape is several words
python -m shop_r1.training.pretraining.base "$out" $shape "$work"/*.jsonl

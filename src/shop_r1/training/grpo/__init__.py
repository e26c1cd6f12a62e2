"""GRPO with the Shop-R1 reward: sampler, scorer, advantages, step recorder, and a trainer of TRL's."""

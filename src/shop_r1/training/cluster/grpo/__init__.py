"""GRPO on verl: prompts, rewards, advantages and sampling."""

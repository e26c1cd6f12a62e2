"""SFT, GRPO on TRL, and the recipe of the small base checkpoint."""

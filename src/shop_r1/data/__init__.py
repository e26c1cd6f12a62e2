"""Sources of sessions, splits, and the SFT and RL examples built from them."""

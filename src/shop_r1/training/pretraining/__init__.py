"""The recipe of the small base checkpoint."""

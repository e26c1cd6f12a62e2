"""Data sets of sessions: validation, statistics, splits, balance, examples, rationales."""

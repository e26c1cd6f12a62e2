"""When a typed text counts as one of similar meaning: named rules beside the exact match."""

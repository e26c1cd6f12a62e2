"""Who can answer: a checkpoint on this machine."""

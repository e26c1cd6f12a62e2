"""Who can answer: a checkpoint on this machine, or a model over a network."""

"""Who decides what a shopper does: chance, a checkpoint, a model over a network."""

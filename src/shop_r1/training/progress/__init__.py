"""What a training run shows and records while it runs."""

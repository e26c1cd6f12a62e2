"""The short page: written, and fitted to a token budget."""

"""The reproduction: every row of the paper's tables on the built-in store, with seeds and intervals."""

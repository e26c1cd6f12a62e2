"""Where a shopper acts: the in-process store."""

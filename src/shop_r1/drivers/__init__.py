"""Where a shopper acts: the store in this process, or a shop in Chromium."""

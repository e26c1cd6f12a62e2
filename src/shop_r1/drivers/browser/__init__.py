"""Where a shopper acts in a real shop: a page of Chromium, seen from an isolated world and never changed."""

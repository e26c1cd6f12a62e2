"""`shop-r1 data`: import, check, count, split and balance sessions."""

"""A shopper in a page driver, and the scripted shoppers."""

"""Scripted shoppers: personas, choice rules, and how well they can be predicted."""

"""Simulated shoppers held against past experiments on people: how often they were right, and how far off."""

"""Plots as SVG text: results, rewards over training, and what is in a file of sessions."""

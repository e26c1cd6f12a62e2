"""Predictions, metrics with intervals, tables beside the paper's, plots."""

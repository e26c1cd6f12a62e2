"""Versions of a shop compared: what is counted of a visit, paired differences, segments, verdicts."""

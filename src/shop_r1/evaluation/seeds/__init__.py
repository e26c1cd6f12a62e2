"""Figures over several seeds: means, paired differences and gains with intervals, and verdicts on claims."""

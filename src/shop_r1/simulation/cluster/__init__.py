"""Visits on a Ray cluster: the same loop in many processes, which share what has to be one for all."""

"""A checkpoint on this machine: prefix trees, attention, scoring, sampling."""

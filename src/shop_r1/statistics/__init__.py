"""Statistics on arrays: the bootstrap, paired differences, many hypotheses, intervals for any time."""

"""Statistics on arrays: the bootstrap, shares, differences, many hypotheses, intervals for any time."""

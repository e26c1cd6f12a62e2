"""The report of a simulation: an overview, and a player for each session."""

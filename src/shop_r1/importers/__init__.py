"""Other people's recordings to sessions: OPeRA, rrweb, logs, saved pages."""

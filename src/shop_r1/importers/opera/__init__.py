"""OPeRA's tables to sessions."""

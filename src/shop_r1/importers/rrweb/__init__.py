"""rrweb recordings to sessions."""

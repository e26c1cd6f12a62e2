"""Shop-R1: learn from recorded shopping sessions to simulate a human shopper."""

__version__ = "0.1.0"

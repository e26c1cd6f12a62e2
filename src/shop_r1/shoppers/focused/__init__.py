"""The focused crowd: its choice rule, and what to believe of its shoppers."""

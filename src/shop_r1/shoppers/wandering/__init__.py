"""The wandering crowd: personas, wants, the words of its queries, and its choice rule."""

"""Names for what can be acted on: labels, sections, unique paths."""

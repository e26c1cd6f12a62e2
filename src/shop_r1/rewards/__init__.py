"""The one scorer: word ROUGE-L, the hierarchical action reward and self-certainty."""

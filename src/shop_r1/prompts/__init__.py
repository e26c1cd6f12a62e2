"""Session prefix to chat messages within a token budget, and a completion to a Response or a ParseFailure."""

"""Session prefix to chat messages within a token budget, and a reply to a Response or a ParseFailure."""

"""Who shops and what for: files of personas and intents, drawn by their weights, and mined from a log."""

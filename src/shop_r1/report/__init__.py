"""One self-contained HTML page: tables, curves, session replays."""

"""What is on disk: actions, sessions, predictions and scores."""

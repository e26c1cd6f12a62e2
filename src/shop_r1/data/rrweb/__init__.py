"""Session replays as rrweb records them: the page before each action is rebuilt, and the action read."""

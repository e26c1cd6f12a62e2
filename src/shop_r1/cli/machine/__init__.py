"""What `doctor` finds out: what this machine has, and whether a run fits it."""

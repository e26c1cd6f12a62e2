"""The same training on a cluster: verl on Ray, with our prompts, rewards and advantages plugged in."""

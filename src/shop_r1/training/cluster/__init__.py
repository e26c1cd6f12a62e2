"""The same training on a cluster: verl on Ray, with our records, prompts, rewards and advantages plugged in."""

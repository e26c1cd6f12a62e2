"""The command `simulate`, part by part: its options, the shop, the policy, what is shown meanwhile."""

"""What shoppers met in one version of a shop: a run's folder read, a report, a gate."""

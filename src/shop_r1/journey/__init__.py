"""Shoppers' journeys through one version of a shop: the funnel, what they met, what they said, a gate."""

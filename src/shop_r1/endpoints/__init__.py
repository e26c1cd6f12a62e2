"""Models over a network: providers, retries, rate limits, budget, response cache, prices."""

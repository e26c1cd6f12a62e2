"""How well a classifier tells two crowds apart, and by what."""

"""A page's own style elements: their rules, and what they take off the screen."""

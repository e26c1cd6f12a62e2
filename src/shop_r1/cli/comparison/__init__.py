"""Commands that set two crowds, or two versions of a shop, side by side."""

"""The commands of `shop-r1`, grouped by what they serve; each is a thin shell round one function."""

"""A local page on which a person watches shoppers live, pauses and stops them."""

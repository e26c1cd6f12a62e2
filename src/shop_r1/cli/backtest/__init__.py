"""Past experiments on people, and what simulated shoppers would have said of them."""

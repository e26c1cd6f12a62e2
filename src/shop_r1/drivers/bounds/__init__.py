"""What a shopper in a browser may do: the hosts it reaches, its purchases, its secrets, its pace."""

"""How human a crowd is: its sessions beside real ones, and weights that bring it nearer to them."""

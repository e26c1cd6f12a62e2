"""`python -m shop_r1`: the command line, for launchers that start modules (`torchrun -m shop_r1 grpo …`)."""

from shop_r1.cli.main import main

if __name__ == "__main__":
    main()

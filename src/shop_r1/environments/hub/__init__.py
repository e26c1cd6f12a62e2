"""Environments of the package verifiers, for prime-rl and the Environments Hub."""

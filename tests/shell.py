"""The command line, called within a test's own process."""

from collections.abc import Callable

Shell = Callable[..., tuple[int, str, str]]
"""From a command's words to its exit code, stdout and stderr."""

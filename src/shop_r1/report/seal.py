"""A last line by which a page that was made here is known again, as long as nobody has changed it."""

import hashlib
import re
from pathlib import Path

_SEAL = re.compile(rb"<!-- made by shop-r1; sha256 of what stands above: ([0-9a-f]{64}) -->\n\Z")


def seal(text: str) -> str:
    """Return HTML or Markdown with a comment at its end that holds the digest of what stands before it."""
    whole = text if text.endswith("\n") else text + "\n"
    digest = hashlib.sha256(whole.encode()).hexdigest()
    return f"{whole}<!-- made by shop-r1; sha256 of what stands above: {digest} -->\n"


def is_sealed(path: Path) -> bool:
    """Return whether the file is as it was made here; what somebody wrote or changed is not.

    Raises:
        OSError: the file cannot be read.
    """
    content = path.read_bytes()
    found = _SEAL.search(content)
    return found is not None and hashlib.sha256(content[: found.start()]).hexdigest().encode() == found[1]

"""Names that nobody else gives."""

from __future__ import annotations

import os


def token_hex(size: int) -> str:
    """Give random bytes, which nobody can guess.

    Args:
        size: How many, ≥ 1.

    Returns:
        Two hexadecimal digits for each.

    Raises:
        Nothing.
    """
    # What secrets.token_hex does, but importing that loads all of OpenSSL, for longer than all the rest here.
    return os.urandom(size).hex()

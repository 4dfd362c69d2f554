"""Change the secret key of an encrypted storage, while a program goes on reading it.

python examples/rotate_keys.py
"""

from __future__ import annotations

import secrets
import tempfile

from pystorage import FileStorage, IntegrityError
from pystorage.codecs import EncryptedCodec, JSONCodec, reencode


def main() -> None:
    """Encrypt with one key, go over to another, and show that the first one reads nothing any more."""
    old_key, new_key = secrets.token_bytes(32), secrets.token_bytes(32)
    old = JSONCodec() | EncryptedCodec({"2025": old_key}, audience="rotate_keys")
    both = JSONCodec() | EncryptedCodec({"2026": new_key, "2025": old_key}, audience="rotate_keys")
    new = JSONCodec() | EncryptedCodec({"2026": new_key}, audience="rotate_keys")

    with tempfile.TemporaryDirectory() as folder:
        storage = FileStorage(folder, codec=old)
        storage.set_many({f"customer {number}": {"number": number} for number in range(100)})
        print(f"{len(storage)} customers are encrypted with the key 2025")

        # Programs are restarted with both keys: they read what either wrote, and write with the new one.
        reader = FileStorage(folder, codec=both)
        reader["customer 100"] = {"number": 100}

        def progress(done: int, total: int) -> None:
            if done % 25 == 0:
                print(f"{done} of {total}; a program reads {reader['customer 7']}")

        written = reencode(reader, old, both, progress=progress)
        print(f"{written} customers were encrypted anew, and one was new already")
        print(f"again: {reencode(reader, old, both)}")

        print(f"with the key 2026 alone: {FileStorage(folder, codec=new)['customer 7']}")
        try:
            storage["customer 7"]
        except IntegrityError as error:
            print(f"with the key 2025 alone: {type(error).__name__}")


if __name__ == "__main__":
    main()

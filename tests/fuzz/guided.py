"""Coverage-guided fuzzing of every decoder, by atheris; run as a program.

``python -m tests.fuzz.guided -max_total_time=60 corpus/`` stops at the first bytes that break something.
The first byte chooses the decoder, so that the fuzzer learns what each of them is made of.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["pystorage", "pickletools"]):
    from tests.fuzz import decoders

NAMES = sorted(decoders.DECODERS)


MORE = 64 << 20


def peak() -> int:
    """The most memory that this process has had so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def one(data: bytes) -> None:
    if data:
        before = peak()
        decoders.check(NAMES[data[0] % len(NAMES)], data[1:])
        if peak() > before + MORE:
            raise MemoryError(f"{(peak() - before) >> 20} MiB for {len(data)} bytes")


def plant(corpus: Path) -> None:
    """Begin with sound bytes of every kind."""
    for number, name in enumerate(NAMES):
        for data in decoders.SOUND[name]:
            (corpus / f"sound-{name}-{len(data)}").write_bytes(bytes([number]) + data)


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        if not argument.startswith("-") and Path(argument).is_dir():
            plant(Path(argument))
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()

"""Fill a folder with a limit from four processes, kill one of them, and look whether the limit held."""

from __future__ import annotations

import os
import sysconfig
import time
from html import escape
from multiprocessing import Process
from pathlib import Path

from pystorage import DiskLRUStorage

PAGES, BYTES, WRITERS = 150, 1_000_000, 4
LIBRARY = Path(sysconfig.get_path("stdlib"))


def opened() -> DiskLRUStorage[str, str]:
    """The pages: compressed, with a checksum, at most 150 of them and at most a megabyte."""
    return DiskLRUStorage("pages", limit=PAGES, size_limit=BYTES, codec="text+zlib+checksum")


def sources() -> list[str]:
    """The modules of the standard library that are in no package, and those of some packages."""
    packages = (LIBRARY / name for name in ("asyncio", "email", "json", "logging", "multiprocessing"))
    return sorted(str(path) for folder in (LIBRARY, *packages) for path in folder.glob("*.py"))


def rendered(source: str) -> str:
    """A page that shows a module."""
    text = Path(source).read_text(encoding="utf-8", errors="replace")
    lines = "\n".join(f"<li>{escape(line)}</li>" for line in text.splitlines())
    return f"<title>{escape(source)}</title>\n<ol>\n{lines}\n</ol>\n"


def fill(share: int) -> None:
    """Render every fourth module, and keep the page."""
    with opened() as pages:
        for source in sources()[share::WRITERS]:
            pages[source] = rendered(source)


def main() -> None:
    """Start four processes, kill one as soon as there are pages, and look at what is left."""
    begin = time.perf_counter()
    writers = [Process(target=fill, args=(share,)) for share in range(WRITERS)]
    for writer in writers:
        writer.start()
    with opened() as pages:
        while len(pages) < 20 and writers[0].is_alive():
            writers[0].join(0.01)
        writers[0].kill()
        for writer in writers:
            writer.join()
        seconds = time.perf_counter() - begin
        report, stats = pages.verify(), pages.stats()
        files = [entry.stat().st_size for entry in os.scandir("pages") if entry.is_file()]
        assert len(files) <= PAGES
        assert sum(files) <= BYTES
        assert all(page == rendered(source) for source, page in pages.items())
    print(f"{len(sources())} modules, {WRITERS} processes, one of them killed, {seconds:.1f} s")
    print(f"{stats.size} pages of at most {PAGES}, {stats.bytes:,} bytes of at most {BYTES:,}")
    print(report)


if __name__ == "__main__":
    main()

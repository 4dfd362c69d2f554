"""Servers of Redis for tests: one, one with TLS and users, a cluster, and some with Sentinels."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from pystorage.testing import servers
from tests.servers.certificates import Certificates
from tests.servers.clock import ServerClock

PATIENCE = 30.0
ALONE = ("--save", "", "--appendonly", "no", "--bind", "127.0.0.1")


def until(what: Callable[[], object], patience: float = PATIENCE) -> Any:
    """Wait until something is true, also while asking for it fails; give it."""
    end = time.monotonic() + patience
    while True:
        fault: Exception | None = None
        try:
            found = what()
        except (redis.RedisError, OSError) as error:
            found, fault = None, error
        if found:
            return found
        if time.monotonic() > end:
            raise TimeoutError(f"this did not come true within {patience} s") from fault
        time.sleep(0.01)


@dataclass
class RedisServer:
    """A server that can be stopped and started again on its port."""

    program: str
    folder: Path
    options: tuple[str, ...] = ALONE
    env: dict[str, str] | None = None
    port: int = field(default_factory=servers.free_port)
    pid: int = 0
    #: The whole command, where it is another.
    given: tuple[str, ...] = ()
    _stack: ExitStack = field(default_factory=ExitStack)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> tuple[str, ...]:
        usual = (self.program, "--port", str(self.port), "--dir", str(self.folder), *self.options)
        return self.given or usual

    def start(self) -> None:
        running = servers.running(self.command(), self.port, env=self.env, patience=PATIENCE)
        self.pid = self._stack.enter_context(running).pid

    def stop(self) -> None:
        self._stack.close()

    def client(self, **options: Any) -> Any:
        """A client of redis-py that tries once only."""
        return redis.Redis(port=self.port, retry=Retry(NoBackoff(), 0), **options)


def program() -> str:
    return servers.program("redis-server", "valkey-server")


@contextmanager
def redis_at(folder: Path, *options: str, env: dict[str, str] | None = None) -> Iterator[RedisServer]:
    """A server of one's own."""
    folder.mkdir(exist_ok=True)
    server = RedisServer(program(), folder, ALONE + options, env)
    server.start()
    try:
        until(server.client().ping)
        yield server
    finally:
        server.stop()


@dataclass(frozen=True)
class TurnedServer:
    """A server and the clock that it goes by."""

    server: RedisServer
    clock: ServerClock


@contextmanager
def turned_at(folder: Path) -> Iterator[TurnedServer]:
    """A server whose clock stands still until a test turns it."""
    program()
    clock = ServerClock(folder)
    with redis_at(folder, env=os.environ | clock.env) as server:
        yield TurnedServer(server, clock)


# ---------------------------------------------------------------------- TLS and users


@dataclass(frozen=True)
class GuardedServer:
    """A server that takes TLS and known users only."""

    server: RedisServer
    certificates: Certificates

    @property
    def url(self) -> str:
        return f"rediss://ann:anns@localhost:{self.server.port}/0?ssl_ca_certs={self.certificates.ca}"


@contextmanager
def guarded_at(folder: Path) -> Iterator[GuardedServer]:
    """A server with TLS; Ann may do all with keys below ``ann:``, Bob may read them."""
    name = program()
    certificates = Certificates(folder)
    users = folder / "users.acl"
    users.write_text(
        "user default off\nuser ann on >anns ~ann:* +@all -@dangerous\n".replace("\\x20", "")
        + "user bob on >bobs ~ann:* +@read +@connection\n"
    )
    port = servers.free_port()
    tls = (
        *("--tls-port", str(port), "--tls-auth-clients", "no", "--aclfile", str(users)),
        *("--tls-cert-file", str(certificates.certificate), "--tls-key-file", str(certificates.key)),
        *("--tls-ca-cert-file", str(certificates.ca)),
    )
    server = RedisServer(name, folder, ALONE + tls, port=port)
    server.given = (name, "--port", "0", "--dir", str(folder), *server.options)
    server.start()
    try:
        yield GuardedServer(server, certificates)
    finally:
        server.stop()


# ---------------------------------------------------------------------- cluster

SLOTS = 16384


class RedisClusterServers:
    """Nodes of a cluster, without replicas."""

    def __init__(self, folder: Path, nodes: int = 3) -> None:
        name = program()
        self.nodes = []
        for number in range(nodes):
            home = folder / str(number)
            home.mkdir()
            options = (
                *("--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf"),
                *("--cluster-node-timeout", "2000", "--cluster-port", str(servers.free_port())),
            )
            self.nodes.append(RedisServer(name, home, ALONE + options))

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        return f"redis+cluster://{hosts}"

    def start(self) -> None:
        step = SLOTS // len(self.nodes)
        for number, node in enumerate(self.nodes):
            node.start()
            last = SLOTS - 1 if node is self.nodes[-1] else (number + 1) * step - 1
            until(node.client().ping)
            node.client().execute_command("CLUSTER ADDSLOTSRANGE", number * step, last)
            node.client().execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
        for node in self.nodes[1:]:
            bus = node.options[node.options.index("--cluster-port") + 1]
            self.nodes[0].client().execute_command("CLUSTER MEET", "127.0.0.1", node.port, bus)
        self.settled()

    def settled(self) -> None:
        """Wait until every node says that all of the cluster is well."""
        for node in self.nodes:
            until(partial(self.is_settled, node))

    def is_settled(self, node: RedisServer) -> bool:
        info = node.client().execute_command("CLUSTER INFO")
        return (info["cluster_state"], info["cluster_known_nodes"]) == ("ok", str(len(self.nodes)))

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()

    def move(self, slot: int, *, finish: bool = True) -> None:
        """Move a slot and its keys to another node; or leave it half moved."""
        ids = self._ids()
        owner = self._owner(slot)
        other = (owner + 1) % len(ids)
        source, target = self.nodes[owner].client(), self.nodes[other].client()
        target.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", ids[owner])
        source.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", ids[other])
        if finish:
            self.finish(slot)

    def finish(self, slot: int) -> None:
        """Move what is left of a slot that is half moved."""
        ids = self._ids()
        owner = self._owner(slot)
        other = (owner + 1) % len(ids)
        source, target = self.nodes[owner].client(), self.nodes[other].client()
        place = ("127.0.0.1", self.nodes[other].port)
        while keys := source.execute_command("CLUSTER GETKEYSINSLOT", slot, 1000):
            source.execute_command("MIGRATE", *place, "", 0, 5000, "KEYS", *keys)
        for client in (target, source, *(node.client() for node in self.nodes)):
            client.execute_command("CLUSTER SETSLOT", slot, "NODE", ids[other])

    def _ids(self) -> list[str]:
        return [str(node.client().execute_command("CLUSTER MYID"), "ascii") for node in self.nodes]

    def _owner(self, slot: int) -> int:
        ports = [node.port for node in self.nodes]
        for low, high, (_, port, *_), *_ in self.nodes[0].client().execute_command("CLUSTER", "SLOTS"):
            if low <= slot <= high:
                return ports.index(port)
        raise LookupError(f"nobody has the slot {slot}")


@contextmanager
def cluster_at(folder: Path) -> Iterator[RedisClusterServers]:
    """A cluster of one's own."""
    nodes = RedisClusterServers(folder)
    try:
        nodes.start()
        yield nodes
    finally:
        nodes.stop()


# ---------------------------------------------------------------------- Sentinel


class RedisSentinels:
    """A primary, a replica, and three Sentinels that watch them."""

    service = "pystorage"

    def __init__(self, folder: Path) -> None:
        name = program()
        for part in ("primary", "replica", *"012"):
            (folder / part).mkdir()
        self.primary = RedisServer(name, folder / "primary", (*ALONE, "--repl-diskless-sync-delay", "0"))
        following = (*ALONE, "--replicaof", f"127.0.0.1 {self.primary.port}")
        self.replica = RedisServer(name, folder / "replica", following)
        self.sentinels = []
        for number in "012":
            sentinel = RedisServer(name, folder / number)
            settings = folder / number / "sentinel.conf"
            settings.write_text(
                f"port {sentinel.port}\nbind 127.0.0.1\ndir {folder / number}\n"
                f"sentinel monitor {self.service} 127.0.0.1 {self.primary.port} 2\n"
                f"sentinel down-after-milliseconds {self.service} 500\n"
                f"sentinel failover-timeout {self.service} 3000\n"
            )
            sentinel.given = (name, str(settings), "--sentinel")
            self.sentinels.append(sentinel)

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{one.port}" for one in self.sentinels)
        return f"redis+sentinel://{hosts}/{self.service}/0"

    def start(self) -> None:
        self.primary.start()
        self.replica.start()
        until(lambda: self.replica.client().info("replication")["master_link_status"] == "up")
        for one in self.sentinels:
            one.start()
        for one in self.sentinels:
            until(partial(self.is_settled, one))

    def is_settled(self, sentinel: RedisServer) -> bool:
        known = sentinel.client().sentinel_master(self.service)
        return int(known["num-other-sentinels"]) == 2 and int(known["num-slaves"]) == 1

    def stop(self) -> None:
        for one in (*self.sentinels, self.replica, self.primary):
            one.stop()


@contextmanager
def sentinels_at(folder: Path) -> Iterator[RedisSentinels]:
    """A primary, a replica and Sentinels of one's own."""
    there = RedisSentinels(folder)
    try:
        there.start()
        yield there
    finally:
        there.stop()

"""A TCP proxy before a server that does harm when it is told to."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from types import TracebackType

_AT_ONCE = struct.pack("ii", 1, 0)


class FlakyProxy:
    """Passes bytes on until it is told otherwise.

    Args:
        port: The server's, on this machine.

    ``cut_after`` bytes of replies each connection is torn; with ``silent`` nothing of what is asked arrives;
    with ``deaf`` it arrives and nothing of the replies comes back; ``refusing`` lets nobody connect.
    """

    def __init__(self, port: int) -> None:
        self._server = port
        self.cut_after: int | None = None
        self.silent = threading.Event()
        self.deaf = threading.Event()
        self.refusing = threading.Event()
        #: How many connections there were.
        self.connections = 0
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._lock = threading.Lock()

    def __enter__(self) -> FlakyProxy:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Closing alone does not wake who waits in accept.
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.tear()

    def tear(self) -> None:
        """Tear all connections."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            _torn(*pair)

    def well(self) -> None:
        """Do no harm any more, to connections made from now on."""
        self.cut_after = None
        for harm in (self.silent, self.deaf, self.refusing):
            harm.clear()
        self.tear()

    def _accept(self) -> None:
        while True:
            try:
                inner, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            if self.refusing.is_set():
                _torn(inner)
                continue
            try:
                outer = socket.create_connection(("127.0.0.1", self._server), 10)
            except OSError:
                _torn(inner)
                continue
            outer.settimeout(None)
            with self._lock:
                self._pairs.append((inner, outer))
            for pump in (self._ask, self._reply):
                threading.Thread(target=pump, args=(inner, outer), daemon=True).start()

    def _ask(self, inner: socket.socket, outer: socket.socket) -> None:
        with suppress(OSError):
            while data := inner.recv(65_536):
                if not self.silent.is_set():
                    outer.sendall(data)
        _torn(inner, outer)

    def _reply(self, inner: socket.socket, outer: socket.socket) -> None:
        with suppress(OSError):
            while data := outer.recv(65_536):
                if self.deaf.is_set():
                    continue
                cut = self.cut_after
                if cut is not None:
                    inner.sendall(data[:cut])
                    if len(data) >= cut:
                        break
                    self.cut_after = cut - len(data)
                    continue
                inner.sendall(data)
        _torn(inner, outer)


def _torn(*sockets: socket.socket) -> None:
    for one in sockets:
        with suppress(OSError):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            one.shutdown(socket.SHUT_RDWR)
        one.close()

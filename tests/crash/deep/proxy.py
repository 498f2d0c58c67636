"""A proxy in front of a database that cuts all its connections after the n-th message of the clients."""

import socket
import threading
from contextlib import suppress


class CuttingProxy:
    """
    Pass bytes between clients and a server; what a client sends at once is one message.

    Args:
        server: host and port.
        at: number of the message, from 1; 0: none.
        answered: deliver the message and cut before its answer is, as between COMMIT and its answer; else cut instead
            of delivering it.
    """

    def __init__(self, server: tuple[str, int], at: int = 0, *, answered: bool = False) -> None:
        self.server, self.at, self.answered = server, at, answered
        self.messages = 0
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Accept no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self.server)
            cut = threading.Event()
            threading.Thread(target=self._send, args=(client, server, cut), daemon=True).start()
            threading.Thread(target=self._answer, args=(server, client, cut), daemon=True).start()

    def _send(self, client: socket.socket, server: socket.socket, cut: threading.Event) -> None:
        with suppress(OSError):
            while data := client.recv(1 << 20):
                with self._lock:
                    self.messages += 1
                    mine = self.messages == self.at
                if mine and not self.answered:
                    break
                if mine:
                    cut.set()
                server.sendall(data)
        if not cut.is_set():
            _close(client, server)

    def _answer(self, server: socket.socket, client: socket.socket, cut: threading.Event) -> None:
        with suppress(OSError):
            while data := server.recv(1 << 20):
                if cut.is_set():
                    break
                client.sendall(data)
        _close(client, server)


def _close(*sockets: socket.socket) -> None:
    for each in sockets:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()

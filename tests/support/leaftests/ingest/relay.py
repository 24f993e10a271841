"""A relay between a client and a deployment, whose lines can be cut, or carry nothing back."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Lock, Thread


class Relay:
    """On a port of 127.0.0.1, to a unix socket."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._server = socket.create_server(("127.0.0.1", 0))
        self._links: list[socket.socket] = []
        self._lock = Lock()
        self._answers = Event()
        self._answers.set()
        self.port = self._server.getsockname()[1]
        self._threads = [Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def cut(self) -> int:
        """All connections; how many there were."""
        with self._lock:
            links, self._links = self._links, []
        for link in links:
            with suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)
        return len(links) // 2

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Connections are accepted and requests passed on, but no answer comes."""
        self._answers.clear()
        try:
            yield
        finally:
            self._answers.set()

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._server.close()
        self._answers.set()
        self._threads[0].join()
        self.cut()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return  # closed
            upstream = socket.socket(socket.AF_UNIX)
            try:
                upstream.connect(self._path)
            except OSError:  # it is away, and the client is to see so
                client.close()
                upstream.close()
                continue
            with self._lock:
                self._links += (client, upstream)
            self._threads.append(Thread(target=self._link, args=(client, upstream), daemon=True))
            self._threads[-1].start()

    def _link(self, client: socket.socket, upstream: socket.socket) -> None:
        with client, upstream:
            back = Thread(target=self._carry, args=(upstream, client, self._answers), daemon=True)
            back.start()
            self._carry(client, upstream)
            back.join()

    def _carry(self, source: socket.socket, into: socket.socket, may: Event | None = None) -> None:
        with suppress(OSError):
            while data := source.recv(2**16):
                if may is not None:
                    may.wait()
                into.sendall(data)
        for link in (source, into):
            with suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)


@contextmanager
def relay(path: str) -> Iterator[Relay]:
    made = Relay(path)
    try:
        yield made
    finally:
        made.close()

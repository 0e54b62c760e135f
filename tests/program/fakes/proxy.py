"""Outbound proxies: Debian's tinyproxy, and one whose answers a test scripts."""

import pathlib
import socket
import subprocess
import threading
import time


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


class Tinyproxy:
    """The real one as a process; `user` ("name:password") is who may use it."""

    def __init__(self, directory: pathlib.Path, user: str | None = None):
        self.port = free_port()
        self.log = directory / f"tinyproxy-{self.port}.log"
        config = directory / f"tinyproxy-{self.port}.conf"
        lines = [f"Port {self.port}", "Listen 127.0.0.1", "Timeout 30", f'LogFile "{self.log}"', "LogLevel Connect", "MaxClients 20"]
        if user:
            lines.append("BasicAuth " + " ".join(user.split(":")))
        config.write_text("\n".join(lines) + "\n")
        self.process = subprocess.Popen(["tinyproxy", "-d", "-c", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._wait_until_it_listens()

    def _wait_until_it_listens(self):
        deadline = time.monotonic() + 10
        while True:
            try:
                return socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                assert self.process.poll() is None and time.monotonic() < deadline, "tinyproxy did not start"
                time.sleep(0.01)

    def url(self, user: str | None = None) -> str:
        return f"http://{user + '@' if user else ''}127.0.0.1:{self.port}"

    def requests(self) -> list[str]:
        """The request lines it noted."""
        return [line.split("): ", 1)[1] for line in self.log.read_text().splitlines() if "Request (" in line]

    def close(self):
        self.process.terminate()
        self.process.wait(10)


class FakeProxy:
    """Keeps the heads it was sent. `answer` (bytes) comes instead of what a proxy does; else it connects to `target`, whatever
    the request names, which stands for the resolving of names."""

    def __init__(self, target: int | None = None, answer: bytes | None = None):
        self.target, self.answer = target, answer
        self.heads: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: socket.socket):
        with peer:
            head = b""
            while b"\r\n\r\n" not in head:
                data = peer.recv(65536)
                if not data:
                    return
                head += data
            self.heads.append(head)
            if self.answer is not None:
                peer.sendall(self.answer)
                while peer.recv(65536):
                    pass
                return
            with socket.create_connection(("127.0.0.1", self.target)) as upstream:
                if head.startswith(b"CONNECT "):
                    peer.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                else:
                    upstream.sendall(head)
                threading.Thread(target=self._copy, args=(upstream, peer), daemon=True).start()
                self._copy(peer, upstream)

    @staticmethod
    def _copy(source: socket.socket, sink: socket.socket):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

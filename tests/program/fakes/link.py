"""A line to a PostgreSQL server that can go dead, or be cut at the worst moment."""

import socket
import struct
import threading


class Link:
    """Carries every byte both ways, on a port of its own."""

    def __init__(self, target: int):
        self.target = target
        self.lost_answer = threading.Event()
        """Set when the answer to a commit was lost (lose_answer_to_commit)."""
        self._alive = threading.Event()
        self._alive.set()
        self._losing = threading.Event()
        self._rate = 0
        self._fillers: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.close()
        self.come_back()

    # --- what can happen to it

    def go_dead(self):
        """As if a cable was pulled: nothing arrives, nothing ends, and no connection is made, but nobody is told."""
        self._alive.clear()
        # A full backlog makes the system ignore who wants to connect.
        while True:
            filler = socket.socket()
            filler.settimeout(0.2)
            try:
                filler.connect(("127.0.0.1", self.port))
            except TimeoutError:
                filler.close()
                return
            self._fillers.append(filler)

    def come_back(self):
        """What was sent meanwhile arrives late, as TCP has it."""
        for filler in self._fillers:
            filler.close()
        self._fillers.clear()
        self._alive.set()

    def slow_down(self, rate: int):
        """From now on `rate` bytes a second get through to the server, on each connection."""
        self._rate = rate

    def lose_answer_to_commit(self):
        """The next transaction that inserts something is committed, and before the server's word of it is through, its connection
        breaks."""
        self._losing.set()

    # --- how

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket):
        self._alive.wait()
        try:
            server = socket.create_connection(("127.0.0.1", self.target), 20)
        except OSError:
            client.close()
            return
        server.settimeout(None)
        with client, server:
            there = threading.Thread(target=self._copy, args=(client, server, self._as_it_is), daemon=True)
            there.start()
            self._copy(server, client, Answers(self).carry)
            there.join()

    def _copy(self, source: socket.socket, sink: socket.socket, carry):
        try:
            while data := source.recv(65536):
                self._alive.wait()
                carry(data, sink)
            self._alive.wait()
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            # One side is gone: so is the other.
            for each in (source, sink):
                try:
                    each.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def _as_it_is(self, data: bytes, sink: socket.socket):
        if self._rate:
            threading.Event().wait(len(data) / self._rate)
        sink.sendall(data)


class Answers:
    """What a server sends on one connection, message by message (chapter 55 of PostgreSQL's manual)."""

    def __init__(self, link: Link):
        self._link = link
        self._rest = b""
        self._held = b""
        self._started = False
        self._inserted = False

    def carry(self, data: bytes, client: socket.socket):
        self._rest += data
        out = b""
        while message := self._next():
            out += self._judged(message)
        if out:
            client.sendall(out)

    def _next(self) -> bytes:
        """A whole message, or b""."""
        if not self._started and self._rest[:1] == b"N":  # no TLS, says a single byte
            message, self._rest = self._rest[:1], self._rest[1:]
            return message
        if len(self._rest) < 5:
            return b""
        size = 1 + struct.unpack("!i", self._rest[1:5])[0]
        if len(self._rest) < size:
            return b""
        message, self._rest = self._rest[:size], self._rest[size:]
        self._started = True
        return message

    def _judged(self, message: bytes) -> bytes:
        """What goes to the client now: from a CommandComplete on it waits for ReadyForQuery, which tells whether the transaction
        is over."""
        kind = message[:1]
        if kind == b"C":
            self._inserted = self._inserted or message[5:].startswith((b"INSERT", b"COPY"))
        if kind != b"C" and not self._held:
            return message
        self._held += message
        if kind != b"Z":
            return b""
        out, self._held = self._held, b""
        if message[5:] == b"I":
            if self._inserted and self._link._losing.is_set():
                self._link._losing.clear()
                self._link.lost_answer.set()
                raise ConnectionResetError
            self._inserted = False
        return out

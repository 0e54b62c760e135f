"""An upstream on a raw socket, whose every misbehaviour a test scripts. It keeps what it was sent, byte for byte."""

import json
import socket
import struct
import threading
from dataclasses import dataclass, field


@dataclass
class Request:
    """One request as the upstream saw it."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    head: bytes

    def header(self, name: str) -> str | None:
        values = self.header_values(name)
        return values[0] if values else None

    def header_values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def json(self):
        return json.loads(self.body)


class Gone(Exception):
    """The router closed the connection."""


class Connection:
    """One accepted connection; a script answers with it."""

    def __init__(self, peer: socket.socket):
        self.peer = peer
        self.rest = b""
        self.upstream = None

    def send(self, data: bytes):
        try:
            self.peer.sendall(data)
        except OSError as error:
            raise Gone from error

    def close(self):
        self.peer.close()

    def reset(self):
        """Closes with RST."""
        self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.peer.close()

    def wait_closed(self):
        """Says nothing until the router goes away."""
        try:
            while self.peer.recv(65536):
                pass
        except OSError:
            pass

    def read_more(self) -> bytes:
        try:
            data = self.peer.recv(65536)
        except OSError as error:
            raise Gone from error
        if not data:
            raise Gone
        if self.upstream:
            self.upstream.received.append(data)
        return data

    def read_until(self, mark: bytes) -> bytes:
        while mark not in self.rest:
            self.rest += self.read_more()
        before, _, self.rest = self.rest.partition(mark)
        return before + mark

    def read_exactly(self, count: int) -> bytes:
        pieces, have = [self.rest], len(self.rest)
        while have < count:
            pieces.append(self.read_more())
            have += len(pieces[-1])
        data = b"".join(pieces)
        self.rest = data[count:]
        return data[:count]

    def read_request(self) -> Request:
        head = self.read_until(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        method, target, _ = first.split(" ")
        headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines]
        request = Request(method, target, headers, b"", head)
        if "chunked" in (request.header("transfer-encoding") or ""):
            request.body = self._read_chunks()
        elif request.header("content-length"):
            request.body = self.read_exactly(int(request.header("content-length")))
        return request

    def _read_chunks(self) -> bytes:
        body = b""
        while size := int(self.read_until(b"\r\n").split(b";")[0], 16):
            body += self.read_exactly(size)
            self.read_until(b"\r\n")
        self.read_until(b"\r\n")
        return body


class FakeUpstream:
    """Listens on a port of its own. `script(connection, request)` answers each request; several scripts answer one request
    each, the last one all that follow. `on_accept` replaces the reading of requests altogether. `tls`: the context of a TLS
    server. `received` holds every byte that came, of all connections."""

    def __init__(self, *scripts, on_accept=None, tls=None, host="127.0.0.1", port=0):
        self.scripts = list(scripts) or [reply()]
        self.on_accept = on_accept
        self.tls = tls
        self.host = f"[{host}]" if ":" in host else host
        self.requests: list[Request] = []
        self.received: list[bytes] = []
        self.connections = 0
        self.changed = threading.Condition()
        self.closed_early = 0
        self._open: set[socket.socket] = set()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), backlog=256, family=family)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}/v1"

    def answer(self, *scripts):
        with self.changed:
            self.scripts = list(scripts)

    def wait_for(self, condition, seconds=10):
        """Until `condition()` holds; it is asked again whenever a request or a connection came or went."""
        with self.changed:
            assert self.changed.wait_for(condition, seconds), "the upstream waited in vain"

    def wait_for_requests(self, count=1, seconds=10):
        self.wait_for(lambda: len(self.requests) >= count, seconds)
        return self.requests[count - 1]

    def wait_for_leaving(self, seconds=10):
        """Until no connection is open."""
        self.wait_for(lambda: not self._open, seconds)

    def forget(self):
        """What was asked before."""
        self.requests.clear()
        self.received.clear()

    def close(self):
        try:
            self._listener.shutdown(socket.SHUT_RDWR)  # else the thread that accepts keeps the port
        except OSError:
            pass
        self._listener.close()
        with self.changed:
            for peer in self._open:
                try:
                    peer.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def _accept(self):
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.changed:
                self.connections += 1
                self._open.add(peer)
                self.changed.notify_all()
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: socket.socket):
        plain = peer
        try:
            if self.tls:
                peer = self.tls.wrap_socket(peer, server_side=True)
            connection = Connection(peer)
            connection.upstream = self
            if self.on_accept:
                self.on_accept(connection)
            else:
                while peer.fileno() != -1:
                    request = connection.read_request()
                    self._take(request)(connection, request)
        except (Gone, OSError):
            with self.changed:
                self.closed_early += 1
        finally:
            peer.close()
            with self.changed:
                self._open.discard(plain)
                self.changed.notify_all()

    def _take(self, request: Request):
        with self.changed:
            self.requests.append(request)
            self.changed.notify_all()
            return self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]


# --- what it may answer

CHAT_REPLY = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "gpt-4o",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8},
}


def head(status=200, headers=(), reason="Reason") -> bytes:
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers)]
    return "".join(line + "\r\n" for line in lines).encode("latin-1") + b"\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


END = b"0\r\n\r\n"


def reply(status=200, body=None, headers=(), content_type="application/json"):
    """A whole reply. A `body` that is not bytes is sent as JSON."""
    if body is None:
        body = CHAT_REPLY if status == 200 else {"error": {"message": f"it is {status}", "type": "t", "param": None, "code": "c"}}
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    def script(connection, request):
        fields = [("Content-Type", content_type), ("Content-Length", len(data)), *headers]
        connection.send(head(status, fields) + (b"" if request.method == "HEAD" else data))

    return script


def raw(data: bytes, then="close"):
    """Exactly these bytes; afterwards "close", "reset", "stall" (silence), or "keep"."""

    def script(connection, request):
        connection.send(data)
        if then == "reset":
            connection.reset()
        elif then == "close":
            connection.close()
        elif then == "stall":
            connection.wait_closed()

    return script


def event(data) -> bytes:
    text = data if isinstance(data, str) else json.dumps(data)
    return f"data: {text}\n\n".encode()


def numbered(n, **members) -> bytes:
    """An event that says `n` to whoever asked for a completion."""
    return event({"n": n, **members, "choices": [{"index": 0, "text": str(n)}]})


def chat_events(*words: str, finish="stop", usage=True) -> list[bytes]:
    """The events of a chat completion saying `words`."""

    def piece(delta, finish_reason=None):
        return event({"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "gpt-4o",
                      "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]})

    events = [piece({"role": "assistant", "content": ""}), *(piece({"content": word}) for word in words), piece({}, finish)]
    if usage:
        events.append(event({"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "gpt-4o", "choices": [],
                             "usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}}))
    return [*events, event("[DONE]")]


SSE_HEAD = head(200, [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")])


def stream(*pieces: bytes, then="end", headers=()):
    """An event stream, each piece a chunk of its own. Afterwards "end" (a clean one), "close", "reset" or "stall"."""

    def script(connection, request):
        fields = [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked"), *headers]
        connection.send(head(200, fields))
        for piece in pieces:
            connection.send(chunk(piece))
        if then == "end":
            connection.send(END)
        else:
            raw(b"", then)(connection, request)

    return script


def silence(connection, request):
    """Takes the request and never answers."""
    connection.wait_closed()


def reset(connection, request):
    connection.reset()


def close(connection, request):
    connection.close()


def refused_url() -> str:
    """An endpoint nobody listens on: the port is taken and never listened to for as long as the tests run."""
    holder = socket.socket()
    holder.bind(("127.0.0.1", 0))
    _held.append(holder)
    return f"http://127.0.0.1:{holder.getsockname()[1]}/v1"


_held: list[socket.socket] = []


@dataclass
class Gate:
    """A script that waits in the middle: the test opens it when it has seen what it wanted to see."""

    opened: threading.Event = field(default_factory=threading.Event)

    def open(self):
        self.opened.set()

    def wait(self, seconds=20):
        assert self.opened.wait(seconds), "the test never opened the gate"

"""A client on a raw socket: sends exactly what a test says and reads replies strictly, so that a broken end is seen."""

import json
import socket
import ssl
import struct
from contextlib import suppress
from dataclasses import dataclass

KEY = "client-key-0123456789abcdef"


class Broken(Exception):
    """The connection ended before the reply was whole."""

    def __init__(self, received: bytes, was_reset: bool):
        super().__init__(f"{'reset' if was_reset else 'closed'} after {received[-200:]!r}")
        self.received = received
        self.was_reset = was_reset


@dataclass
class Response:
    version: str
    status: int
    headers: list[tuple[str, str]]
    body: bytes = b""

    def header(self, name: str) -> str | None:
        values = self.header_values(name)
        return values[0] if values else None

    def header_values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def json(self):
        return json.loads(self.body)

    @property
    def error_code(self) -> str:
        return self.json()["error"]["code"]


class Client:
    """One connection to the router."""

    def __init__(self, address: tuple[str, int], seconds=20, tls=None):
        """`tls`: the context of a TLS client."""
        self.socket = socket.create_connection(address, seconds)
        self.socket.settimeout(seconds)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname=address[0])
        self.rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def send(self, data: bytes):
        self.socket.sendall(data)

    def finish_sending(self):
        with suppress(OSError):  # ENOTCONN: the other side was faster and has closed already
            self.socket.shutdown(socket.SHUT_WR)

    def read_more(self) -> bool:
        """Whether more came; false at a clean end of the connection."""
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError as error:
            raise Broken(self.rest, True) from error
        except ssl.SSLEOFError as error:
            raise Broken(self.rest, False) from error
        self.rest += data
        return bool(data)

    def read_until(self, mark: bytes) -> bytes:
        while mark not in self.rest:
            if not self.read_more():
                raise Broken(self.rest, False)
        before, _, self.rest = self.rest.partition(mark)
        return before + mark

    def read_exactly(self, count: int) -> bytes:
        while len(self.rest) < count:
            if not self.read_more():
                raise Broken(self.rest, False)
        data, self.rest = self.rest[:count], self.rest[count:]
        return data

    def read_all(self) -> bytes:
        """Until the router closes."""
        while self.read_more():
            pass
        data, self.rest = self.rest, b""
        return data

    def closed(self) -> bool:
        """Whether the router closes now, with nothing more to say."""
        try:
            return self.read_all() == b""
        except Broken:
            return True

    def read_head(self) -> Response:
        first, *lines = self.read_until(b"\r\n\r\n").decode("latin-1").rstrip("\r\n").split("\r\n")
        version, status, *_ = first.split(" ")
        return Response(version, int(status), [tuple(part.strip() for part in line.split(":", 1)) for line in lines])

    def read_chunk(self) -> bytes:
        """One chunk's data; b"" is the last chunk."""
        size = int(self.read_until(b"\r\n").split(b";")[0], 16)
        data = self.read_exactly(size)
        if self.read_exactly(2) != b"\r\n":
            raise Broken(data, False)
        return data

    def read_response(self, method="POST") -> Response:
        response = self.read_head()
        if method == "HEAD" or response.status in (204, 304) or response.status < 200:
            return response
        if "chunked" in (response.header("transfer-encoding") or ""):
            response.body = b"".join(iter(self.read_chunk, b""))
        elif response.header("content-length"):
            response.body = self.read_exactly(int(response.header("content-length")))
        else:
            response.body = self.read_all()
        return response

    def ask(self, *args, **kwargs) -> Response:
        method = kwargs.get("method", "POST")
        self.send(request(*args, **kwargs))
        return self.read_response(method)


def chat(text="hi", model="gpt-4o", **members) -> dict:
    return {"model": model, "messages": [{"role": "user", "content": text}], **members}


def request(path="/v1/chat/completions", body=None, method="POST", headers=(), key=KEY, version="HTTP/1.1") -> bytes:
    """The bytes of a request. `body`: bytes as they are, anything else as JSON; a POST without one asks a chat."""
    if body is None and method == "POST":
        body = chat()
    data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = [("Host", "router")]
    if key is not None:
        fields.append(("Authorization", f"Bearer {key}"))
    names = {name.lower() for name, _ in headers}
    if body is not None and "content-type" not in names:
        fields.append(("Content-Type", "application/json"))
    if body is not None and not names & {"content-length", "transfer-encoding"}:
        fields.append(("Content-Length", len(data)))
    fields += headers
    return f"{method} {path} {version}\r\n".encode() + "".join(f"{k}: {v}\r\n" for k, v in fields).encode("latin-1") + b"\r\n" + data

"""The handshake of a WebSocket (RFC 6455 1.3) as raw bytes."""

from fakes.client import KEY, request
from fakes.upstream import head

REALTIME = "/v1/realtime?model=gpt-realtime"
UPGRADE = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
           ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")]
ACCEPTED = head(101, [("Upgrade", "websocket"), ("Connection", "Upgrade"),
                      ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")], "Switching Protocols")


def handshake(*fields, key=KEY, path=REALTIME, **kwargs) -> bytes:
    return request(path, method="GET", headers=[*UPGRADE, *fields], key=key, **kwargs)

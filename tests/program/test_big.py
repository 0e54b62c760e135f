"""Much at once, in bytes and in requests: what is held stays bounded, and nothing is lost of what passes."""

import hashlib
import os
import pathlib
import socket
import threading
import zlib

import pytest

from fakes.client import chat, request
from fakes.router import INSTRUMENTED, eventually
from fakes.upstream import END, Gate, head, reply

MIB = 1 << 20
LESS = 8 if INSTRUMENTED else 1  # an instrumented program takes that much longer
TRANSCRIPT = reply(body={"text": "hello"})
MULTIPART = ("Content-Type", "multipart/form-data; boundary=b")


def field(name: str, data: bytes, more=b"") -> bytes:
    return b"--b\r\nContent-Disposition: form-data; name=\"%s\"%s\r\n\r\n%s\r\n" % (name.encode(), more, data)


def multipart(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--b--\r\n"


def file_part(size: int) -> bytes:
    return field("file", os.urandom(size), b"; filename=\"a.wav\"\r\nContent-Type: audio/wav")


MODEL = field("model", b"whisper-1")


def memory(router, name: str) -> int:
    """In bytes, proc(5): VmRSS is held now, VmHWM was held at most."""
    for line in pathlib.Path(f"/proc/{router.process.pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) << 10
    raise LookupError(name)


class Taker:
    """Takes requests of any size, keeping their bodies' hashes only, and answers them by `script`. `up_to` bytes are read."""

    def __init__(self, script=reply(), up_to=None):
        self.script = script
        self.up_to = up_to
        self.hashes: list[str] = []

    def __call__(self, connection):
        buffer = bytearray(MIB)
        while True:
            lines = connection.read_until(b"\r\n\r\n").lower().split(b"\r\n")
            left = next(int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:"))
            if self.up_to:
                left = self.up_to
            digest = hashlib.sha256(connection.rest)
            left -= len(connection.rest)
            connection.rest = b""
            while left:
                count = connection.peer.recv_into(buffer, min(left, MIB))
                if count == 0:
                    return
                digest.update(memoryview(buffer)[:count])
                left -= count
            self.hashes.append(digest.hexdigest())
            self.script(connection, Taken)


class Taken:
    method = "POST"


# --- uploads

@pytest.mark.parametrize("first", [
    Taker(reply(500)),
    Taker(lambda connection, _: connection.reset(), up_to=30 * MIB // LESS),
    Taker(lambda connection, _: reply(413)(connection, Taken) or connection.close(), up_to=MIB),
], ids=["500 when it has all", "reset in the middle", "413 at once"])
def test_a_big_upload_fails_over_whole(route, make_upstream, first):
    body = multipart(file_part(60 * MIB // LESS), MODEL)
    second = Taker(TRANSCRIPT)
    router = route(make_upstream(on_accept=first), make_upstream(on_accept=second))
    answer = router.ask("/v1/audio/transcriptions", body=body, headers=[MULTIPART])
    assert (answer.status, answer.header("x-route-upstream"), answer.header("x-route-attempts")) == (200, "second", "2")
    assert second.hashes == [hashlib.sha256(body).hexdigest()]
    assert router.record(answer)["body_bytes"] == len(body)


def test_uploads_over_max_buffered_wait_for_others(route, make_upstream, record_property):
    """Each asks with Expect whether it may send, as curl does: so it is known which are let in."""
    size, count = 4 * MIB // LESS, 50
    gate = Gate()
    taker = Taker(lambda connection, seen: gate.wait() or reply()(connection, seen))
    router = route(make_upstream(on_accept=taker), server={"max_buffered": f"{16 * size >> 10}KiB"}, upstream={"idle_connections": 0})
    body = b"x" * size
    asking = request(body=body, headers=[("Expect", "100-continue")])[:-size]
    before = memory(router, "VmRSS")
    let_in, refused = [], []
    for _ in range(count):
        client = router.client()
        client.send(asking)
        answer = client.read_head()
        if answer.status == 100:
            client.send(body)
            let_in.append(client)
            # What has come counts, not what is announced.
            assert eventually(lambda: len(taker.hashes) == len(let_in))
            continue
        answer.body = client.read_exactly(int(answer.header("content-length")))
        refused.append((answer.status, answer.error_code, answer.header("retry-after")))
        client.close()
    gate.open()
    assert [client.read_response().status for client in let_in] == [200] * len(let_in)
    assert set(refused) == {(503, "overloaded", "1")}
    assert 15 <= len(let_in) <= 16  # records that wait to be written count as well
    for client in let_in:
        client.close()
    assert taker.hashes == [hashlib.sha256(body).hexdigest()] * len(let_in)
    grown = memory(router, "VmHWM") - before
    record_property("memory_of_uploads_MiB", grown / MIB)
    print(f"memory under {count} uploads of {size / MIB} MiB, {len(let_in)} let in: +{grown / MIB:.1f} MiB at most")
    assert INSTRUMENTED or grown < 16 * size + 24 * MIB
    assert router.ask(body=body).status == 200


@pytest.mark.parametrize("parts", [
    (MODEL, field("language", b"en"), file_part(MIB)),
    (file_part(MIB), MODEL, field("language", b"en")),
    (file_part(MIB), field("language", b"en"), MODEL),
    (MODEL,),
], ids=["first", "in between", "last", "alone"])
def test_the_model_of_a_form_is_found_wherever_it_stands(route, make_upstream, parts):
    body = multipart(*parts)
    taker = Taker(TRANSCRIPT)
    router = route({"endpoint": make_upstream().url, "allow": ["gpt-*"]}, {"endpoint": make_upstream(on_accept=taker).url, "allow": ["whisper-*"]})
    answer = router.ask("/v1/audio/transcriptions", body=body, headers=[MULTIPART])
    assert (answer.status, answer.header("x-route-upstream"), answer.header("x-route-attempts")) == (200, "second", "1")
    assert taker.hashes == [hashlib.sha256(body).hexdigest()]


# --- replies

def by_length(size: int) -> tuple[bytes, bytes, bytes]:
    """What stands before all data, before and behind each MiB of it."""
    return head(200, [("Content-Type", "application/octet-stream"), ("Content-Length", size)]), b"", b""


def by_chunks(_: int) -> tuple[bytes, bytes, bytes]:
    return head(200, [("Content-Type", "application/octet-stream"), ("Transfer-Encoding", "chunked")]), b"%x\r\n" % MIB, b"\r\n"


@pytest.mark.parametrize("framing, size", [(by_length, 1024 * MIB // LESS // LESS), (by_chunks, 256 * MIB // LESS)])
def test_a_big_reply_takes_no_memory(route, make_upstream, record_property, framing, size):
    piece = os.urandom(MIB)
    begin, before_piece, behind_piece = framing(size)

    def script(connection, _):
        connection.send(begin)
        for _ in range(size // MIB):
            connection.peer.sendall(before_piece + piece + behind_piece)
        if framing is by_chunks:
            connection.send(END)

    router = route(make_upstream(script))
    router.get("/healthz")
    rest = memory(router, "VmRSS")
    with router.client() as client:
        client.send(request())
        answer = client.read_head()
        received, checksum = read_body(client, answer, size)
    grown = memory(router, "VmHWM") - rest
    record_property("memory_of_reply_MiB", grown / MIB)
    print(f"memory of a reply of {size / MIB:.0f} MiB: +{grown / MIB:.1f} MiB at most")
    assert (received, checksum) == (size, crc_of(piece, size // MIB))
    assert INSTRUMENTED or grown < 8 * MIB
    record = router.sql("SELECT * FROM records WHERE request_id = ?", answer.header("x-request-id"))[0]
    assert (record["outcome"], record["response_bytes"]) == ("ok", size)


def crc_of(piece: bytes, count: int) -> int:
    checksum = 0
    for _ in range(count):
        checksum = zlib.crc32(piece, checksum)
    return checksum


def read_body(client, answer, size: int) -> tuple[int, int]:
    """How many bytes came and their checksum, without keeping them."""
    received = checksum = 0
    if answer.header("content-length"):
        checksum, received = zlib.crc32(client.rest), len(client.rest)
        buffer = bytearray(MIB)
        while received < size and (count := client.socket.recv_into(buffer)):
            checksum = zlib.crc32(memoryview(buffer)[:count], checksum)
            received += count
    else:
        while data := client.read_chunk():
            checksum = zlib.crc32(data, checksum)
            received += len(data)
    return received, checksum


def test_a_client_that_does_not_read_holds_up_its_own_upstream_only(route, make_upstream):
    size = 128 * MIB
    piece = memoryview(os.urandom(MIB))
    stuck = threading.Event()
    sent = 0

    def script(connection, _):
        nonlocal sent
        connection.send(by_length(size)[0])
        connection.peer.settimeout(0.5)
        while sent < size:
            try:
                sent += connection.peer.send(piece[sent % MIB:])
            except socket.timeout:
                stuck.set()

    router = route({"endpoint": make_upstream(script).url, "allow": ["big"]}, {"endpoint": make_upstream().url, "allow": ["gpt-*"]})
    with router.client() as client:
        client.send(request(body=chat(model="big")))
        answer = client.read_head()
        with router.client() as other:
            while not stuck.is_set():
                assert other.ask().status == 200
            assert [other.ask().status for _ in range(20)] == [200] * 20
        assert sent < 32 * MIB  # what the sockets in between hold
        assert read_body(client, answer, size) == (size, crc_of(piece, size // MIB))

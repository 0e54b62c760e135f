"""Where messages go: a bot of Feishu, a homeserver of Matrix, webhooks. Each takes messages as the real one does, and answers
what a test scripts instead."""

import base64
import hashlib
import hmac
import json
import time
from urllib.parse import unquote

from fakes.upstream import FakeUpstream, reply, reset


class FakeChannel(FakeUpstream):
    """`messages` are those it took, in their order; `texts` what they say. Scripts made for upstreams (`reply`, `silence`,
    `reset`…) may answer instead."""

    path = "/"

    def __init__(self, **kwargs):
        self.messages: list[dict] = []
        super().__init__(self.take, **kwargs)

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}{self.path}"

    @property
    def settings(self) -> dict:
        """Of the table `notify`."""
        raise NotImplementedError

    @property
    def texts(self) -> list[str]:
        return [self.text_of(message) for message in self.messages]

    def answer_first(self, *scripts):
        """These answer the next requests, one each; then it takes messages again."""
        self.answer(*scripts, self.take)

    def take(self, connection, request):
        reply(*self.judge(request))(connection, request)

    def take_and_reset(self, connection, request):
        """The message has arrived, what is said of it does not."""
        self.judge(request)
        reset(connection, request)

    def wait_for_texts(self, count=1, seconds=20) -> list[str]:
        self.wait_for(lambda: len(self.messages) >= count, seconds)
        return self.texts

    def wait_until_it_has(self, words: str, seconds=20):
        self.wait_for(lambda: any(words in text for text in self.texts), seconds)

    def keep(self, message: dict):
        with self.changed:
            self.messages.append(message)
            self.changed.notify_all()

    def text_of(self, message: dict) -> str:
        return message["body"]

    def judge(self, request) -> tuple[int, dict]:
        """Status and body of the answer; keeps the message if it is one."""
        raise NotImplementedError


class FakeFeishu(FakeChannel):
    """A custom bot (https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot); with a `secret` it verifies signatures."""

    path = "/open-apis/bot/v2/hook/7a1c3d5e-f00d-4bad-8bad-0123456789ab"

    ACCEPTED = {"StatusCode": 0, "StatusMessage": "success", "code": 0, "data": {}, "msg": "success"}
    SIGN_MATCH_FAIL = {"code": 19021, "msg": "sign match fail or timestamp is not within one hour from current time"}
    TOO_MANY = {"code": 11232, "msg": "frequency limited psm[lark.oapi.app_platform_runtime]appID[1500]"}

    def __init__(self, secret: str | None = None, **kwargs):
        self.secret = secret
        super().__init__(**kwargs)

    @property
    def settings(self) -> dict:
        return {"feishu_webhook": self.url, **({"feishu_secret": self.secret} if self.secret else {})}

    def text_of(self, message: dict) -> str:
        return message["content"]["text"]

    def judge(self, request) -> tuple[int, dict]:
        if (request.method, request.target) != ("POST", self.path):
            return 400, {"code": 19001, "msg": "param invalid: incoming webhook access token invalid"}
        message = request.json()
        if self.secret and not self._signed(message):
            return 200, self.SIGN_MATCH_FAIL
        if message.get("msg_type") != "text" or not message["content"]["text"]:
            return 400, {"code": 9499, "msg": "Bad Request", "data": {}}
        self.keep(message)
        return 200, self.ACCEPTED

    def _signed(self, message: dict) -> bool:
        moment = message.get("timestamp", "")
        if not moment.isdigit() or abs(time.time() - int(moment)) > 3600:
            return False
        made = hmac.new(f"{moment}\n{self.secret}".encode(), b"", hashlib.sha256).digest()
        return message.get("sign") == base64.b64encode(made).decode()


class FakeMatrix(FakeChannel):
    """A homeserver (https://spec.matrix.org/v1.9/client-server-api/) with one room. `messages` are the room's events: a
    transaction that is repeated makes no second one."""

    path = ""

    def __init__(self, room="!ops:example.org", alias="#ops:example.org", token="syt_b3Bz_tokentokentoken", encrypted=False, **kwargs):
        self.room, self.alias, self.token, self.encrypted = room, alias, token, encrypted
        self.transactions: dict[str, str] = {}
        super().__init__(**kwargs)

    @property
    def settings(self) -> dict:
        return {"matrix_homeserver": self.url, "matrix_room": self.room, "matrix_token": self.token}

    def judge(self, request) -> tuple[int, dict]:
        prefix = "/_matrix/client/v3/"
        if not request.target.startswith(prefix):
            return 404, self._error("M_UNRECOGNIZED", "Unrecognized request")
        if not (request.header("authorization") or "").startswith("Bearer "):
            return 401, self._error("M_MISSING_TOKEN", "Missing access token")
        if request.header("authorization") != f"Bearer {self.token}":
            return 401, self._error("M_UNKNOWN_TOKEN", "Invalid access token passed.", soft_logout=False)
        match request.method, *(unquote(part) for part in request.target.removeprefix(prefix).split("/")):
            case "GET", "directory", "room", self.alias:
                return 200, {"room_id": self.room, "servers": ["example.org"]}
            case "GET", "directory", "room", alias:
                return 404, self._error("M_NOT_FOUND", f"Room alias {alias} not found")
            case _, "rooms", room, *_ if room != self.room:
                return 403, self._error("M_FORBIDDEN", f"User not in room {room}")
            case "GET", "rooms", _, "state", "m.room.encryption":
                if self.encrypted:
                    return 200, {"algorithm": "m.megolm.v1.aes-sha2"}
                return 404, self._error("M_NOT_FOUND", "Event not found.")
            case "PUT", "rooms", _, "send", "m.room.message", transaction:
                return self._send(transaction, request.json())
        return 404, self._error("M_UNRECOGNIZED", "Unrecognized request")

    def _send(self, transaction: str, content: dict) -> tuple[int, dict]:
        if content.get("msgtype") != "m.text" or not content.get("body"):
            return 400, self._error("M_BAD_JSON", "no text")
        if transaction not in self.transactions:
            self.transactions[transaction] = f"$event-{len(self.transactions)}"
            self.keep(content)
        return 200, {"event_id": self.transactions[transaction]}

    @staticmethod
    def _error(code: str, error: str, **more) -> dict:
        return {"errcode": code, "error": error, **more}

    @classmethod
    def limit_exceeded(cls, wait_ms: int):
        return reply(429, cls._error("M_LIMIT_EXCEEDED", "Too Many Requests", retry_after_ms=wait_ms))


class FakeMatrixApi(FakeChannel):
    """What MATRIX_API of v0.3.0 names: takes a POST of {"message": "m.text", "body": …}."""

    path = "/send?room=ops"

    @property
    def settings(self) -> dict:
        return {}

    @property
    def environment(self) -> dict:
        return {"MATRIX_API": self.url}

    def judge(self, request) -> tuple[int, dict]:
        message = request.json()
        if request.method != "POST" or request.target != self.path or message.get("message") != "m.text":
            return 400, {"error": "no message"}
        self.keep(message)
        return 200, {}


class FakeWebhook(FakeChannel):
    """Takes any JSON that is posted to its path."""

    path = "/hooks/c2VjcmV0LXBhdGg?token=c2VjcmV0LXF1ZXJ5"

    @property
    def settings(self) -> dict:
        return {"webhook": self.url}

    def text_of(self, message: dict) -> str:
        return message["text"]

    def judge(self, request) -> tuple[int, dict]:
        if (request.method, request.target) != ("POST", self.path) or request.header("content-type") != "application/json":
            return 404, {"error": f"Cannot {request.method} {request.target}"}
        try:
            self.keep(request.json())
        except json.JSONDecodeError:
            return 400, {"error": "no JSON"}
        return 200, {}

    @property
    def told(self) -> int:
        """Failed requests that all its messages together tell of."""
        return sum(message["count"] for message in self.messages)

    def wait_until_told(self, count: int, seconds=20):
        self.wait_for(lambda: self.told >= count, seconds)
        assert self.told == count

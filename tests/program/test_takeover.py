"""The database of version 0.3.0 becomes this one's; and first starts, several at once."""

import json
import os
import sqlite3
import stat

import pytest

from fakes.client import chat
from fakes.router import eventually, key_hash, toml_file


OLD_SCHEMA = """
CREATE TABLE `openai_upstreams` (`id` integer,`created_at` datetime,`updated_at` datetime,`deleted_at` datetime,`sk` text,`endpoint` text,`timeout` integer,PRIMARY KEY (`id`));
CREATE INDEX `idx_openai_upstreams_deleted_at` ON `openai_upstreams`(`deleted_at`);
CREATE TABLE `records` (`id` integer,`created_at` datetime,`ip` text,`body` text,`model` text,`response` text,`elapsed_time` integer,`status` integer,`upstream_id` integer,`authorization` text,PRIMARY KEY (`id`));
CREATE TABLE `config_kvs` (`key` text,`value` text,PRIMARY KEY (`key`));
"""
OLD_KEY = "the-old-client-key-of-everybody"
OLD_SK = "sk-old-upstream-key-0123456789"
RECORDED_SK = "Bearer sk-recorded-in-each-row-0123456789"


@pytest.fixture
def old_database(router, upstream):
    connection = sqlite3.connect(router.database)
    connection.executescript(OLD_SCHEMA)
    when = "2023-11-08 12:00:00.123456789+08:00"
    connection.execute("INSERT INTO openai_upstreams VALUES (1, ?, ?, NULL, ?, ?, 7)", (when, when, OLD_SK, f"http://127.0.0.1:{upstream.port}/ignored/path"))
    connection.execute("INSERT INTO openai_upstreams VALUES (2, ?, ?, ?, 'sk-deleted', 'http://127.0.0.1:9', 0)", (when, when, when))
    body = json.dumps(chat("old question"))
    for number in range(1, 501):
        connection.execute("INSERT INTO records VALUES (?, ?, '1.2.3.4', ?, 'gpt-4', 'old answer', 1500000000, 200, 1, ?)",
                           (number, when, json.dumps(body), RECORDED_SK))
    connection.execute("INSERT INTO config_kvs VALUES ('authorization', ?)", (OLD_KEY,))
    connection.commit()
    connection.close()
    router.configure(auth={"keys": []})
    return router.database.read_bytes()


def test_the_database_of_version_0_3_0_is_taken_over(router, upstream, old_database):
    router.start()
    answer = router.ask(key=OLD_KEY)
    assert answer.status == 200
    assert upstream.requests[0].target == "/v1/chat/completions"
    assert upstream.requests[0].header("authorization") == f"Bearer {OLD_SK}"

    rows = router.records()
    assert len(rows) == 501
    old = rows[0]
    assert (old["id"], old["created_at"], old["ip"], old["model"], old["response"]) == (1, "2023-11-08T04:00:00.123Z", "1.2.3.4", "gpt-4", "old answer")
    assert (old["elapsed_time"], old["status"], old["upstream_id"]) == (1_500_000_000, 200, 1)
    assert json.loads(old["body"]) == chat("old question")
    assert len({row["request_id"] for row in rows}) == 501
    assert router.sql("SELECT key_hash FROM client_keys WHERE deleted_at IS NULL")[0]["key_hash"] == key_hash(OLD_KEY)
    upstreams = router.sql("SELECT * FROM openai_upstreams ORDER BY id")
    assert [(row["id"], row["deleted_at"] is None) for row in upstreams] == [(1, True), (2, False)]
    assert upstreams[0]["endpoint"] == f"http://127.0.0.1:{upstream.port}/v1"
    assert upstreams[0]["timeout"] == 7

    copy = router.directory / "db.sqlite.v0.3.0"
    assert stat.S_IMODE(os.stat(copy).st_mode) == 0o600
    kept = sqlite3.connect(copy)
    assert kept.execute("SELECT count(*) FROM records WHERE authorization = ?", (RECORDED_SK,)).fetchone()[0] == 500

    assert router.stop() == 0
    for file in router.directory.glob("db.sqlite*"):
        if file != copy:
            data = file.read_bytes()
            assert OLD_KEY.encode() not in data and RECORDED_SK.encode() not in data, file.name


def test_it_is_taken_over_once(router, upstream, old_database, make_router):
    assert router.start().stop() == 0
    again = make_router().start()
    assert again.ask(key=OLD_KEY).status == 200
    assert len(again.records()) == 501
    assert len(again.sql("SELECT * FROM client_keys")) == 1


def test_the_public_default_key_of_v0_3_0_is_warned_of_at_each_start(router, upstream, old_database, make_router):
    connection = sqlite3.connect(router.database)
    connection.execute("UPDATE config_kvs SET value = 'woshimima'")
    connection.commit()
    connection.close()
    for each in (router, make_router()):
        each.start()
        each.wait_for_line("(?i)warn.*public default")
        assert each.ask(key="woshimima").status == 200
        assert each.stop() == 0


def test_routers_that_start_together_migrate_once(router, upstream, old_database, make_router):
    routers = [router, make_router(), make_router(), make_router()]
    for each in routers:
        each.start(ready=False)
    for each in routers:
        port = int(each.wait_for_line(r"listening on 127\.0\.0\.1:(\d+)")[1])
        each.address = ("127.0.0.1", port)
        assert each.ask(key=OLD_KEY).status == 200
    eventually(lambda: len(router.records()) == 504)
    assert len(router.sql("SELECT * FROM client_keys")) == 1


def test_routers_that_start_together_make_one_key(router, upstream, make_router):
    (router.directory / "openai-api-route.toml").write_text(toml_file({"server": {"listen": "127.0.0.1:0"}}))
    routers = [router, make_router(), make_router()]
    for each in routers:
        each.start(ready=False)
    for each in routers:
        each.wait_for_line("listening on")
    assert len(router.sql("SELECT * FROM client_keys")) == 1

#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <string>

namespace route::test {

/// A file as v0.3.0 wrote it: three upstreams (one deleted, two the same but for the path), three records and
/// the client key.
inline void make_legacy_database(const std::string& path, const std::string& client_key = "team-secret-key",
                                 const std::string& more = "")
{
    SQLite::Database database{path, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE};
    database.exec(R"(
CREATE TABLE `openai_upstreams` (`id` integer,`created_at` datetime,`updated_at` datetime,`deleted_at` datetime,`sk` text,
    `endpoint` text,`timeout` integer,PRIMARY KEY (`id`));
CREATE UNIQUE INDEX `idx_sk_endpoint` ON `openai_upstreams`(`sk`,`endpoint`);
CREATE INDEX `idx_openai_upstreams_deleted_at` ON `openai_upstreams`(`deleted_at`);
CREATE TABLE `config_kvs` (`id` integer,`created_at` datetime,`updated_at` datetime,`deleted_at` datetime,`key` text UNIQUE,
    `value` text,PRIMARY KEY (`id`));
CREATE TABLE `records` (`id` integer,`created_at` datetime,`ip` text,`body` text,`model` text,`response` text,
    `elapsed_time` integer,`status` integer,`upstream_id` integer,`authorization` text,PRIMARY KEY (`id`));
INSERT INTO openai_upstreams VALUES
    (1,'2023-11-08 12:00:00.123456789+08:00','2023-11-08 12:00:01+08:00',NULL,'sk-first','https://api.openai.com/some/path',30),
    (2,'2023-11-08 12:00:02+08:00','2023-11-08 12:00:02+08:00','2023-11-09 00:00:00Z','sk-deleted','https://gone.example.com',0),
    (3,'2023-11-08 12:00:03+08:00','2023-11-08 12:00:03+08:00',NULL,'sk-third','http://[::1]:8080',0),
    (4,'2023-11-08 12:00:03+08:00','2023-11-08 12:00:03+08:00',NULL,'sk-first','https://api.openai.com',0);
INSERT INTO records VALUES
    (1,'2023-11-08 12:00:00.123456789+08:00','192.0.2.1','"{\"model\":\"gpt-4\",\"x\":\"\u003c\\n\"}"','gpt-4','hello',1500000000,200,1,
     'sk-upstream-secret-1'),
    (2,'2023-11-08 12:00:00.123956789+08:00','192.0.2.2','not a JSON string','','upstream return 500',2500000000,500,3,
     'sk-upstream-secret-2'),
    (5,'2023-11-08T04:00:01Z','192.0.2.3',NULL,NULL,NULL,NULL,NULL,0,'sk-upstream-secret-3');
INSERT INTO config_kvs VALUES (2,'2023-11-08 12:00:00+08:00','2023-11-08 12:00:00+08:00',NULL,'policy','main');
)");
    SQLite::Statement key{
        database,
        "INSERT INTO config_kvs VALUES (1, '2023-11-08 12:00:00Z', NULL, NULL, 'authorization', ?)"};
    key.bind(1, client_key);
    key.exec();
    if (!more.empty())
        database.exec(more);
}

}  // namespace route::test

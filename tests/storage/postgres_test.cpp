#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

#include "storage/postgres/change_feed.hpp"
#include "storage/postgres/migrations.hpp"
#include "storage/postgres/partitions.hpp"
#include "storage/request_ids.hpp"
#include "tests/storage/databases.hpp"
#include "tests/storage/kind_thrown.hpp"
#include "tests/storage/samples.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace route::storage;
using namespace route::test;

namespace {

using Kind = StorageError::Kind;

SystemTime today()
{
    return std::chrono::floor<std::chrono::days>(std::chrono::system_clock::now());
}

std::vector<postgres::Partition> partitions_of(const PostgresDatabase& database)
{
    PostgresConnection connection{database.url()};
    return connection.transact({}, [](pqxx::work& work) { return postgres::partitions(work); });
}

std::string value(const PostgresDatabase& database, const std::string& sql)
{
    return database.execute(sql)[0][0].as<std::string>();
}

void insert(PostgresRepository& repository, const Record& record)
{
    repository.insert(std::span{&record, 1});
}

}  // namespace

TEST_CASE("ten routers that start together make one schema")
{
    const PostgresDatabase database;
    std::vector<std::thread> routers;
    std::atomic<int> first_keys{0};
    std::mutex mutex;
    std::string failures;
    for (unsigned char i = 0; i < 10; ++i)
        routers.emplace_back([&, i] {
            try {
                KeyHash hash{};
                hash[0] = i;
                first_keys += database.open().add_first_client_key("first", hash) ? 1 : 0;
            } catch (const std::exception& error) {
                const std::lock_guard lock{mutex};
                failures += error.what() + std::string{"\n"};
            }
        });
    for (auto& router : routers)
        router.join();
    CHECK(failures == "");
    CHECK(first_keys == 1);
    CHECK(value(database, "SELECT string_agg(name, ' ' ORDER BY name) FROM openai_api_route_state") ==
          "schema_id schema_version");
}

TEST_CASE("a schema of a newer version and tables of others are refused")
{
    const PostgresDatabase database;
    SECTION("newer")
    {
        database.open();
        database.execute("UPDATE openai_api_route_state SET value = '99' WHERE name = 'schema_version'");
        CHECK_THROWS_WITH(database.open(), ContainsSubstring("version 99") && ContainsSubstring("newer"));
    }
    SECTION("others'")
    {
        database.execute("CREATE TABLE records (id bigint)");
        CHECK_THROWS_WITH(database.open(), ContainsSubstring("a table records that is not this program's"));
    }
    CHECK(kind_thrown([&] { database.open(); }) == Kind::broken);
}

TEST_CASE("what PostgreSQL says of a URL names no password")
{
    const auto* url = GENERATE("postgresql://u:secret@127.0.0.1:1/d", "postgresql://u:sec%zzret@h/d",
                               "postgresql://u:secret@h/d?secret=1", "postgresql://u:secret@[h/d");
    try {
        const PostgresConnection connection{url};
        FAIL("connected");
    } catch (const StorageError& error) {
        INFO(error.what());
        CHECK(std::string_view{error.what()}.find("sec") == std::string_view::npos);
        CHECK(std::string_view{error.what()}.find('\n') == std::string_view::npos);
    }
}

TEST_CASE("a URL is passed on whole, and completed")
{
    const auto text = connection_parameters(
        "postgresql://u@a:1,b:2/d?target_session_attrs=read-write&connect_timeout=2&application_name=x%27y");
    CHECK_THAT(connection_parameters("postgresql://h/d"), ContainsSubstring("connect_timeout='3'"));
    for (const char* part :
         {"host='a,b'", "port='1,2'", "target_session_attrs='read-write'", "connect_timeout='2'",
          "application_name='x\\'y'", "client_encoding='UTF8'", "dbname='d'"})
        CHECK_THAT(text, ContainsSubstring(part));
}

TEST_CASE("the server ends a transaction that takes too long, and the client one the server is silent about")
{
    const PostgresDatabase database;
    PostgresConnection connection{database.url()};
    CHECK(kind_thrown([&] {
              connection.transact(std::chrono::milliseconds{50},
                                  [](pqxx::work& work) { work.exec("SELECT pg_sleep(60)"); });
          }) == Kind::unavailable);
    CHECK_THROWS_WITH(connection.transact(std::chrono::milliseconds{50},
                                          [](pqxx::work& work) {
                                              work.exec("SET LOCAL statement_timeout = 0");
                                              work.exec("SELECT pg_sleep(60)");
                                          }),
                      ContainsSubstring("did not answer within 50 ms"));
}

TEST_CASE("a record has the time that it is given, and what is abandoned ends at once")
{
    const PostgresDatabase database;
    PostgresOptions options;
    options.url = database.url();
    options.operation_timeout = std::chrono::milliseconds{100};
    database.open();
    database.execute(
        "CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(NEW.status); "
        "RETURN NEW; END $$; CREATE TRIGGER linger BEFORE INSERT ON records FOR EACH ROW EXECUTE FUNCTION "
        "linger()");
    auto record = sample_record(1);
    record.status = 1;
    CHECK(kind_thrown([&] { PostgresRepository{options}.insert(std::span{&record, 1}); }) ==
          Kind::unavailable);
    PostgresRepository{options}.insert(std::span{&record, 1}, std::chrono::milliseconds{60'000});
    CHECK(database.open().find_record(record.request_id));

    PostgresRepository repository{options};
    record = sample_record(2);
    record.status = 600;
    const std::string sleeping =
        " FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        " AND application_name = current_setting('application_name')";
    std::thread abandoning{[&] {
        while (value(database, "SELECT count(*)" + sleeping) == "0")
            std::this_thread::sleep_for(std::chrono::milliseconds{10});
        repository.abandon();
    }};
    CHECK(kind_thrown([&] { repository.insert(std::span{&record, 1}, std::chrono::hours{1}); }) ==
          Kind::unavailable);
    abandoning.join();
    database.execute("SELECT pg_terminate_backend(pid)" + sleeping);
}

TEST_CASE("records go to the partition of their day, and to the default one when there is none")
{
    const PostgresDatabase database;
    auto repository = database.open();
    const auto made = partitions_of(database);
    REQUIRE(made.size() >= 2);
    CHECK(made.front().from == today());
    insert(repository, sample_record(1, std::chrono::system_clock::now()));
    insert(repository, sample_record(2, today() - std::chrono::days{100}));
    CHECK(value(database, "SELECT count(*) FROM records_" + made.front().suffix) == "1");
    CHECK(value(database, "SELECT count(*) FROM attempts_" + made.front().suffix) == "2");
    CHECK(value(database, "SELECT count(*) FROM records_default") == "1");
}

TEST_CASE("partitions are made ahead, without gaps, as long as the retention asks")
{
    const PostgresDatabase database;
    auto repository = database.open();
    const auto now = std::chrono::system_clock::now();
    SECTION("days")
    {
        repository.make_room(now + std::chrono::days{1}, Seconds{30 * 86'400.0});
        const auto made = partitions_of(database).size();
        repository.make_room(now + std::chrono::days{1}, Seconds{30 * 86'400.0});
        CHECK(partitions_of(database).size() == made);
    }
    SECTION("four weeks")
    {
        repository.make_room(now + std::chrono::days{1}, {});
        const auto last = partitions_of(database).back();
        CHECK(last.to - last.from == std::chrono::days{28});
    }
    const auto made = partitions_of(database);
    CHECK(made.back().to > now + std::chrono::days{2});
    for (std::size_t i = 1; i < made.size(); ++i)
        CHECK(made[i].from == made[i - 1].to);
}

TEST_CASE("a partition of a clock that was wrong keeps nobody from making those that are missing")
{
    const PostgresDatabase database;
    auto repository = database.open();
    const auto later = today() + std::chrono::days{300};
    database.execute("CREATE TABLE records_far PARTITION OF records FOR VALUES FROM ('" +
                     least_request_id(later) + "') TO ('" + least_request_id(later + std::chrono::days{1}) +
                     "')");
    const auto made = partitions_of(database).size();
    repository.make_room(std::chrono::system_clock::now() + std::chrono::days{2}, Seconds{1.0});
    CHECK(partitions_of(database).size() > made);
}

TEST_CASE("a table of the name that a partition would have is left alone")
{
    const PostgresDatabase database;
    auto repository = database.open();
    const auto last = partitions_of(database).back();
    database.execute("ALTER TABLE records DETACH PARTITION records_" + last.suffix +
                     "; ALTER TABLE attempts DETACH"
                     " PARTITION attempts_" +
                     last.suffix);
    repository.make_room(std::chrono::system_clock::now() + std::chrono::days{1}, Seconds{1.0});
    const auto made = partitions_of(database);
    CHECK(std::any_of(made.begin(), made.end(), [&](const auto& partition) {
        return partition.from == last.from && partition.suffix == last.suffix + "_2";
    }));
}

TEST_CASE("partitions are not waited for while somebody has the tables, and records go on meanwhile")
{
    const PostgresDatabase database;
    auto repository = database.open();
    PostgresConnection reader{database.url()};
    pqxx::work reading{reader.get()};
    reading.exec("SELECT count(*) FROM records, attempts");
    auto records = database.open();
    CHECK(kind_thrown([&] {
              repository.make_room(std::chrono::system_clock::now() + std::chrono::days{9}, Seconds{1.0});
          }) == Kind::unavailable);
    insert(records, sample_record(1, std::chrono::system_clock::now()));
    CHECK(repository.find_record("1"));  // the connection is as good as before
}

TEST_CASE("a database without the tables is not taken for one that lost them")
{
    const PostgresDatabase database;
    PostgresOptions options;
    options.url = database.url();
    options.make = false;
    CHECK(kind_thrown([&] { PostgresRepository{options}; }) == Kind::unavailable);
    database.open();
    CHECK(PostgresRepository{options}.client_keys().empty());
}

TEST_CASE("a database that was made anew is not taken for the one before")
{
    const PostgresDatabase database;
    PostgresOptions options;
    options.url = database.url();
    options.identity = std::make_shared<SchemaIdentity>();
    database.open();
    PostgresRepository{options};
    PostgresRepository{options};
    database.execute(
        "DROP TABLE records, attempts, made_by, openai_upstreams, client_keys, openai_api_route_state;"
        "DROP FUNCTION openai_api_route_notify");
    CHECK(kind_thrown([&] { PostgresRepository{options}; }) == Kind::unavailable);
    database.open();
    CHECK_THROWS_WITH(PostgresRepository{options}, ContainsSubstring("another database"));
}

TEST_CASE("a table that was dropped is named, with what to do")
{
    const PostgresDatabase database;
    database.open();
    const std::string table = GENERATE("attempts", "made_by");
    database.execute("DROP TABLE " + table);
    CHECK_THROWS_WITH(database.open(), ContainsSubstring("the table " + table + " is missing"));
}

TEST_CASE("a partition without its twin hinders nothing, and gets it back")
{
    const PostgresDatabase database;
    auto repository = database.open();
    const auto last = partitions_of(database).back();
    database.execute("DROP TABLE records_" + last.suffix);
    repository.make_room(std::chrono::system_clock::now(), Seconds{1.0});
    CHECK(partitions_of(database).back().to >= last.to);
    database.execute("DROP TABLE attempts_" + partitions_of(database).front().suffix);
    while (!repository.prune_step(last.to + std::chrono::days{9}, {}).done) {
    }
    insert(repository, sample_record(1, std::chrono::system_clock::now()));
    CHECK(repository.find_record("1")->record.attempts.size() == 2);
}

TEST_CASE("records for which there is no partition at all are not refused one by one")
{
    const PostgresDatabase database;
    auto repository = database.open();
    database.execute("DROP TABLE records_default");
    CHECK(kind_thrown([&] { insert(repository, sample_record(1)); }) == Kind::unavailable);
}

TEST_CASE("records of a year nobody remembers make no partitions of it")
{
    const PostgresDatabase database;
    auto repository = database.open();
    repository.make_room_for(SystemTime{});
    CHECK(partitions_of(database).size() < 80);
    insert(repository, sample_record(1, SystemTime{} + std::chrono::hours{1}));
    CHECK(value(database, "SELECT count(*) FROM records_default") == "1");
}

TEST_CASE("what strayed into the default partition moves to the one that is made for it")
{
    const PostgresDatabase database;
    auto repository = database.open();
    const auto later = today() + std::chrono::days{3};
    insert(repository, sample_record(1, later));
    CHECK(value(database, "SELECT count(*) FROM records_default") == "1");
    repository.make_room(later, Seconds{1.0});
    CHECK(value(database, "SELECT count(*) FROM records_default") == "0");
    CHECK(repository.find_record(request_id(1, later))->record.attempts.size() == 2);
}

TEST_CASE("the past gets partitions when its records are to be brought in")
{
    const PostgresDatabase database;
    auto repository = database.open();
    const auto oldest = today() - std::chrono::days{20};
    repository.make_room_for(oldest + std::chrono::hours{3});
    repository.make_room_for(oldest + std::chrono::hours{3});
    const auto made = partitions_of(database);
    CHECK(made.front().from == oldest);
    for (std::size_t i = 1; i < made.size(); ++i)
        CHECK(made[i].from == made[i - 1].to);
    insert(repository, sample_record(1, oldest + std::chrono::hours{3}));
    CHECK(value(database, "SELECT count(*) FROM records_default") == "0");
}

TEST_CASE("retention drops partitions, and waits for one that will be droppable soon")
{
    const PostgresDatabase database;
    auto repository = database.open();
    const auto day = today() - std::chrono::days{20};
    repository.make_room_for(day);  // two of a week, one of six days
    std::vector<Record> records;
    for (int i = 0; i < 20; ++i)
        records.push_back(sample_record(static_cast<std::uint64_t>(i), day + std::chrono::days{i}));
    repository.insert(records);
    const auto partitions = partitions_of(database).size();

    SECTION("whole ones only")
    {
        // Six hours before the second ends.
        const auto before = day + std::chrono::days{14} - std::chrono::hours{6};
        PruneStep step{0, false};
        while (!step.done)
            step = repository.prune_step(before, {});
        CHECK(partitions_of(database).size() == partitions - 1);
        CHECK(value(database, "SELECT count(*) FROM records") == "13");
    }
    SECTION("of one that stays for days, those that are older")
    {
        PruneStep step{0, false};
        while (!step.done)
            step = repository.prune_step(day + std::chrono::days{10}, {});
        CHECK(value(database, "SELECT count(*) FROM records") == "10");
        CHECK(value(database, "SELECT count(*) FROM attempts") == "20");
    }
    SECTION("people's word is kept to exactly")
    {
        CHECK(repository.prune(day + std::chrono::days{14} - std::chrono::hours{6}) == 14);
        CHECK(value(database, "SELECT count(*) FROM records") == "6");
        CHECK(value(database, "SELECT count(*) FROM attempts") == "12");
    }
}

TEST_CASE("a listener that was cut off reads everything again")
{
    const PostgresDatabase database;
    auto repository = database.open();
    PostgresOptions options;
    options.url = database.url();
    PostgresChanges changes{options};
    CHECK(changes.look()->upstreams.empty());
    database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%client_keys%'"
        " AND state = 'idle' AND pid <> pg_backend_pid() AND datname = current_database()");
    UpstreamDefinition definition;
    definition.sk = "sk-1";
    database.open().add_upstream(definition);
    try {
        while (changes.look()->upstreams.empty()) {
        }
    } catch (const StorageError& error) {
        CHECK(error.kind() == Kind::unavailable);
        changes.close();
    }
    CHECK(changes.look()->upstreams.size() == 1);
}

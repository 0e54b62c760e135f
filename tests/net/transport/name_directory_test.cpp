#include "core/net/transport/name_directory.hpp"

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <vector>

#include "tests/support/catch.hpp"
#include "tests/support/scripted_names.hpp"

// Look-ups of names as all event loops share them.

namespace route::test {

namespace {

using net::NameDirectory;
using net::NameLimits;

/// Answers as they are delivered, on whatever thread.
class Inbox : public NameDirectory::Asker
{
  public:
    NameDirectory::Deliver taker()
    {
        return [this](const NameDirectory::Answer& answer) {
            const std::lock_guard lock{mutex_};
            answers_.push_back(answer);
            changed_.notify_all();
        };
    }

    bool wait_for(std::size_t count)
    {
        std::unique_lock lock{mutex_};
        return changed_.wait_for(lock, std::chrono::seconds{10}, [&] { return answers_.size() >= count; });
    }

    std::vector<NameDirectory::Answer> answers()
    {
        const std::lock_guard lock{mutex_};
        return answers_;
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<NameDirectory::Answer> answers_;
};

/// Asks and waits for the answer.
NameDirectory::Answer answer_of(NameDirectory& directory, const std::string& host)
{
    Inbox inbox;
    if (auto known = directory.ask(host, inbox, inbox.taker()))
        return *known;
    REQUIRE(inbox.wait_for(1));
    return inbox.answers().front();
}

std::string address_in(const NameDirectory::Answer& answer)
{
    CAPTURE(answer.error.message());
    REQUIRE(answer.addresses.size() == 1);
    return answer.addresses.front().to_string();
}

/// Every answer is too old at once, and serves on.
NameLimits always_due()
{
    NameLimits limits;
    limits.lifetime = {};
    limits.failure_lifetime = {};
    return limits;
}

}  // namespace

TEST_CASE("names that hang do not hold up another")
{
    ScriptedNames names;
    NameDirectory directory{names.look_up()};
    Inbox hanging;
    for (int count = 0; count < 20; ++count) {
        directory.ask("hanging-" + std::to_string(count), hanging, hanging.taker());
    }
    names.answer("quick", "192.0.2.1");
    CHECK(address_in(answer_of(directory, "quick")) == "192.0.2.1");
    CHECK(hanging.answers().empty());
    directory.forget(hanging);
}

TEST_CASE("many who ask for a name share one look-up")
{
    ScriptedNames names;
    NameDirectory directory{names.look_up()};
    Inbox inbox;
    for (int count = 0; count < 10; ++count) {
        CHECK_FALSE(directory.ask("name", inbox, inbox.taker()));
    }
    names.answer("name", "192.0.2.1");
    REQUIRE(inbox.wait_for(10));
    for (const auto& answer : inbox.answers()) {
        CHECK(address_in(answer) == "192.0.2.1");
    }
    CHECK(directory.ask("name", inbox, inbox.taker()));
    CHECK(names.asked("name") == 1);
}

TEST_CASE("an answer and a failure are kept for their time")
{
    ScriptedNames names;
    NameDirectory directory{names.look_up()};
    names.answer("name", "192.0.2.1");
    names.answer("missing", not_found());
    const auto begin = net::Clock::now();
    CHECK(answer_of(directory, "name").good_until >= begin + std::chrono::seconds{30});
    const auto missing = answer_of(directory, "missing");
    CHECK(missing.error == not_found().error);
    CHECK(missing.good_until >= begin + std::chrono::seconds{1});
    CHECK(missing.good_until < begin + std::chrono::seconds{25});
    answer_of(directory, "name");
    CHECK(names.asked("name") == 1);
}

TEST_CASE("a failure is asked for again, and waited for")
{
    ScriptedNames names;
    NameDirectory directory{names.look_up(), always_due()};
    names.answer("name", not_found());
    CHECK(answer_of(directory, "name").error == not_found().error);
    names.answer("name", "192.0.2.1");
    CHECK(address_in(answer_of(directory, "name")) == "192.0.2.1");
}

TEST_CASE("an answer that is too old serves while one look-up renews it")
{
    ScriptedNames names;
    NameDirectory directory{names.look_up(), always_due()};
    names.answer("name", "192.0.2.1");
    CHECK(address_in(answer_of(directory, "name")) == "192.0.2.1");
    names.hold("name");
    Inbox nobody;
    for (int count = 0; count < 5; ++count) {
        const auto stale = directory.ask("name", nobody, nobody.taker());
        REQUIRE(stale);
        CHECK(address_in(*stale) == "192.0.2.1");
    }
    CHECK(names.wait_until_asked("name", 2));
    CHECK(names.asked("name") == 2);
    CHECK(nobody.answers().empty());
}

TEST_CASE("an answer older than that is waited for")
{
    NameLimits limits = always_due();
    limits.stale = {};
    ScriptedNames names;
    NameDirectory directory{names.look_up(), limits};
    names.answer("name", "192.0.2.1");
    CHECK(address_in(answer_of(directory, "name")) == "192.0.2.1");
    names.answer("name", "192.0.2.2");
    CHECK(address_in(answer_of(directory, "name")) == "192.0.2.2");
}

TEST_CASE("trouble of the servers of names takes no known address away, a name that is gone does")
{
    struct Case
    {
        std::string name;
        net::FoundAddresses second;
        bool stays;
    };
    const auto row = GENERATE(values<Case>({
        {"in trouble", names_in_trouble(), true},
        {"no such name", not_found(), false},
    }));
    CAPTURE(row.name);
    ScriptedNames names;
    NameDirectory directory{names.look_up(), always_due()};
    names.answer_one("name", 0, found("192.0.2.1"));
    answer_of(directory, "name");
    names.answer_one("name", 1, row.second);
    Inbox nobody;
    CHECK(directory.ask("name", nobody, nobody.taker()));
    // The third look-up begins only after the second one's answer has come in.
    const auto limit = net::Clock::now() + std::chrono::seconds{10};
    while (names.asked("name") < 3) {
        REQUIRE(net::Clock::now() < limit);
        const auto known = directory.ask("name", nobody, nobody.taker());
        if (row.stays) {
            REQUIRE(known);
            CHECK(address_in(*known) == "192.0.2.1");
        }
    }
    const auto known = directory.ask("name", nobody, nobody.taker());
    CHECK(known.has_value() == row.stays);
    directory.forget(nobody);
}

TEST_CASE("a look-up that takes too long is given up: its late answer counts for nothing")
{
    NameLimits limits;
    limits.patience = {};
    ScriptedNames names;
    NameDirectory directory{names.look_up(), limits};
    Inbox inbox;
    directory.ask("name", inbox, inbox.taker());
    REQUIRE(names.wait_until_asked("name", 1));
    directory.ask("name", inbox, inbox.taker());
    REQUIRE(names.wait_until_asked("name", 2));
    names.answer_one("name", 1, found("192.0.2.2"));
    REQUIRE(inbox.wait_for(2));
    names.answer_one("name", 0, not_found());
    CHECK(names.wait_until_over());
    CHECK(address_in(answer_of(directory, "name")) == "192.0.2.2");
    CHECK(inbox.answers().size() == 2);
}

TEST_CASE("more look-ups at once than there may be fail and say why")
{
    NameLimits limits;
    limits.lookups = 3;
    limits.failure_lifetime = {};
    ScriptedNames names;
    NameDirectory directory{names.look_up(), limits};
    Inbox inbox;
    for (const auto* host : {"one", "two", "three"}) {
        CHECK_FALSE(directory.ask(host, inbox, inbox.taker()));
    }
    const auto refused = directory.ask("four", inbox, inbox.taker());
    REQUIRE(refused);
    CHECK_THAT(refused->error.message(), ContainsSubstring("too many names"));
    names.answer("one", "192.0.2.1");
    REQUIRE(inbox.wait_for(1));
    names.answer("four", "192.0.2.4");
    CHECK(address_in(answer_of(directory, "four")) == "192.0.2.4");
    directory.forget(inbox);
}

TEST_CASE("nothing is delivered to who has been forgotten")
{
    ScriptedNames names;
    NameDirectory directory{names.look_up()};
    auto gone = std::make_unique<Inbox>();
    Inbox there;
    directory.ask("name", *gone, gone->taker());
    directory.ask("name", there, there.taker());
    directory.forget(*gone);
    gone.reset();
    names.answer("name", "192.0.2.1");
    CHECK(there.wait_for(1));
    CHECK(names.asked("name") == 1);
}

TEST_CASE("a directory ends while look-ups are under way")
{
    ScriptedNames names;
    Inbox inbox;
    {
        NameDirectory directory{names.look_up()};
        directory.ask("one", inbox, inbox.taker());
        directory.ask("two", inbox, inbox.taker());
        REQUIRE(names.wait_until_asked("one"));
    }
    names.answer("one", "192.0.2.1");
    names.answer("two", "192.0.2.1");
    CHECK(names.wait_until_over());
    CHECK(inbox.answers().empty());
}

TEST_CASE("an answer for which there is no memory at first is delivered all the same")
{
    ScriptedNames names;
    NameDirectory directory{names.look_up()};
    Inbox inbox;
    std::atomic<int> tries = 0;
    directory.ask("name", inbox, [&](const NameDirectory::Answer& answer) {
        if (++tries < 3)
            throw std::bad_alloc{};
        inbox.taker()(answer);
    });
    directory.ask("name", inbox, inbox.taker());
    names.answer("name", "192.0.2.1");
    REQUIRE(inbox.wait_for(2));
    CHECK(tries == 3);
    CHECK(address_in(answer_of(directory, "name")) == "192.0.2.1");
}

TEST_CASE("a look-up that throws is a failure")
{
    NameDirectory directory{[](const std::string&) -> net::FoundAddresses { throw std::bad_alloc{}; }};
    CHECK(answer_of(directory, "name").error);
}

}  // namespace route::test

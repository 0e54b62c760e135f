#pragma once

#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/failover/offered_models.hpp"
#include "core/net/attempt.hpp"
#include "core/net/http/request.hpp"
#include "core/net/kept_reply.hpp"
#include "core/net/nobody.hpp"
#include "core/net/try_notes.hpp"

namespace route::net {

/// The answer to `GET /v1/models` out of what all upstreams list, asked at once (SPEC 5, point 15).
class ModelUnion
{
  public:
    /// Whether such a request is answered so.
    static bool answers(const Settings& settings, const Request& request);

    /// All outlive it.
    ModelUnion(EventLoop& loop, const RoutingTable& table, Client& client, const OutgoingRequest& request,
               Record& record, TimePoint started);
    ~ModelUnion();

    struct Answer
    {
        std::shared_ptr<const std::string> list = {};  ///< JSON
        Routed routed = {};                            ///< else why there is none
    };

    /// From memory where it was asked within the last minute.
    awaitable<Answer> ask();

    TryNotes& notes() { return notes_; }

  private:
    /// One upstream and what came of asking it.
    struct Asked;
    class Asking;

    KeptModelList& place_in_memory() const;
    bool may_be_kept() const;
    bool known() const;
    awaitable<void> wait_for_other();
    awaitable<void> ask_all();
    awaitable<void> ask_from(std::size_t index);
    awaitable<void> guarded_ask(Asked& asked);
    awaitable<void> ask_one(Asked& asked);
    awaitable<std::optional<AttemptFailure>> read_whole(Asked& asked);
    awaitable<std::optional<AttemptFailure>> read_list(Asked& asked);
    std::string written_list();
    awaitable<void> keep_failed(Routed& routed);

    EventLoop& loop_;
    const RoutingTable& table_;
    Client& client_;
    HeaderFields fields_;
    OutgoingRequest request_;
    Record& record_;
    TryNotes notes_;
    std::vector<std::unique_ptr<Asked>> asked_;
    TimePoint end_;         ///< who has not answered by then is left out
    std::size_t held_ = 0;  ///< bytes of replies
    std::exception_ptr broken_;
};

}  // namespace route::net

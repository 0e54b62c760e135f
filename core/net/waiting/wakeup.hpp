#pragma once

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

#include "core/net/waiting/asio.hpp"

namespace route::net {

/// Lets one operation of an event loop wait until another handler of the same loop calls notify(). Remembers
/// nothing: the waiter checks its condition first. Holds the waiting handler in itself. Not for use from
/// another thread. Outlives the waiter's cancellation slot, or the wait has ended by then.
class Wakeup
{
  public:
    Wakeup() = default;
    Wakeup(const Wakeup&) = delete;
    Wakeup& operator=(const Wakeup&) = delete;
    ~Wakeup() { discard(); }

    bool waited_for() const { return held_ != nullptr; }

    /// Completes the wait, if there is one, before it returns; the Wakeup may be gone by then.
    void notify() { complete({}); }

    /// The same with operation_aborted.
    void cancel() { complete(asio::error::operation_aborted); }

    /// Drops the waiting handler: it is never called.
    void discard()
    {
        if (held_ != nullptr)
            held_->destroy();
    }

    /// `void(error_code)`: none, or operation_aborted. One at a time. Reacts to every type of cancellation,
    /// by a handler posted to the waiter's executor.
    template <class CompletionToken>
    auto async_wait(CompletionToken&& token)
    {
        return asio::async_initiate<CompletionToken, void(error_code)>(Initiation{*this}, token);
    }

    /// To be awaited: gives a tuple of the error, throws nothing.
    auto wait() { return async_wait(no_throw); }

  private:
    struct Initiation
    {
        Wakeup& wakeup;

        template <class Handler>
        void operator()(Handler&& handler) const
        {
            wakeup.hold(std::forward<Handler>(handler));
        }
    };

    struct Held
    {
        virtual void complete(error_code error) = 0;
        virtual void post_cancelled() = 0;
        virtual void destroy() = 0;

      protected:
        ~Held() = default;
    };

    template <class Handler>
    struct HeldHandler final : Held
    {
        HeldHandler(Wakeup& the_owner, Handler&& the_handler)
            : owner{the_owner}, handler{std::move(the_handler)}
        {
        }

        void complete(error_code error) override
        {
            auto slot = asio::get_associated_cancellation_slot(handler);
            if (slot.is_connected())
                slot.clear();
            Handler completed{std::move(handler)};
            destroy();
            std::move(completed)(error);
        }

        /// Not at once: the slot is being emitted, and what the handler ends holds it.
        void post_cancelled() override
        {
            const auto executor = asio::get_associated_executor(handler);
            auto cancelled = [completed = std::move(handler)]() mutable {
                auto slot = asio::get_associated_cancellation_slot(completed);
                if (slot.is_connected())
                    slot.clear();
                std::move(completed)(error_code{asio::error::operation_aborted});
            };
            destroy();
            asio::post(executor, std::move(cancelled));
        }

        void destroy() override
        {
            owner.held_ = nullptr;
            this->~HeldHandler();
        }

        Wakeup& owner;
        Handler handler;
    };

    void complete(error_code error)
    {
        if (held_ != nullptr)
            held_->complete(error);
    }

    template <class Handler>
    void hold(Handler&& handler)
    {
        using Type = HeldHandler<std::decay_t<Handler>>;
        static_assert(sizeof(Type) <= sizeof(storage_));
        auto* held = new (storage_) Type{*this, std::forward<Handler>(handler)};
        held_ = held;
        auto slot = asio::get_associated_cancellation_slot(held->handler);
        if (slot.is_connected())
            slot.assign([this](asio::cancellation_type) {
                if (held_ != nullptr)
                    held_->post_cancelled();
            });
    }

    alignas(std::max_align_t) std::byte storage_[64];
    Held* held_ = nullptr;
};

}  // namespace route::net

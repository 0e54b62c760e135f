#pragma once

#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

#include "core/net/asio.hpp"

namespace route::net {

/// Lets one coroutine of an event loop wait until another handler of the same loop calls notify(). Remembers
/// nothing: the waiter checks its condition first. Not for use from another thread.
class Signal
{
  public:
    Signal() = default;
    Signal(const Signal&) = delete;
    Signal& operator=(const Signal&) = delete;
    ~Signal()
    {
        if (held_ != nullptr)
            held_->destroy();
    }

    bool waited_for() const { return held_ != nullptr; }

    /// Resumes the waiter, if there is one, before it returns; the Signal may be gone by then.
    void notify()
    {
        if (held_ != nullptr)
            held_->resume();
    }

    /// To be awaited by one coroutine at a time.
    auto wait()
    {
        return asio::async_initiate<const asio::deferred_t&, void()>(
            [this](auto&& handler) { hold(std::forward<decltype(handler)>(handler)); }, asio::deferred);
    }

  private:
    struct Held
    {
        virtual void resume() = 0;
        virtual void destroy() = 0;

      protected:
        ~Held() = default;
    };

    template <class Handler>
    struct HeldHandler final : Held
    {
        HeldHandler(Signal& the_owner, Handler&& the_handler)
            : owner{the_owner}, handler{std::move(the_handler)}
        {
        }

        void resume() override
        {
            Handler resumed{std::move(handler)};
            destroy();
            std::move(resumed)();
        }
        void destroy() override
        {
            owner.held_ = nullptr;
            this->~HeldHandler();
        }

        Signal& owner;
        Handler handler;
    };

    template <class Handler>
    void hold(Handler&& handler)
    {
        using Type = HeldHandler<std::decay_t<Handler>>;
        static_assert(sizeof(Type) <= sizeof(storage_));
        held_ = new (storage_) Type{*this, std::forward<Handler>(handler)};
    }

    alignas(std::max_align_t) std::byte storage_[64];
    Held* held_ = nullptr;
};

}  // namespace route::net

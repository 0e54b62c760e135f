#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/http/field.hpp>
#include <boost/system/error_code.hpp>
#include <chrono>

namespace route::net {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;
using boost::system::error_code;

/// Concrete types throughout: any_io_executor costs a virtual call and an allocation per operation.
using Executor = asio::io_context::executor_type;
template <class T = void>
using awaitable = asio::awaitable<T, Executor>;
using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;
using Timer = asio::basic_waitable_timer<Clock, asio::wait_traits<Clock>, Executor>;

/// While there is one, a loop without work does not end.
using WorkGuard = asio::executor_work_guard<Executor>;

/// The token of an operation that is awaited for its error, not for an exception.
inline constexpr asio::as_tuple_t<asio::deferred_t> no_throw{asio::deferred};

/// A setting's time, in seconds, as the clock counts it.
inline Clock::duration ticks(std::chrono::duration<double> seconds)
{
    return std::chrono::duration_cast<Clock::duration>(seconds);
}

}  // namespace route::net

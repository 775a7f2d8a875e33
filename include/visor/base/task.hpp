#ifndef VISOR_BASE_TASK_HPP
#define VISOR_BASE_TASK_HPP

#include <boost/asio/awaitable.hpp>

namespace visor {

/// What a coroutine of this library returns: lazy, awaited once, resumed on the executor it was spawned on.
template <class T = void>
using task = boost::asio::awaitable<T>;

}  // namespace visor

#endif

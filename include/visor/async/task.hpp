#ifndef VISOR_ASYNC_TASK_HPP
#define VISOR_ASYNC_TASK_HPP

#include <boost/asio/awaitable.hpp>

namespace visor {

/// The return type of the coroutines of this library: lazy, awaited once, resumed on the executor it was spawned on.
///
/// A coroutine that is a free function in a header is a template, as are the functions that call it; one that needs no parameter is a
/// template of `<class = void>`. GCC (12 and 14) emits an inline coroutine that is no template, and all that it calls, into every object
/// file that includes it, used or not.
template <class T = void>
using task = boost::asio::awaitable<T>;

}  // namespace visor

#endif

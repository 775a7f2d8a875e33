#ifndef VISOR_ASYNC_TASK_HPP
#define VISOR_ASYNC_TASK_HPP

#include <boost/asio/awaitable.hpp>

namespace visor {

/// What a coroutine of this library returns: lazy, awaited once, resumed on the executor it was spawned on.
///
/// One that is a free function in a header is a template, as are the functions that call it; where it needs no parameter, of `<class =
/// void>`. GCC (12 and 14) puts an inline coroutine that is no template, and all that it calls, into every object file that includes it,
/// whether it is used or not.
template <class T = void>
using task = boost::asio::awaitable<T>;

}  // namespace visor

#endif

#ifndef VISOR_DRIVER_BATCH_HPP
#define VISOR_DRIVER_BATCH_HPP

#include "visor/async/task.hpp"
#include "visor/sql/codec.hpp"
#include "visor/sql/statement.hpp"

#include <algorithm>
#include <cstddef>
#include <span>
#include <string_view>
#include <type_traits>

/// Batched execution of one statement, for servers that accept several executions in one message.
namespace visor::detail {

/// Limits of one message: the memory that it takes on both sides is bounded.
inline constexpr std::size_t longest_batch = 500;
inline constexpr std::size_t largest_batch = 1'000'000;  // bytes

/// An upper bound for the size of parameters in a message: no protocol uses more than ten bytes besides a text.
class size_counter {
 public:
  template <class T>
  void bind(int, T const& value) {
    bytes_ += 10;
    if constexpr (std::is_convertible_v<T const&, std::string_view>) bytes_ += std::string_view(value).size();
  }
  void bind_null(int) { bytes_ += 10; }
  std::size_t bytes() const { return bytes_; }

 private:
  std::size_t bytes_ = 0;
};

/// Returns the executions for the next message: the front of `rest`, at least one.
template <class Source, class Params>
std::span<Params const> next_batch(std::span<Params const> rest, std::size_t most) {
  size_counter size;
  std::size_t count = 0;
  while (count < rest.size() && count < longest_batch) {
    sql::bind_all<Source>(size, rest[count]);
    if (size.bytes() > most && count != 0) break;
    ++count;
  }
  return rest.first(count);
}

/// Executes a batch. A server reports only the sum of a bulk. Where the sum leaves open which executions did nothing, the bulk is rolled
/// back and each execution runs by itself.
template <sql::statement S, class Connection>
task<std::size_t> execute_batch(Connection& on, std::span<typename S::params const> batch, std::span<std::size_t> affected) {
  if (batch.size() > 1 && on.template takes_bulks<S>()) {
    if (!affected.empty()) co_await on.savepoint();
    std::size_t const sum = co_await on.template execute_bulk<S>(batch);
    if (affected.empty()) co_return sum;
    if (sum % batch.size() == 0) {
      co_await on.release_savepoint();
      std::ranges::fill(affected, sum / batch.size());
      co_return sum;
    }
    co_await on.rollback_to_savepoint();
  }
  co_return co_await on.template execute_each<S>(batch, affected);
}

/// Executes a statement once for each of `many`, in order.
/// \param affected room for the row count of each, none of which is more than one; or empty
/// \return the sum of the affected rows
template <sql::statement S, class Connection>
task<std::size_t> execute_many(Connection& on, std::span<typename S::params const> many, std::span<std::size_t> affected) {
  std::size_t sum = 0;
  while (!many.empty()) {
    auto const batch = on.template next_batch<S>(many);
    auto const counts = affected.first(std::min(affected.size(), batch.size()));
    std::size_t const count = co_await execute_batch<S>(on, batch, counts);
    sum += count;
    many = many.subspan(batch.size());
    affected = affected.subspan(counts.size());
  }
  co_return sum;
}

}  // namespace visor::detail

#endif

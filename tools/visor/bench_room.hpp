#ifndef VISOR_TOOLS_BENCH_ROOM_HPP
#define VISOR_TOOLS_BENCH_ROOM_HPP

#include "bench.hpp"
#include "storage.hpp"

#include "visor/base/log.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace visor_program {

/// Where a benchmark works with a driver: a place of its own, which nobody else's tables are in. It is made with its room, and removed with
/// it. What is no function of memory, which nobody else sees, does nothing there.
class bench_room {
 public:
  bench_room() = default;
  bench_room(bench_room const&) = delete;
  bench_room& operator=(bench_room const&) = delete;
  virtual ~bench_room() = default;

  virtual std::string place() const = 0;  ///< for people
  /// Another store there, not opened yet; each statement is told to the log where one is given.
  virtual std::unique_ptr<storage> store(visor::log_sink log) const = 0;
  /// Of the write-ahead log, since whenever, where the database tells.
  virtual std::optional<double> written_bytes() const { return std::nullopt; }
  /// Adds jobs by statements of its own.
  virtual void fill(std::int64_t /*first*/, std::int64_t /*finished*/, std::int64_t /*ready*/) const {}
  /// Lets the database learn what is in the tables.
  virtual void settle() const {}
  /// Somebody who has looked at the database and goes on looking until he is destroyed.
  virtual std::shared_ptr<void> pin() const { return nullptr; }
};

}  // namespace visor_program

#endif

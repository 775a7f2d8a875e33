#ifndef VISOR_TOOLS_BENCH_SANDBOX_HPP
#define VISOR_TOOLS_BENCH_SANDBOX_HPP

#include "bench.hpp"
#include "storage.hpp"

#include "visor/base/log.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace visor_program {

/// A sandbox in which a benchmark works with a driver, apart from all other tables. It is created and removed with
/// this object. Functions that have no meaning for the store in memory, which nobody else sees, do nothing there.
class bench_sandbox {
 public:
  bench_sandbox() = default;
  bench_sandbox(bench_sandbox const&) = delete;
  bench_sandbox& operator=(bench_sandbox const&) = delete;
  virtual ~bench_sandbox() = default;

  virtual std::string display_name() const = 0;  ///< for display
  /// Makes another store in this sandbox, not opened yet; if `log` is given, each statement is logged.
  virtual std::unique_ptr<storage> store(visor::log_sink log) const = 0;
  /// The size of the write-ahead log from any fixed start on, where the database reports it.
  virtual std::optional<double> written_bytes() const { return std::nullopt; }
  /// Adds jobs by statements of its own.
  virtual void fill(std::int64_t /*first*/, std::int64_t /*finished*/, std::int64_t /*ready*/) const {}
  /// Makes the database update its statistics of the tables.
  virtual void settle() const {}
  /// Holds a snapshot of the database open until the result is destroyed.
  virtual std::shared_ptr<void> pin() const { return nullptr; }
};

}  // namespace visor_program

#endif

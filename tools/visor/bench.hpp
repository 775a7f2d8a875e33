#ifndef VISOR_TOOLS_BENCH_HPP
#define VISOR_TOOLS_BENCH_HPP

#include "visor/base/time.hpp"
#include "visor/config/settings.hpp"

#include <boost/describe/enum.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

/// The plan and the result of `visor bench`, independent of the database.
namespace visor_program {

BOOST_DEFINE_ENUM_CLASS(bench_scenario, burn_down, steady, one_at_a_time, bulk_enqueue, schedule_storm, deep_queue, pinned_xmin, mixed)

/// The schema, the database, or the suffix of a file name in which benchmarks work.
inline constexpr char const* bench_sandbox_name = "visor_bench";

struct bench_plan {
  visor::settings settings;
  bench_scenario scenario = bench_scenario::burn_down;
  std::int64_t jobs = 0;
  std::size_t batch = 0;  ///< jobs that a node claims at a time; for bulk-enqueue the jobs of one call
  int nodes = 1;
  std::int64_t depth = 0;       ///< for deep-queue: jobs that have ended; a tenth as many are ready
  double rate = 0;              ///< for steady: jobs a second
  std::size_t payload = 0;      ///< bytes
  visor::duration long_work{};  ///< for mixed: how long every hundredth job takes
  bool replace = false;         ///< the remains of an earlier run may be removed
};

/// Measured durations.
class bench_samples {
 public:
  void add(visor::duration length) { all_.push_back(length.count()); }
  void add_all(bench_samples const& more) { all_.insert(all_.end(), more.all_.begin(), more.all_.end()); }
  void reserve(std::size_t count) { all_.reserve(count); }
  bool empty() const { return all_.empty(); }
  std::size_t size() const { return all_.size(); }

  /// \param part the share of the samples that is not longer than the result, such as 0.99. \pre not empty
  double milliseconds_at(double part) const;
  /// Upper bounds in milliseconds, each about a quarter above the one before, and the number of samples between the two.
  std::vector<std::pair<double, std::size_t>> histogram() const;

  /// \pre called once, before the two above
  void sort();

 private:
  std::vector<std::int64_t> all_;  // microseconds
};

/// The cost of an operation after a number of jobs, for scenarios that measure its growth.
struct bench_point {
  std::int64_t jobs = 0;  ///< done before
  double p50 = 0;         ///< milliseconds
  double p99 = 0;
};

struct bench_result {
  std::string display_name;  ///< of the database
  std::string server;        ///< product and version
  double seconds = 0;
  double enqueue_seconds = 0;                      ///< to add the jobs that were then run; 0: there were none
  std::map<std::string, bench_samples> latencies;  ///< by what was measured, such as `start`
  std::vector<bench_point> claims;                 ///< for pinned-xmin, as dead entries pile up
  std::optional<double> statements_per_job;        ///< from adding a job to its end, counted with a few jobs beforehand
  double client_cpu_seconds = 0;                   ///< user and system, of this process
  std::size_t resident_bytes = 0;                  ///< of this process, at the end
  std::optional<double> wal_bytes_per_job;         ///< from adding a job to its end
};

struct driver_entry;

/// Runs a benchmark with a driver. \throws failure when it cannot be run, or had a wrong outcome
bench_result run_bench(driver_entry const& driver, bench_plan const& plan);

}  // namespace visor_program

#endif

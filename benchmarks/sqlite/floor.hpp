#ifndef VISOR_BENCHMARKS_SQLITE_FLOOR_HPP
#define VISOR_BENCHMARKS_SQLITE_FLOOR_HPP

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

struct sqlite3;
struct sqlite3_stmt;

/// The floor: the work of the store, written straight onto SQLite's C interface for one thread and one connection. It uses the
/// very same statements on the same tables, and keeps none of the rows that it reads.
class sqlite_floor {
 public:
  struct job {
    std::int64_t id;
    std::int64_t attempt;
  };

  /// \param filename a database in which a store has created its tables and its node "bench" with epoch 1
  sqlite_floor(std::string const& filename, bool full);
  ~sqlite_floor();

  void enqueue(std::int64_t first_id, int count, std::string const& payload);

  /// Completes the jobs that the last call claimed and claims up to `limit` more, in one transaction. Returns how many it
  /// claimed.
  std::size_t exchange(int limit);

 private:
  struct statement;
  sqlite3* handle_ = nullptr;
  std::unique_ptr<statement> begin_, commit_, insert_job_, insert_ready_, cancels_, find_lease_, insert_attempt_, any_waiting_,
      remove_lease_, current_node_, front_, remove_front_, insert_lease_;
  std::vector<job> claimed_;
  std::int64_t lease_ = 1'000'000;
};

#endif

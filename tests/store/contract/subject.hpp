#ifndef VISOR_TESTS_STORE_CONTRACT_SUBJECT_HPP
#define VISOR_TESTS_STORE_CONTRACT_SUBJECT_HPP

#include "visor/store/store.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace visor_test {

/// A store under test, whatever its type: the operations of the concept `visor::store`, each run to its end, and the store's time.
/// The suite is written against this, so it is compiled once for all stores. All members may be called from any thread.
class subject {
 public:
  virtual ~subject() = default;

  virtual void open() = 0;
  virtual void close() = 0;
  virtual visor::instant now() = 0;
  virtual visor::subscription on_change(std::function<void()> callback) = 0;
  virtual visor::node_lease join(visor::join_request request) = 0;
  virtual visor::node_lease renew(visor::node_lease const& lease, visor::duration ttl, visor::node_state state) = 0;
  virtual void leave(visor::node_lease const& lease) = 0;
  virtual std::vector<visor::recovery> recover(std::optional<visor::node_lease> evict = std::nullopt) = 0;
  virtual void set_wish(std::string const& node, std::optional<visor::node_wish> wish) = 0;
  virtual bool remove_node(std::string const& node) = 0;
  virtual std::vector<visor::node_record> nodes() = 0;
  virtual std::vector<visor::type_limit_record> limits() = 0;
  virtual std::int64_t reserve_ids(std::size_t count) = 0;
  virtual std::size_t enqueue(std::span<visor::new_job const> jobs) = 0;
  virtual visor::exchange_result exchange(visor::node_lease const& lease, std::span<visor::completion const> done,
                                          std::span<visor::give_back const> back, std::span<visor::claim_request const> wanted) = 0;
  virtual visor::promotion promote(std::size_t limit) = 0;
  virtual visor::due_schedules due(std::size_t limit) = 0;
  virtual std::vector<visor::fired> fire(visor::node_lease const& lease, std::span<visor::fire_order const> orders) = 0;
  virtual visor::schedule_changes replace_schedules(visor::origin whose, std::span<visor::schedule_record const> all) = 0;
  virtual void add_schedule(visor::schedule_record record) = 0;
  virtual visor::schedule_record update_schedule(visor::schedule_record record) = 0;
  virtual bool remove_schedule(std::string const& id) = 0;
  virtual std::optional<visor::schedule_record> find_schedule(std::string const& id) = 0;
  virtual std::vector<visor::schedule_record> schedules(visor::schedule_filter filter) = 0;
  virtual std::vector<visor::fire_record> fires(std::string const& schedule, std::size_t limit) = 0;
  virtual std::optional<visor::job_view> find_job(visor::job_id id) = 0;
  virtual std::vector<visor::job_view> jobs(visor::job_filter filter) = 0;
  virtual std::vector<visor::attempt_record> attempts(visor::job_id id) = 0;
  virtual visor::cancel_result cancel_job(visor::job_id id) = 0;
  virtual std::vector<visor::job_id> cancel_requests() = 0;
  virtual void retry_job(visor::job_id id) = 0;

  /// Moves the store's time, also backwards.
  virtual void advance(visor::duration by) = 0;

  /// Closes the store and opens what it kept again, through a new object where it is kept outside of the process.
  virtual void reopen() = 0;

  /// A second store on the same data and time, as another process has it; this one again where data are not shared that way.
  virtual std::shared_ptr<subject> another() = 0;
};

/// A new, empty, open store. Each test program defines it for the store that it tests.
std::unique_ptr<subject> make_subject();

/// The same for the reference.
std::unique_ptr<subject> make_reference();

}  // namespace visor_test

#endif

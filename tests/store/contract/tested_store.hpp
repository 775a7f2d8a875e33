#ifndef VISOR_TESTS_STORE_CONTRACT_TESTED_STORE_HPP
#define VISOR_TESTS_STORE_CONTRACT_TESTED_STORE_HPP

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
class tested_store {
 public:
  virtual ~tested_store() = default;

  virtual void open() = 0;
  virtual void close() = 0;
  virtual visor::instant now() = 0;
  virtual visor::subscription on_change(std::function<void()> callback) = 0;
  virtual visor::node_lease join(visor::join_request request) = 0;
  virtual visor::node_lease renew(visor::node_lease const& lease, visor::renewal how) = 0;
  virtual void leave(visor::node_lease const& lease, visor::departure how = visor::departure::clean) = 0;
  virtual std::vector<visor::recovery> recover(std::optional<visor::node_lease> evict = std::nullopt) = 0;
  virtual void request_state(std::string const& node, std::optional<visor::requested_state> state) = 0;
  virtual bool remove_node(std::string const& node) = 0;
  virtual std::vector<visor::node_record> nodes() = 0;
  virtual std::vector<visor::type_limit_record> limits() = 0;
  virtual std::vector<visor::node_type_record> node_types() = 0;
  virtual visor::reserved_ids reserve_ids(std::size_t count) = 0;
  virtual std::size_t enqueue(std::span<visor::new_job const> jobs) = 0;
  virtual visor::exchange_result exchange(visor::node_lease const& lease, std::span<visor::job_result const> done,
                                          std::span<visor::release const> back, std::span<visor::claim_request const> wanted) = 0;
  virtual visor::promotion promote(std::size_t limit) = 0;
  virtual visor::pending_work pending_work() = 0;
  virtual visor::due_schedules due(std::size_t limit, std::optional<visor::due_position> after = std::nullopt) = 0;
  virtual std::vector<visor::fired> fire(visor::node_lease const& lease, std::span<visor::fire_order const> orders) = 0;
  virtual std::size_t note_missed(visor::node_lease const& lease, std::span<visor::missed_instant const> missed) = 0;
  virtual std::vector<visor::instant> acted_on(std::string const& schedule, visor::instant after, std::size_t limit) = 0;
  virtual std::vector<bool> correct_next(std::span<visor::next_correction const> corrections) = 0;
  virtual void put_manifest(std::string const& digest, int first, std::span<std::string const> parts) = 0;
  virtual bool declare(visor::node_lease const& lease, std::span<visor::set_declaration const> sets) = 0;
  virtual std::vector<std::string> declared(visor::schedule_set const& set) = 0;
  virtual std::vector<visor::declaration_record> declarations() = 0;
  virtual std::vector<std::string> manifests(visor::schedule_set const& set) = 0;
  virtual std::vector<std::string> manifest_parts(std::string const& digest) = 0;
  virtual std::vector<visor::schedule_digest> schedule_digests(visor::origin of) = 0;
  virtual std::optional<std::vector<visor::change_result>> change_schedules(visor::schedule_set const& set,
                                                                            std::span<std::string const> basis,
                                                                            std::span<visor::schedule_change const> changes) = 0;
  virtual void add_schedules(std::span<visor::schedule_record const> records) = 0;
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

  /// As `visor db restored`.
  virtual std::int64_t restored() = 0;

  /// Moves the store's time, also backwards.
  virtual void advance(visor::duration by) = 0;

  /// From now on the database refuses to change rows of a table, by a trigger of the user.
  /// \param when in SQL, about `NEW`, or `OLD` where rows are removed
  /// \param change INSERT, UPDATE or DELETE
  /// \return false, and nothing happens, where there is no SQL
  virtual bool refuse_rows(std::string const& table, std::string const& when, std::string const& change = "INSERT") = 0;
  /// Ends that.
  virtual void accept_rows(std::string const& table, std::string const& change = "INSERT") = 0;

  /// Closes the store and opens what it kept again, through a new object where it is kept outside of the process.
  virtual void reopen() = 0;

  /// A second store on the same data and time, as another process has it; this one again where data are not shared that way.
  virtual std::shared_ptr<tested_store> another() = 0;
};

/// A new, empty, open store. Each test program defines it for the store that it tests.
std::unique_ptr<tested_store> make_tested_store();

/// The same for the reference.
std::unique_ptr<tested_store> make_reference();

}  // namespace visor_test

#endif

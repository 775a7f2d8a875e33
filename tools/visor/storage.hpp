#ifndef VISOR_TOOLS_STORAGE_HPP
#define VISOR_TOOLS_STORAGE_HPP

#include "visor/store/store.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace visor_program {

/// A store of any database, so that only the drivers are compiled once for each. Its operations are those of `visor::store`.
/// Each is a transaction, beside which a virtual call costs nothing.
class storage {
 public:
  storage() = default;
  storage(storage const&) = delete;
  storage& operator=(storage const&) = delete;
  virtual ~storage() = default;

  virtual visor::task<> open() = 0;
  virtual visor::task<> close() = 0;
  virtual visor::task<visor::instant> now() = 0;
  virtual visor::subscription on_change(std::function<void()> callback) = 0;
  virtual visor::task<visor::node_claim> claim_node(std::string const& holder) = 0;
  virtual visor::task<visor::node_lease> join(visor::join_request const& request) = 0;
  virtual visor::task<visor::node_lease> renew(visor::node_lease const& lease, visor::renewal how) = 0;
  virtual visor::task<> leave(visor::node_lease const& lease, visor::departure how) = 0;
  virtual visor::task<std::vector<visor::recovery>> recover(std::optional<visor::node_lease> const& evict) = 0;
  virtual visor::task<> request_state(std::string const& node, std::optional<visor::requested_state> state) = 0;
  virtual visor::task<bool> remove_node(std::string const& node) = 0;
  virtual visor::task<std::vector<visor::node_record>> nodes() = 0;
  virtual visor::task<std::vector<visor::type_limit_record>> limits() = 0;
  virtual visor::task<std::vector<visor::node_type_record>> node_types() = 0;
  virtual visor::task<visor::reserved_ids> reserve_ids(std::size_t count) = 0;
  virtual visor::task<std::size_t> enqueue(std::span<visor::new_job const> jobs) = 0;
  virtual visor::task<visor::exchange_result> exchange(visor::node_lease const& lease, std::span<visor::job_result const> done,
                                                       std::span<visor::release const> back,
                                                       std::span<visor::claim_request const> wanted) = 0;
  virtual visor::task<visor::promotion> promote(std::size_t limit) = 0;
  virtual visor::task<visor::pending_work> pending_work() = 0;
  virtual visor::task<visor::due_schedules> due(std::size_t limit, std::optional<visor::due_position> const& after) = 0;
  virtual visor::task<std::vector<visor::fired>> fire(visor::node_lease const& lease, std::span<visor::fire_order const> orders) = 0;
  virtual visor::task<std::size_t> note_missed(visor::node_lease const& lease, std::span<visor::missed_instant const> missed) = 0;
  virtual visor::task<std::vector<visor::instant>> acted_on(std::string const& schedule, visor::instant after, std::size_t limit) = 0;
  virtual visor::task<std::vector<bool>> correct_next(std::span<visor::next_correction const> corrections) = 0;
  virtual visor::task<> put_manifest(std::string const& digest, int first, std::span<std::string const> parts) = 0;
  virtual visor::task<bool> declare(visor::node_lease const& lease, std::span<visor::set_declaration const> sets) = 0;
  virtual visor::task<std::vector<std::string>> declared(visor::schedule_set const& set) = 0;
  virtual visor::task<std::vector<visor::declaration_record>> declarations() = 0;
  virtual visor::task<std::vector<std::string>> manifests(visor::schedule_set const& set) = 0;
  virtual visor::task<std::vector<std::string>> manifest_parts(std::string const& digest) = 0;
  virtual visor::task<std::vector<visor::schedule_digest>> schedule_digests(visor::origin of) = 0;
  virtual visor::task<std::optional<std::vector<visor::change_result>>> change_schedules(
      visor::schedule_set const& set, std::span<std::string const> basis, std::span<visor::schedule_change const> changes) = 0;
  virtual visor::task<> add_schedules(std::span<visor::schedule_record const> schedules) = 0;
  virtual visor::task<> add_schedule(visor::schedule_record const& schedule) = 0;
  virtual visor::task<visor::schedule_record> update_schedule(visor::schedule_record const& schedule) = 0;
  virtual visor::task<bool> remove_schedule(std::string const& id) = 0;
  virtual visor::task<std::optional<visor::schedule_record>> find_schedule(std::string const& id) = 0;
  virtual visor::task<std::vector<visor::schedule_record>> schedules(visor::schedule_filter const& filter) = 0;
  virtual visor::task<std::vector<visor::fire_record>> fires(std::string const& schedule, std::size_t limit) = 0;
  virtual visor::task<std::optional<visor::job_view>> find_job(visor::job_id id) = 0;
  virtual visor::task<std::vector<visor::job_view>> jobs(visor::job_filter const& filter) = 0;
  virtual visor::task<std::vector<visor::attempt_record>> attempts(visor::job_id id) = 0;
  virtual visor::task<visor::cancel_result> cancel_job(visor::job_id id) = 0;
  virtual visor::task<std::vector<visor::job_id>> cancel_requests() = 0;
  virtual visor::task<> retry_job(visor::job_id id) = 0;
};
static_assert(visor::store<storage>);

/// The storage of one kind of store.
template <visor::store Store>
class storage_of final : public storage {
 public:
  template <class... Arguments>
  explicit storage_of(Arguments&&... arguments) : store_(std::forward<Arguments>(arguments)...) {}

  visor::task<> open() override { return store_.open(); }
  visor::task<> close() override { return store_.close(); }
  visor::task<visor::instant> now() override { return store_.now(); }
  visor::subscription on_change(std::function<void()> callback) override { return store_.on_change(std::move(callback)); }
  visor::task<visor::node_claim> claim_node(std::string const& holder) override {
    if constexpr (requires { store_.claim_node(holder); })
      return store_.claim_node(holder);
    else
      return nothing_known();
  }
  visor::task<visor::node_lease> join(visor::join_request const& request) override { return store_.join(request); }
  visor::task<visor::node_lease> renew(visor::node_lease const& lease, visor::renewal how) override { return store_.renew(lease, how); }
  visor::task<> leave(visor::node_lease const& lease, visor::departure how) override { return store_.leave(lease, how); }
  visor::task<std::vector<visor::recovery>> recover(std::optional<visor::node_lease> const& evict) override {
    return store_.recover(evict);
  }
  visor::task<> request_state(std::string const& node, std::optional<visor::requested_state> state) override {
    return store_.request_state(node, state);
  }
  visor::task<bool> remove_node(std::string const& node) override { return store_.remove_node(node); }
  visor::task<std::vector<visor::node_record>> nodes() override { return store_.nodes(); }
  visor::task<std::vector<visor::type_limit_record>> limits() override { return store_.limits(); }
  visor::task<std::vector<visor::node_type_record>> node_types() override { return store_.node_types(); }
  visor::task<visor::reserved_ids> reserve_ids(std::size_t count) override { return store_.reserve_ids(count); }
  visor::task<std::size_t> enqueue(std::span<visor::new_job const> jobs) override { return store_.enqueue(jobs); }
  visor::task<visor::exchange_result> exchange(visor::node_lease const& lease, std::span<visor::job_result const> done,
                                               std::span<visor::release const> back,
                                               std::span<visor::claim_request const> wanted) override {
    return store_.exchange(lease, done, back, wanted);
  }
  visor::task<visor::promotion> promote(std::size_t limit) override { return store_.promote(limit); }
  visor::task<visor::pending_work> pending_work() override { return store_.pending_work(); }
  visor::task<visor::due_schedules> due(std::size_t limit, std::optional<visor::due_position> const& after) override {
    return store_.due(limit, after);
  }
  visor::task<std::vector<visor::fired>> fire(visor::node_lease const& lease, std::span<visor::fire_order const> orders) override {
    return store_.fire(lease, orders);
  }
  visor::task<std::size_t> note_missed(visor::node_lease const& lease, std::span<visor::missed_instant const> missed) override {
    return store_.note_missed(lease, missed);
  }
  visor::task<std::vector<visor::instant>> acted_on(std::string const& schedule, visor::instant after, std::size_t limit) override {
    return store_.acted_on(schedule, after, limit);
  }
  visor::task<std::vector<bool>> correct_next(std::span<visor::next_correction const> corrections) override {
    return store_.correct_next(corrections);
  }
  visor::task<> put_manifest(std::string const& digest, int first, std::span<std::string const> parts) override {
    return store_.put_manifest(digest, first, parts);
  }
  visor::task<bool> declare(visor::node_lease const& lease, std::span<visor::set_declaration const> sets) override {
    return store_.declare(lease, sets);
  }
  visor::task<std::vector<std::string>> declared(visor::schedule_set const& set) override { return store_.declared(set); }
  visor::task<std::vector<visor::declaration_record>> declarations() override { return store_.declarations(); }
  visor::task<std::vector<std::string>> manifests(visor::schedule_set const& set) override { return store_.manifests(set); }
  visor::task<std::vector<std::string>> manifest_parts(std::string const& digest) override { return store_.manifest_parts(digest); }
  visor::task<std::vector<visor::schedule_digest>> schedule_digests(visor::origin of) override { return store_.schedule_digests(of); }
  visor::task<std::optional<std::vector<visor::change_result>>> change_schedules(visor::schedule_set const& set,
                                                                                 std::span<std::string const> basis,
                                                                                 std::span<visor::schedule_change const> changes) override {
    return store_.change_schedules(set, basis, changes);
  }
  visor::task<> add_schedules(std::span<visor::schedule_record const> schedules) override { return store_.add_schedules(schedules); }
  visor::task<> add_schedule(visor::schedule_record const& schedule) override { return store_.add_schedule(schedule); }
  visor::task<visor::schedule_record> update_schedule(visor::schedule_record const& schedule) override {
    return store_.update_schedule(schedule);
  }
  visor::task<bool> remove_schedule(std::string const& id) override { return store_.remove_schedule(id); }
  visor::task<std::optional<visor::schedule_record>> find_schedule(std::string const& id) override { return store_.find_schedule(id); }
  visor::task<std::vector<visor::schedule_record>> schedules(visor::schedule_filter const& filter) override {
    return store_.schedules(filter);
  }
  visor::task<std::vector<visor::fire_record>> fires(std::string const& schedule, std::size_t limit) override {
    return store_.fires(schedule, limit);
  }
  visor::task<std::optional<visor::job_view>> find_job(visor::job_id id) override { return store_.find_job(id); }
  visor::task<std::vector<visor::job_view>> jobs(visor::job_filter const& filter) override { return store_.jobs(filter); }
  visor::task<std::vector<visor::attempt_record>> attempts(visor::job_id id) override { return store_.attempts(id); }
  visor::task<visor::cancel_result> cancel_job(visor::job_id id) override { return store_.cancel_job(id); }
  visor::task<std::vector<visor::job_id>> cancel_requests() override { return store_.cancel_requests(); }
  visor::task<> retry_job(visor::job_id id) override { return store_.retry_job(id); }

 private:
  static visor::task<visor::node_claim> nothing_known() { co_return visor::node_claim(); }

  Store store_;
};

}  // namespace visor_program

#endif

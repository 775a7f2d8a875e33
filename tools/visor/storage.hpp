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

/// A store of any database, so that nothing but the drivers is compiled once for each. Its operations are those of `visor::store`; each is
/// a transaction, beside which a virtual call costs nothing.
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
  virtual visor::task<visor::node_lease> join(visor::join_request const& request) = 0;
  virtual visor::task<visor::node_lease> renew(visor::node_lease const& lease, visor::duration ttl, visor::node_state state) = 0;
  virtual visor::task<> leave(visor::node_lease const& lease) = 0;
  virtual visor::task<std::vector<visor::recovery>> recover(std::optional<visor::node_lease> const& evict) = 0;
  virtual visor::task<> set_wish(std::string const& node, std::optional<visor::node_wish> wish) = 0;
  virtual visor::task<bool> remove_node(std::string const& node) = 0;
  virtual visor::task<std::vector<visor::node_record>> nodes() = 0;
  virtual visor::task<std::vector<visor::type_limit_record>> limits() = 0;
  virtual visor::task<std::int64_t> reserve_ids(std::size_t count) = 0;
  virtual visor::task<std::size_t> enqueue(std::span<visor::new_job const> jobs) = 0;
  virtual visor::task<visor::exchange_result> exchange(visor::node_lease const& lease, std::span<visor::completion const> done,
                                                       std::span<visor::give_back const> back,
                                                       std::span<visor::claim_request const> wanted) = 0;
  virtual visor::task<visor::promotion> promote(std::size_t limit) = 0;
  virtual visor::task<visor::outlook> glance() = 0;
  virtual visor::task<visor::due_schedules> due(std::size_t limit) = 0;
  virtual visor::task<std::vector<visor::fired>> fire(visor::node_lease const& lease, std::span<visor::fire_order const> orders) = 0;
  virtual visor::task<visor::schedule_changes> replace_schedules(visor::origin whose, std::span<visor::schedule_record const> all) = 0;
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
  visor::task<visor::node_lease> join(visor::join_request const& request) override { return store_.join(request); }
  visor::task<visor::node_lease> renew(visor::node_lease const& lease, visor::duration ttl, visor::node_state state) override {
    return store_.renew(lease, ttl, state);
  }
  visor::task<> leave(visor::node_lease const& lease) override { return store_.leave(lease); }
  visor::task<std::vector<visor::recovery>> recover(std::optional<visor::node_lease> const& evict) override {
    return store_.recover(evict);
  }
  visor::task<> set_wish(std::string const& node, std::optional<visor::node_wish> wish) override { return store_.set_wish(node, wish); }
  visor::task<bool> remove_node(std::string const& node) override { return store_.remove_node(node); }
  visor::task<std::vector<visor::node_record>> nodes() override { return store_.nodes(); }
  visor::task<std::vector<visor::type_limit_record>> limits() override { return store_.limits(); }
  visor::task<std::int64_t> reserve_ids(std::size_t count) override { return store_.reserve_ids(count); }
  visor::task<std::size_t> enqueue(std::span<visor::new_job const> jobs) override { return store_.enqueue(jobs); }
  visor::task<visor::exchange_result> exchange(visor::node_lease const& lease, std::span<visor::completion const> done,
                                               std::span<visor::give_back const> back,
                                               std::span<visor::claim_request const> wanted) override {
    return store_.exchange(lease, done, back, wanted);
  }
  visor::task<visor::promotion> promote(std::size_t limit) override { return store_.promote(limit); }
  visor::task<visor::outlook> glance() override { return store_.glance(); }
  visor::task<visor::due_schedules> due(std::size_t limit) override { return store_.due(limit); }
  visor::task<std::vector<visor::fired>> fire(visor::node_lease const& lease, std::span<visor::fire_order const> orders) override {
    return store_.fire(lease, orders);
  }
  visor::task<visor::schedule_changes> replace_schedules(visor::origin whose, std::span<visor::schedule_record const> all) override {
    return store_.replace_schedules(whose, all);
  }
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
  Store store_;
};

}  // namespace visor_program

#endif

#ifndef VISOR_TESTS_STORE_CONTRACT_ADAPT_HPP
#define VISOR_TESTS_STORE_CONTRACT_ADAPT_HPP

#include "contract/tested_store.hpp"
#include "support/run.hpp"

#include <boost/asio/io_context.hpp>

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace visor_test {

/// Makes and drops a trigger that refuses rows.
struct row_refusals {
  std::function<void(std::string const& table, std::string const& when, std::string const& change)> begin;
  std::function<void(std::string const& table, std::string const& change)> end;
};

/// Adapts any store to `tested_store`.
/// \tparam Clock has a member `advance(duration)`; it moves the time of the stores that `make` returns
template <visor::store Store, class Clock>
class adapted final : public tested_store {
 public:
  /// \param make a store on the data of this test, not yet open; each call gives one on the same data
  /// \param refusals how a trigger is made and dropped; none: there is no SQL
  adapted(Clock clock, std::function<std::shared_ptr<Store>()> make, std::optional<row_refusals> refusals = std::nullopt)
      : clock_(std::move(clock)), make_(std::move(make)), refusals_(std::move(refusals)), store_(make_()) {
    adapted::open();
  }
  ~adapted() override {
    try {
      adapted::close();
    } catch (std::exception const&) {
    }
  }

  void open() override { run(store_->open()); }
  void close() override { run(store_->close()); }
  visor::instant now() override { return run(store_->now()); }
  visor::subscription on_change(std::function<void()> callback) override { return store_->on_change(std::move(callback)); }
  visor::node_lease join(visor::join_request request) override { return run(store_->join(std::move(request))); }
  visor::node_lease renew(visor::node_lease const& lease, visor::renewal how) override { return run(store_->renew(lease, how)); }
  void leave(visor::node_lease const& lease, visor::departure how) override { run(store_->leave(lease, how)); }
  std::vector<visor::recovery> recover(std::optional<visor::node_lease> evict) override { return run(store_->recover(std::move(evict))); }
  void request_state(std::string const& node, std::optional<visor::requested_state> state) override {
    run(store_->request_state(node, state));
  }
  bool remove_node(std::string const& node) override { return run(store_->remove_node(node)); }
  std::vector<visor::node_record> nodes() override { return run(store_->nodes()); }
  std::vector<visor::type_limit_record> limits() override { return run(store_->limits()); }
  std::vector<visor::node_type_record> node_types() override { return run(store_->node_types()); }
  visor::reserved_ids reserve_ids(std::size_t count) override { return run(store_->reserve_ids(count)); }
  std::size_t enqueue(std::span<visor::new_job const> jobs) override { return run(store_->enqueue(jobs)); }
  visor::exchange_result exchange(visor::node_lease const& lease, std::span<visor::job_result const> done,
                                  std::span<visor::release const> back, std::span<visor::claim_request const> wanted) override {
    return run(store_->exchange(lease, done, back, wanted));
  }
  visor::promotion promote(std::size_t limit) override { return run(store_->promote(limit)); }
  visor::pending_work pending_work() override { return run(store_->pending_work()); }
  visor::due_schedules due(std::size_t limit, std::optional<visor::due_position> after) override {
    return run(store_->due(limit, std::move(after)));
  }
  std::vector<visor::fired> fire(visor::node_lease const& lease, std::span<visor::fire_order const> orders) override {
    return run(store_->fire(lease, orders));
  }
  std::size_t note_missed(visor::node_lease const& lease, std::span<visor::missed_instant const> missed) override {
    return run(store_->note_missed(lease, missed));
  }
  std::vector<visor::instant> acted_on(std::string const& schedule, visor::instant after, std::size_t limit) override {
    return run(store_->acted_on(schedule, after, limit));
  }
  std::vector<bool> correct_next(std::span<visor::next_correction const> corrections) override {
    return run(store_->correct_next(corrections));
  }
  void put_manifest(std::string const& digest, int first, std::span<std::string const> parts) override {
    run(store_->put_manifest(digest, first, parts));
  }
  bool declare(visor::node_lease const& lease, std::span<visor::set_declaration const> sets) override {
    return run(store_->declare(lease, sets));
  }
  std::vector<std::string> declared(visor::schedule_set const& set) override { return run(store_->declared(set)); }
  std::vector<visor::declaration_record> declarations() override { return run(store_->declarations()); }
  std::vector<std::string> manifests(visor::schedule_set const& set) override { return run(store_->manifests(set)); }
  std::vector<std::string> manifest_parts(std::string const& digest) override { return run(store_->manifest_parts(digest)); }
  std::vector<visor::schedule_digest> schedule_digests(visor::origin of) override { return run(store_->schedule_digests(of)); }
  std::optional<std::vector<visor::change_result>> change_schedules(visor::schedule_set const& set, std::span<std::string const> basis,
                                                                    std::span<visor::schedule_change const> changes) override {
    return run(store_->change_schedules(set, basis, changes));
  }
  void add_schedules(std::span<visor::schedule_record const> records) override { run(store_->add_schedules(records)); }
  void add_schedule(visor::schedule_record record) override { run(store_->add_schedule(std::move(record))); }
  visor::schedule_record update_schedule(visor::schedule_record record) override { return run(store_->update_schedule(std::move(record))); }
  bool remove_schedule(std::string const& id) override { return run(store_->remove_schedule(id)); }
  std::optional<visor::schedule_record> find_schedule(std::string const& id) override { return run(store_->find_schedule(id)); }
  std::vector<visor::schedule_record> schedules(visor::schedule_filter filter) override {
    return run(store_->schedules(std::move(filter)));
  }
  std::vector<visor::fire_record> fires(std::string const& schedule, std::size_t limit) override {
    return run(store_->fires(schedule, limit));
  }
  std::optional<visor::job_view> find_job(visor::job_id id) override { return run(store_->find_job(id)); }
  std::vector<visor::job_view> jobs(visor::job_filter filter) override { return run(store_->jobs(std::move(filter))); }
  std::vector<visor::attempt_record> attempts(visor::job_id id) override { return run(store_->attempts(id)); }
  visor::cancel_result cancel_job(visor::job_id id) override { return run(store_->cancel_job(id)); }
  std::vector<visor::job_id> cancel_requests() override { return run(store_->cancel_requests()); }
  void retry_job(visor::job_id id) override { run(store_->retry_job(id)); }

  std::int64_t restored() override {
    if constexpr (requires { store_->schema(); })
      return run(store_->schema().restored());
    else
      return run(store_->restored());
  }

  void advance(visor::duration by) override { clock_.advance(by); }

  bool refuse_rows(std::string const& table, std::string const& when, std::string const& change) override {
    if (refusals_) refusals_->begin(table, when, change);
    return refusals_.has_value();
  }
  void accept_rows(std::string const& table, std::string const& change) override { refusals_->end(table, change); }

  std::shared_ptr<tested_store> another() override {
    auto made = make_();
    if (made == store_) return std::shared_ptr<tested_store>(this, [](tested_store*) {});
    return std::make_shared<adapted>(clock_, make_, refusals_);
  }

  void reopen() override {
    close();
    store_.reset();
    store_ = make_();
    open();
  }

 private:
  /// On a context that lives longer than the store, whose threads may still be leaving it when a task has ended.
  template <class T>
  T run(visor::task<T> work) {
    std::unique_ptr<boost::asio::io_context> context;
    {
      std::scoped_lock const lock{mutex_};
      if (!contexts_.empty()) {
        context = std::move(contexts_.back());
        contexts_.pop_back();
      }
    }
    if (!context) context = std::make_unique<boost::asio::io_context>(1);
    context_return const after{*this, context};
    return visor_test::run(*context, std::move(work));
  }

  struct context_return {
    adapted& to;
    std::unique_ptr<boost::asio::io_context>& context;
    ~context_return() {
      std::scoped_lock const lock{to.mutex_};
      to.contexts_.push_back(std::move(context));
    }
  };

  std::mutex mutex_;
  std::vector<std::unique_ptr<boost::asio::io_context>> contexts_;
  Clock clock_;
  std::function<std::shared_ptr<Store>()> make_;
  std::optional<row_refusals> refusals_;
  std::shared_ptr<Store> store_;
};

}  // namespace visor_test

#endif

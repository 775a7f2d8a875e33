#ifndef VISOR_TOOLS_STORAGE_OF_HPP
#define VISOR_TOOLS_STORAGE_OF_HPP

#include "storage.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <exception>
#include <optional>
#include <utility>

namespace visor_program {

/// Runs a task to its end on a context that nothing else uses.
inline void run_to_end(boost::asio::io_context& context, visor::task<> work) {
  std::exception_ptr thrown;
  context.restart();
  boost::asio::co_spawn(context, std::move(work), [&](std::exception_ptr failed) { thrown = std::move(failed); });
  context.run();
  if (thrown) std::rethrow_exception(thrown);
}

// So that `co_spawn`, which is slow to compile, is there once and not for every type of result.
template <class T>
visor::task<> keep(visor::task<T> work, std::optional<T>& value) {
  value.emplace(co_await std::move(work));
}

template <class T>
T run_to_end(boost::asio::io_context& context, visor::task<T> work) {
  std::optional<T> value;
  run_to_end(context, keep(std::move(work), value));
  return std::move(*value);
}

/// The storage of one kind of store. Opened here, closed in the end.
template <visor::store Store>
class storage_of final : public storage {
 public:
  template <class... Arguments>
  explicit storage_of(Arguments&&... arguments) : store_(std::forward<Arguments>(arguments)...) {
    run(store_.open());
  }
  ~storage_of() override {
    try {
      run(store_.close());
    } catch (std::exception const&) {
      // Everything that was asked for has been done and acknowledged.
    }
  }

  visor::instant now() override { return run(store_.now()); }
  std::vector<visor::schedule_record> schedules(visor::schedule_filter const& filter) override { return run(store_.schedules(filter)); }
  std::optional<visor::schedule_record> find_schedule(std::string const& id) override { return run(store_.find_schedule(id)); }
  void add_schedule(visor::schedule_record const& schedule) override { run(store_.add_schedule(schedule)); }
  visor::schedule_record update_schedule(visor::schedule_record const& schedule) override { return run(store_.update_schedule(schedule)); }
  bool remove_schedule(std::string const& id) override { return run(store_.remove_schedule(id)); }
  std::vector<visor::fire_record> fires(std::string const& schedule, std::size_t limit) override {
    return run(store_.fires(schedule, limit));
  }
  std::vector<visor::job_view> jobs(visor::job_filter const& filter) override { return run(store_.jobs(filter)); }
  std::optional<visor::job_view> find_job(visor::job_id id) override { return run(store_.find_job(id)); }
  std::vector<visor::attempt_record> attempts(visor::job_id id) override { return run(store_.attempts(id)); }
  visor::job_id enqueue(visor::new_job job) override {
    job.id = run(store_.reserve_ids(1));
    run(store_.enqueue(std::span<visor::new_job const>(&job, 1)));
    return job.id;
  }
  visor::cancel_result cancel_job(visor::job_id id) override { return run(store_.cancel_job(id)); }
  void retry_job(visor::job_id id) override { run(store_.retry_job(id)); }
  std::vector<visor::node_record> nodes() override { return run(store_.nodes()); }
  std::vector<visor::type_limit_record> limits() override { return run(store_.limits()); }
  std::vector<visor::recovery> recover(std::optional<visor::node_lease> const& evict) override { return run(store_.recover(evict)); }
  void set_wish(std::string const& node, std::optional<visor::node_wish> wish) override { run(store_.set_wish(node, wish)); }
  bool remove_node(std::string const& node) override { return run(store_.remove_node(node)); }

 private:
  template <class T>
  T run(visor::task<T> work) {
    return run_to_end(context_, std::move(work));
  }

  boost::asio::io_context context_{1};
  Store store_;
};

}  // namespace visor_program

#endif

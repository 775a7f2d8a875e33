// The program of docs/cpp.md, whose code blocks are parts of this file. It adds some jobs, runs them, and ends.
#include <visor/sqlite.hpp>
#include <visor/visor.hpp>

#include <boost/asio/use_future.hpp>

#include <chrono>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

struct send_receipt {
  std::string to;
  int order = 0;
};
BOOST_DESCRIBE_STRUCT(send_receipt, (), (to, order))

template <>
struct visor::job_type_of<send_receipt> {
  static constexpr std::string_view name = "send-receipt";
  static constexpr int max_attempts = 5;
  static constexpr auto timeout = std::chrono::seconds(30);
};

struct resize {
  std::string file;
};
BOOST_DESCRIBE_STRUCT(resize, (), (file))

template <>
struct visor::job_type_of<resize> {
  static constexpr std::string_view name = "resize";
};

struct finish {};
BOOST_DESCRIBE_STRUCT(finish, (), ())

template <>
struct visor::job_type_of<finish> {
  static constexpr std::string_view name = "finish";
};

using scheduler_type = visor::scheduler<visor::sqlite>;

// Adds jobs from a coroutine of the program.
visor::task<> add_jobs(scheduler_type& scheduler) {
  visor::job_id const first = co_await scheduler.async_enqueue(visor::job<send_receipt>("ann@example.com", 1));
  std::cout << "added job " << first << std::endl;

  co_await scheduler.async_enqueue(visor::job<send_receipt>("bob@example.com", 2).priority(10).max_attempts(1));

  std::vector<visor::job<resize>> all;
  for (int i = 1; i <= 3; ++i) all.emplace_back("photo" + std::to_string(i));
  co_await scheduler.async_enqueue_many(all);

  auto const soon = visor::wall_clock().now() + std::chrono::seconds(1);
  co_await scheduler.async_enqueue(visor::job<finish>().run_at(soon));
}

int main() {
  boost::asio::io_context io;
  visor::settings settings = visor::settings::from_environment();
  settings.storage.connection.filename = ".visor/guide.db";
  scheduler_type scheduler(io, settings);

  scheduler.on<send_receipt>([](visor::job_context& job, send_receipt const& receipt) -> visor::task<> {
    job.log("order " + std::to_string(receipt.order));
    if (receipt.to.find('@') == std::string::npos) throw visor::permanent_failure(receipt.to + " is no address");
    std::cout << "receipt for " << receipt.to << std::endl;
    co_return;
  });

  scheduler.on<resize>([](visor::job_context& job, resize const& what) {
    for (int percent = 0; percent < 100; percent += 25) {
      if (job.stop_requested()) throw std::runtime_error("stopped at " + std::to_string(percent) + " %");
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    job.enqueue_with(visor::job<send_receipt>(what.file + "@example.com", 3));
  });

  scheduler.on<finish>([&](finish const&) -> visor::task<> {
    scheduler.stop();
    co_return;
  });

  using namespace visor::literals;
  scheduler.at("nightly", "0 2 * * *"_cron, resize{"backup"});

  boost::asio::co_spawn(io, add_jobs(scheduler), [&](std::exception_ptr failure) {
    if (!failure) return;
    scheduler.stop();
    std::rethrow_exception(failure);
  });
  scheduler.run();
  std::cout << "done" << std::endl;
}

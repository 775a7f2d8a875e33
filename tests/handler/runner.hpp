#ifndef VISOR_TESTS_HANDLER_RUNNER_HPP
#define VISOR_TESTS_HANDLER_RUNNER_HPP

#include "visor/engine/job_context.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>

#include <chrono>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <unistd.h>

namespace visor_test {

/// The outcome of one run of a handler.
struct outcome {
  bool ended = false;
  bool good = false;
  bool permanent = false;
  std::optional<visor::errc> code;  ///< of a `visor::error`
  std::optional<std::errc> not_started;
  std::string message;
  std::optional<visor::duration> not_before;  ///< of a `retry_later`
  std::string output;
  std::chrono::milliseconds took{};
};

/// When and why a job is asked to stop.
struct stop_order {
  visor::stop_reason why = visor::stop_reason::none;
  std::function<bool()> when;  ///< looked at every few milliseconds
  bool cancel_too = true;      ///< also terminal cancellation, as the engine does
};

inline visor::claimed_job job_with(std::string payload, std::string type = "test") {
  visor::claimed_job job;
  job.id = 42;
  job.attempt = 2;
  job.type = std::move(type);
  job.payload = std::move(payload);
  return job;
}

/// Runs one handler as the engine runs many.
inline outcome run_handler(visor::handler const& code, visor::claimed_job job, stop_order stop = stop_order(), int threads = 1,
                           std::size_t output_limit = visor::job_context::default_output_limit) {
  boost::asio::io_context io{threads};
  visor::job_context context(std::move(job), "node-1", 7, io.get_executor(), output_limit);
  outcome result;
  boost::asio::cancellation_signal cancel;
  auto const strand = boost::asio::make_strand(io);
  boost::asio::steady_timer poll{strand};
  auto const ended = [&](std::exception_ptr thrown) {
    result.ended = true;
    poll.cancel();
    try {
      if (thrown) std::rethrow_exception(thrown);
      result.good = true;
    } catch (visor::permanent_failure const& failure) {
      result.permanent = true;
      result.code = failure.portable_code();
      result.message = failure.what();
    } catch (visor::not_started const& failure) {
      result.not_started = failure.why();
      result.message = failure.what();
    } catch (visor::retry_later const& failure) {
      result.not_before = failure.after();
      result.code = failure.portable_code();
      result.message = failure.what();
    } catch (visor::error const& failure) {
      result.code = failure.portable_code();
      result.message = failure.what();
    } catch (std::exception const& failure) {
      result.message = failure.what();
    }
  };
  auto const started = std::chrono::steady_clock::now();
  std::function<void()> look = [&] {
    poll.expires_after(std::chrono::milliseconds{3});
    poll.async_wait([&](boost::system::error_code failed) {
      if (failed || result.ended) return;
      if (!stop.when()) return look();
      context.request_stop(stop.why);
      if (stop.cancel_too) cancel.emit(boost::asio::cancellation_type::terminal);
    });
  };
  boost::asio::co_spawn(strand, code(context), boost::asio::bind_cancellation_slot(cancel.slot(), ended));
  if (stop.why != visor::stop_reason::none) boost::asio::post(strand, look);
  std::vector<std::thread> others;
  for (int i = 1; i < threads; ++i) others.emplace_back([&] { io.run(); });
  io.run();
  for (auto& other : others) other.join();
  result.took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - started);
  result.output = context.take_output();
  return result;
}

/// A folder that is removed with its owner.
class scratch {
 public:
  scratch() {
    std::string name = (std::filesystem::temp_directory_path() / "visor-test-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  scratch(scratch const&) = delete;
  scratch& operator=(scratch const&) = delete;
  ~scratch() { std::filesystem::remove_all(path_); }

  std::string operator/(std::string const& name) const { return (path_ / name).string(); }
  std::string path() const { return path_.string(); }
  bool has(std::string const& name) const { return std::filesystem::exists(path_ / name); }
  std::string read(std::string const& name) const {
    std::ifstream file(path_ / name);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::string write(std::string const& name, std::string const& text) const {
    std::ofstream(path_ / name) << text;
    return *this / name;
  }

 private:
  std::filesystem::path path_;
};

inline std::size_t open_descriptors() {
  std::filesystem::directory_iterator const all{"/proc/self/fd"};
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

/// Whether a process is there that has not ended; a zombie has.
inline bool alive(long id) {
  std::ifstream file("/proc/" + std::to_string(id) + "/stat");
  std::string text{std::istreambuf_iterator<char>(file), {}};
  auto const name_end = text.rfind(')');
  return name_end != text.npos && text[name_end + 2] != 'Z' && text[name_end + 2] != 'X';
}

/// Waits until `holds` does, at most 10 s.
inline bool eventually(std::function<bool()> const& holds) {
  for (int i = 0; i < 2000; ++i) {
    if (holds()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds{5});
  }
  return false;
}

}  // namespace visor_test

#endif

#ifndef VISOR_TESTS_STORE_CONTRACT_THREADS_HPP
#define VISOR_TESTS_STORE_CONTRACT_THREADS_HPP

#include "contract/store_fixture.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace visor_test {

/// Runs `work(thread number)` in `count` threads at the same time. What they throw is reported as a failure.
inline void in_threads(int count, std::function<void(int)> const& work) {
  std::atomic<int> waiting = count;
  std::mutex mutex;
  std::string failures;
  std::vector<std::thread> threads;
  for (int number = 0; number < count; ++number)
    threads.emplace_back([&, number] {
      --waiting;
      while (waiting > 0) std::this_thread::yield();
      try {
        work(number);
      } catch (std::exception const& failure) {
        std::scoped_lock const lock{mutex};
        failures += std::string(failure.what()) + "\n";
      }
    });
  for (auto& thread : threads) thread.join();
  CHECK(failures == "");
}

/// The same store, and others on its data: as many processes would see it.
inline std::vector<std::shared_ptr<tested_store>> stores_of(store_fixture& s, int count) {
  std::vector<std::shared_ptr<tested_store>> result;
  for (int i = 0; i < count; ++i) result.push_back(s->another());
  return result;
}

}  // namespace visor_test

#endif

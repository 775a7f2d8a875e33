// Tests a handler that pays, with nodes that crash and replies that get lost. The first form pays twice when a node dies
// between the payment and the commit of its result. The second form gives the bank an idempotency key by which it recognizes a
// repeated payment.

#include <visor/simulation.hpp>

#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <iostream>
#include <set>
#include <string>

using namespace std::chrono_literals;

// The external system of the handlers: here a bank that only counts.
struct bank {
  int payments = 0;
  std::set<visor::job_id> keys;

  void pay() { ++payments; }
  void pay_once(visor::job_id key) { payments += keys.insert(key).second ? 1 : 0; }
};

// Handlers are made for any clock, so that they wait in virtual time here, and with `visor::wall_clock` in the program.
template <visor::timekeeper Clock, class Pay>
visor::handler paying(Clock clock, Pay pay) {
  return [clock, pay](visor::job_context& job) -> visor::task<> {
    typename Clock::timer timer{job.executor(), clock};
    auto talk_to_the_bank = timer.async_wait_for(2s, boost::asio::use_awaitable);
    co_await std::move(talk_to_the_bank);
    pay(job);
    auto write_the_receipt = timer.async_wait_for(2s, boost::asio::use_awaitable);
    co_await std::move(write_the_receipt);
  };
}

// Returns the number of excess payments after 100 jobs in a cluster with this seed.
template <class Pay>
int payments_too_many(std::uint64_t seed, bank& paid, Pay pay) {
  visor::simulated_faults faults;
  faults.crash = 30s;
  faults.unanswered = 0.01;
  visor::simulation cluster(seed, faults);
  cluster.add(visor::job_type("pay", paying(cluster.clock(), pay)));
  for (int i = 0; i < 3; ++i) cluster.add_node();
  for (int i = 0; i < 100; ++i) {
    visor::new_job job;
    job.type = "pay";
    job.max_attempts = 1000;
    cluster.enqueue(job);
    cluster.run_for(5s);
  }
  if (!cluster.rest(1h)) std::cout << "seed " << seed << ": not all jobs ended\n";
  return paid.payments - 100;
}

int main() {
  int careless = 0, careful = 0;
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    bank first, second;
    careless += payments_too_many(seed, first, [&](visor::job_context&) { first.pay(); });
    careful += payments_too_many(seed, second, [&](visor::job_context& job) { second.pay_once(job.id()); });
  }
  std::cout << "of 5000 payments too many without a key: " << careless << ", with one: " << careful << std::endl;
}

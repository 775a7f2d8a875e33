// The allocations of a job: every operator new of this program is counted.
#include "fake_clock_cluster.hpp"

#include "support/allocations.hpp"

using namespace visor_test;

TEST_CASE("from its claim to its report a job allocates once, for itself") {
  constexpr std::size_t batch = 500;
  constexpr int rounds = 20;
  fake_clock_cluster w;
  auto how = fake_clock_cluster::settings();
  how.queues = {visor::queue_settings("default", 2 * batch)};
  fake_clock_cluster::node node;  // one that tells nobody what it does
  node.engine = std::make_unique<engine_type>(w.io.get_executor(), w.store, how, w.clock);
  int runs = 0;
  node.engine->add(visor::job_type("quick", [&](visor::job_context&) -> visor::task<> {
    ++runs;
    co_return;
  }));

  std::vector<visor::exchange_result> prepared(rounds);
  visor::job_id last = 0;
  for (auto& result : prepared) {
    auto& claim = result.claims.emplace_back();
    claim.queue = "default";
    claim.lease = ++last;
    claim.jobs.resize(batch);
    for (auto& job : claim.jobs) {
      job.id = ++last;
      job.type = "quick";
      job.queue = "default";
      job.payload.assign(150, 'x');
      job.payload.front() = job.payload.back() = '"';
    }
  }
  std::vector<long> before;
  before.reserve(rounds + 1);
  w.store.in_place_of_exchange = [&](store_type::exchange_size size) {
    visor::exchange_result result;
    if (size.wanted == 0 || before.size() > rounds) return result;
    before.push_back(allocations);
    if (before.size() <= rounds) result = std::move(prepared[before.size() - 1]);
    return result;
  };
  w.start(node);
  w.pass(10ms);
  CHECK(runs == rounds * batch);
  REQUIRE(before.size() == rounds + 1);
  // Of the second half, when what grows once has grown.
  double const each = static_cast<double>(before[rounds] - before[rounds / 2]) / (rounds / 2 * batch);
  INFO("allocations a job: " << each);
  CHECK(each < 1.25);
  w.store.in_place_of_exchange = nullptr;
  node.engine->stop();
  w.pass(2min);
  CHECK(node.ended);
}

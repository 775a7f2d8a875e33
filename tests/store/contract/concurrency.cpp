#include "contract/store_fixture.hpp"
#include "contract/threads.hpp"

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>

/// The same promises when many do it at once.
namespace visor_test {

namespace {

/// Counts in memory, since assertions are for one thread only.
struct tally {
  std::mutex mutex;
  std::map<visor::job_id, int> times;
  void add(visor::claim const& claimed) {
    std::scoped_lock const lock{mutex};
    for (auto const& job : claimed.jobs) ++times[job.id];
  }
};

std::vector<visor::claim_request> requests(std::size_t limit) { return {visor::claim_request("default", limit)}; }

}  // namespace

TEST_CASE("ids are unique among threads", "[contract]") {
  store_fixture s;
  std::mutex mutex;
  std::set<std::int64_t> seen;
  std::atomic<int> doubles = 0;
  auto const stores = stores_of(s, 4);
  in_threads(8, [&](int number) {
    auto& store = *stores[static_cast<std::size_t>(number % 4)];
    for (int i = 0; i < 20; ++i) {
      std::size_t const count = static_cast<std::size_t>(number + 1);
      auto reserved = store.reserve_ids(count);
      std::scoped_lock const lock{mutex};
      doubles += reserved.size() == count ? 0 : 1;
      while (!reserved.empty()) doubles += seen.insert(reserved.take()).second ? 0 : 1;
    }
  });
  CHECK(doubles == 0);
  CHECK(seen.size() == 20 * 36);
}

TEST_CASE("eight threads never get one job twice", "[contract]") {
  store_fixture s;
  constexpr visor::job_id total = 2'000;
  std::vector<visor::node_lease> leases;
  for (int i = 0; i < 8; ++i) leases.push_back(s.join("n" + std::to_string(i % 4)));
  for (int i = 0; i < 4; ++i) leases[static_cast<std::size_t>(i)] = leases[static_cast<std::size_t>(i + 4)];
  tally claimed;
  std::atomic<visor::job_id> added = 0;
  std::atomic<int> refused = 0;
  auto const stores = stores_of(s, 4);
  in_threads(8, [&](int number) {
    auto const& lease = leases[static_cast<std::size_t>(number)];
    auto& store = *stores[static_cast<std::size_t>(number % 4)];
    std::size_t empty = 0;
    std::vector<visor::job_result> done;
    while (empty < 3 || added < total) {
      if (added < total) {
        std::vector<visor::new_job> more;
        for (int i = 0; i < 25; ++i)
          if (auto const id = ++added; id <= total) more.push_back(store_fixture::job(id, static_cast<int>(id % 5)));
        store.enqueue(more);
      }
      auto const result = store.exchange(lease, done, {}, requests(7));
      refused += static_cast<int>(result.refused.size());
      done.clear();
      empty = result.claims.empty() ? empty + 1 : 0;
      for (auto const& each : result.claims) {
        claimed.add(each);
        for (std::size_t i = 0; i < each.jobs.size(); ++i) done.push_back(store_fixture::success(each, i));
      }
    }
    store.exchange(lease, done, {}, {});
  });
  auto const rest = s.claim(leases[0], 10'000);
  claimed.add(rest);
  CHECK(refused == 0);
  CHECK(claimed.times.size() == total);
  CHECK(std::all_of(claimed.times.begin(), claimed.times.end(), [](auto const& each) { return each.second == 1; }));
}

TEST_CASE("the same enqueue from many threads adds each job once", "[contract]") {
  store_fixture s;
  std::vector<visor::new_job> jobs;
  for (visor::job_id id = 1; id <= 50; ++id) jobs.push_back(store_fixture::job(id));
  std::atomic<std::size_t> added = 0;
  auto const stores = stores_of(s, 4);
  in_threads(4, [&](int number) {
    for (int i = 0; i < 5; ++i) added += stores[static_cast<std::size_t>(number)]->enqueue(jobs);
  });
  CHECK(added == 50);
  CHECK(s.claim(s.join("a"), 1000).jobs.size() == 50);
}

TEST_CASE("four nodes fire each instant once", "[contract]") {
  auto const seed = std::random_device{}();
  CAPTURE(seed);
  store_fixture s;
  std::vector<visor::node_lease> leases;
  for (int i = 0; i < 4; ++i) leases.push_back(s.join("n" + std::to_string(i), 24h));
  auto const start = s->now();
  constexpr int schedules = 5;
  constexpr int instants = 40;
  for (int i = 0; i < schedules; ++i) s->add_schedule(s.schedule("s" + std::to_string(i)));
  s->advance(instants * 1min - 1s);
  std::atomic<visor::job_id> next_id = 0;
  std::atomic<int> accepted = 0;
  std::atomic<int> too_late = 0;
  auto const stores = stores_of(s, 4);
  in_threads(4, [&](int number) {
    auto& store = *stores[static_cast<std::size_t>(number)];
    std::mt19937 random{seed + static_cast<unsigned>(number)};
    for (;;) {
      auto const due = store.due(static_cast<std::size_t>(random() % schedules + 1));
      if (due.schedules.empty()) return;
      std::vector<visor::fire_order> orders;
      for (auto const& schedule : due.schedules) {
        auto& order = orders.emplace_back();
        order.schedule = schedule.id;
        order.version = schedule.version;
        order.expected_next = schedule.next_at;
        int const count = static_cast<int>(random() % 3) + 1;
        for (int k = 0; k < count && *schedule.next_at + k * 1min <= due.now; ++k) {
          order.planned.push_back(*schedule.next_at + k * 1min);
          order.ids.push_back(++next_id);
        }
        order.next_at = order.planned.back() + 1min;
      }
      for (auto const& result : store.fire(leases[static_cast<std::size_t>(number)], orders)) {
        if (result.accepted)
          accepted += static_cast<int>(result.fires.size());
        else
          ++too_late;
      }
    }
  });
  CHECK(accepted == schedules * instants);
  for (int i = 0; i < schedules; ++i) {
    auto const fires = s->fires("s" + std::to_string(i), 1000);
    REQUIRE(fires.size() == instants);
    bool each_once = true;
    for (int k = 0; k < instants; ++k)
      each_once = each_once && fires[static_cast<std::size_t>(k)].planned_at == start + (instants - 1 - k) * 1min;
    CHECK(each_once);
    CHECK(s->find_schedule("s" + std::to_string(i))->run_count == instants);
  }
  CHECK(s.claim(leases[0], 10'000).jobs.size() == schedules * instants);
}

TEST_CASE("completing and recovering at once end a job once", "[contract]") {
  store_fixture s;
  auto const stores = stores_of(s, 3);
  for (int round = 0; round < 30; ++round) {
    auto const doomed = s.join("doomed", 10s);
    visor::job_id const first = round * 10 + 1;
    for (visor::job_id id = first; id < first + 10; ++id) {
      auto made = s.job(id);
      made.max_lost = 0;
      s.add(made);
    }
    auto const claimed = s.claim(doomed, 10);
    REQUIRE(claimed.jobs.size() == 10);
    s->advance(10s);
    std::vector<visor::job_id> refused;
    std::vector<visor::recovery> recovered[2];
    in_threads(3, [&](int number) {
      if (number > 0) {
        recovered[number - 1] = stores[static_cast<std::size_t>(number)]->recover();
        return;
      }
      for (std::size_t i = 0; i < 10; ++i) {
        std::vector const done{s.done(claimed, i)};
        for (auto const id : s->exchange(doomed, done, {}, {}).refused) refused.push_back(id);
      }
    });
    ids dead;
    for (auto const& each : recovered)
      for (auto const& lapsed : each) dead.insert(dead.end(), lapsed.dead.begin(), lapsed.dead.end());
    CHECK(recovered[0].size() + recovered[1].size() == 1);
    CHECK(dead == refused);
    for (visor::job_id id = first; id < first + 10; ++id) {
      bool const died = std::find(dead.begin(), dead.end(), id) != dead.end();
      CHECK(s.history(id) == (died ? "lost:dead" : "completed:completed"));
    }
  }
}

TEST_CASE("of a result and a return of one job at the same time one counts", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a", 24h);
  constexpr int size = 10;
  for (int round = 0; round < 30; ++round) {
    visor::job_id const first = round * size + 1;
    for (visor::job_id id = first; id < first + size; ++id) s.add(s.job(id, 100, "round" + std::to_string(round)));
    auto const claimed = s.claim(lease, size, "round" + std::to_string(round));
    REQUIRE(claimed.jobs.size() == size);
    ids refused[2];
    in_threads(2, [&](int number) {
      for (std::size_t i = 0; i < size; ++i) {
        std::vector<visor::job_result> done;
        std::vector<visor::release> back;
        if (number == 0)
          done.push_back(store_fixture::success(claimed, i));
        else
          back.emplace_back(claimed.lease, claimed.jobs[i].id);
        for (auto const id : s->exchange(lease, done, back, {}).refused) refused[number].push_back(id);
      }
    });
    for (visor::job_id id = first; id < first + size; ++id) {
      bool const is_ended = std::ranges::find(refused[0], id) == refused[0].end();
      bool const is_back = std::ranges::find(refused[1], id) == refused[1].end();
      CHECK(is_ended != is_back);
      CHECK(s.state(id) == (is_ended ? "completed" : "ready"));
    }
  }
}

TEST_CASE("what is due is moved to the queue once, whoever moves it", "[contract]") {
  store_fixture s;
  constexpr visor::job_id total = 400;
  std::vector<visor::new_job> jobs;
  for (visor::job_id id = 1; id <= total; ++id) {
    jobs.push_back(store_fixture::job(id));
    jobs.back().run_at = s->now() + 1s;
  }
  s->enqueue(jobs);
  s->advance(2s);
  auto const lease = s.join("a");
  std::atomic<std::size_t> moved = 0;
  auto const stores = stores_of(s, 4);
  in_threads(4, [&](int number) {
    auto& store = *stores[static_cast<std::size_t>(number)];
    for (int i = 0; i < 30; ++i) moved += store.promote(20).moved;
  });
  CHECK(moved == total);
  CHECK(s.claim(lease, 10'000).jobs.size() == total);
}

TEST_CASE("jobs of the same schedules end at once, and each is counted", "[contract]") {
  store_fixture s;
  constexpr int schedules = 4;
  constexpr int rounds = 10;
  auto const firing = s.join("firing", 24h);
  for (int i = 0; i < schedules; ++i) s->add_schedule(s.schedule("s" + std::to_string(i)));
  std::vector<visor::node_lease> leases;
  std::vector<visor::claim> claims;
  constexpr int nodes = 4;
  for (int i = 0; i < nodes; ++i) leases.push_back(s.join("n" + std::to_string(i), 24h));
  visor::job_id id = 0;
  for (int round = 0; round < rounds; ++round) {
    for (int i = 0; i < schedules; ++i) s.fire(firing, s.order("s" + std::to_string(i), ++id));
    s->advance(1min);
  }
  for (int i = 0; i < nodes; ++i) claims.push_back(s.claim(leases[static_cast<std::size_t>(i)], rounds * schedules / nodes));
  std::atomic<std::size_t> refused = 0;
  auto const stores = stores_of(s, nodes);
  in_threads(nodes, [&](int number) {
    auto const at = static_cast<std::size_t>(number);
    auto const& mine = claims[at];
    std::vector<visor::job_result> done;
    for (std::size_t i = 0; i < mine.jobs.size(); ++i) {
      done.push_back(store_fixture::success(mine, number % 2 == 0 ? i : mine.jobs.size() - 1 - i));
      done.back().outcome = visor::outcome::failed;
      done.back().state = visor::job_state::failed;
      done.back().error = "it broke";
    }
    for (std::size_t i = 0; i < done.size(); i += 5)
      refused += stores[at]->exchange(leases[at], std::span(done).subspan(i, 5), {}, {}).refused.size();
  });
  CHECK(refused == 0);
  for (int i = 0; i < schedules; ++i) CHECK(s->find_schedule("s" + std::to_string(i))->failure_count == rounds);
}

TEST_CASE("only one of many changes at once gets through", "[contract]") {
  store_fixture s;
  s->add_schedule(s.schedule("tick"));
  auto const read = s->find_schedule("tick").value();
  std::atomic<int> won = 0;
  std::atomic<int> lost = 0;
  std::atomic<int> added = 0;
  auto const stores = stores_of(s, 4);
  in_threads(8, [&](int number) {
    auto mine = read;
    auto& store = *stores[static_cast<std::size_t>(number % 4)];
    mine.payload = std::to_string(number);
    try {
      store.update_schedule(mine);
      ++won;
    } catch (visor::error const& failure) {
      lost += failure.code() == visor::errc::conflict ? 1 : 0;
    }
    try {
      store.add_schedule(s.schedule("new"));
      ++added;
    } catch (visor::error const& failure) {
      lost += failure.code() == visor::errc::already_exists ? 1 : 0;
    }
  });
  CHECK(won == 1);
  CHECK(added == 1);
  CHECK(lost == 14);
  CHECK(s->find_schedule("tick")->version == 2);
}

TEST_CASE("of many exclusive nodes one gets in", "[contract]") {
  store_fixture s;
  std::atomic<int> in = 0;
  std::atomic<int> out = 0;
  auto const stores = stores_of(s, 4);
  in_threads(8, [&](int number) {
    visor::join_request request;
    request.node = "n" + std::to_string(number);
    request.exclusive = true;
    try {
      stores[static_cast<std::size_t>(number % 4)]->join(request);
      ++in;
    } catch (visor::error const& failure) {
      out += failure.code() == visor::errc::lease_held ? 1 : 0;
    }
  });
  CHECK(in == 1);
  CHECK(out == 7);
}

TEST_CASE("cancelling races with claiming and leaves no job in between", "[contract]") {
  store_fixture s;
  auto const lease = s.join("a");
  constexpr visor::job_id total = 200;
  std::vector<visor::new_job> jobs;
  for (visor::job_id id = 1; id <= total; ++id) jobs.push_back(store_fixture::job(id));
  s->enqueue(jobs);
  tally claimed;
  std::vector<std::string> answers(total + 1);
  auto const stores = stores_of(s, 2);
  in_threads(2, [&](int number) {
    if (number == 0) {
      for (visor::job_id id = total; id >= 1; --id) answers[static_cast<std::size_t>(id)] = text(stores[0]->cancel_job(id));
      return;
    }
    for (;;) {
      auto const result = stores[1]->exchange(lease, {}, {}, requests(1));
      if (result.claims.empty()) return;
      claimed.add(result.claims[0]);
    }
  });
  std::size_t wrong = 0;
  for (visor::job_id id = 1; id <= total; ++id) {
    bool const runs = claimed.times.contains(id);
    wrong += s.state(id) == (runs ? "running" : "cancelled") ? 0 : 1;
    wrong += answers[static_cast<std::size_t>(id)] == (runs ? "requested" : "cancelled") ? 0 : 1;
  }
  CHECK(wrong == 0);
  CHECK(s->cancel_requests().size() == claimed.times.size());
}

}  // namespace visor_test

#include "visor/pool/core.hpp"

#include "support/catch.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using visor::close_reason;
using visor::duration;
using visor::pool_settings;
using core = visor::detail::pool_core;
using slot = core::slot;
using ticket = core::ticket;
using kind = core::action::kind;
using refusal = core::action::refusal;
using returned = visor::connection_state;
using purpose = visor::connection_purpose;

namespace {

/// A pool's decisions, with a clock, and lists of what it asked for.
struct pool_core_fixture {
  explicit pool_core_fixture(pool_settings of, std::uint64_t seed = 1) : settings(of), pool(of, seed) { settings.check(); }

  pool_settings settings;
  core pool;
  duration now{1h};
  std::vector<slot> connecting, pinging, resetting, closing;
  std::map<slot, close_reason> reasons;
  std::map<ticket, slot> granted;
  std::vector<ticket> granted_order;
  std::map<ticket, refusal> refused;
  std::vector<slot> reported;
  std::vector<slot> interrupted;

  void look() {
    std::vector<core::action> actions;
    pool.take_actions(actions);
    for (auto const& each : actions) {
      switch (each.what) {
        case kind::connect: connecting.push_back(each.connection); break;
        case kind::ping: pinging.push_back(each.connection); break;
        case kind::reset: resetting.push_back(each.connection); break;
        case kind::close:
          closing.push_back(each.connection);
          reasons[each.connection] = each.reason;
          break;
        case kind::grant:
          granted[each.caller] = each.connection;
          granted_order.push_back(each.caller);
          break;
        case kind::refuse: refused[each.caller] = each.why; break;
        case kind::report: reported.push_back(each.connection); break;
        case kind::interrupt: interrupted.push_back(each.connection); break;
      }
    }
  }

  ticket wait(bool fail_fast = false, purpose why = purpose::work) {
    ticket const mine = pool.wait(now, settings.acquire_timeout, fail_fast, why);
    look();
    return mine;
  }

  static slot take_first(std::vector<slot>& from) {
    REQUIRE_FALSE(from.empty());
    slot const first = from.front();
    from.erase(from.begin());
    return first;
  }

  void connect() {
    pool.connected(take_first(connecting), now);
    look();
  }
  void fail_connect(bool is_permanent = false) {
    pool.connect_failed(take_first(connecting), is_permanent, now);
    look();
  }
  void answer(bool good = true) {
    pool.pinged(take_first(pinging), good, now);
    look();
  }
  void finish_reset(bool good = true) {
    pool.was_reset(take_first(resetting), good, now);
    look();
  }
  void finish_close() {
    pool.closed(take_first(closing), now);
    look();
  }
  void release(slot which, returned how = returned::clean) {
    pool.release(which, how, now);
    look();
  }

  /// Lets time pass, waking up when the pool wants to.
  void pass(duration length) {
    duration const until = now + length;
    while (pool.wake_at() <= until) {
      now = std::max(now, pool.wake_at());
      duration const before = pool.wake_at();
      pool.tick(now);
      look();
      REQUIRE(pool.wake_at() > before);  // or it would spin
    }
    now = until;
  }

  /// A connection that is in use.
  slot make(purpose why = purpose::work) {
    ticket const mine = wait(false, why);
    if (!granted.contains(mine)) connect();
    return granted.at(mine);
  }
};

pool_settings with(int max, int min = 0) {
  pool_settings settings;
  settings.max = max;
  settings.min = min;
  return settings;
}

}  // namespace

TEST_CASE("a connection is made when it is needed, and kept for the next") {
  pool_core_fixture s(with(2));
  CHECK(s.connecting.empty());
  CHECK_FALSE(s.pool.acquire(s.now));
  auto const mine = s.wait();
  REQUIRE(s.connecting.size() == 1);
  s.connect();
  auto const first = s.granted.at(mine);
  s.release(first);
  CHECK(s.pool.acquire(s.now) == first);
  CHECK_FALSE(s.pool.acquire(s.now));
}

TEST_CASE("the one that came back last is given out first") {
  pool_core_fixture s(with(3));
  auto const a = s.make(), b = s.make(), c = s.make();
  for (slot const each : {b, c, a}) {
    s.pass(1s);
    s.release(each);
  }
  CHECK(s.pool.acquire(s.now) == a);
  CHECK(s.pool.acquire(s.now) == c);
  CHECK(s.pool.acquire(s.now) == b);
}

TEST_CASE("there are never more connections than max, whatever happens") {
  auto const seed = GENERATE(range(1U, 21U));
  CAPTURE(seed);
  std::minstd_rand random(seed);
  auto settings = with(1 + static_cast<int>(seed % 5), static_cast<int>(seed % 2));
  settings.max_connecting = 1 + static_cast<int>(seed % 3);
  settings.max_lifetime = 60s;
  settings.keepalive = 20s;
  settings.validation_window = 3s;
  pool_core_fixture s(settings, seed);
  std::vector<slot> held;
  std::set<ticket> waiting, beats;
  std::set<slot> held_by_beats;
  bool had_beat = false;
  int overdrawn = 0, others_before = 0;
  std::uint64_t answers = 0;
  for (int step = 0; step < 2000; ++step) {
    auto const dice = random() % 15;
    if (dice < 3) {
      waiting.insert(s.wait(dice == 0, random() % 8 == 0 ? purpose::listening : purpose::work));
    } else if (dice == 14 && step > 500 && beats.size() + held_by_beats.size() < 2) {
      had_beat = true;
      auto const mine = s.wait(false, purpose::heartbeat);
      waiting.insert(mine);
      beats.insert(mine);
    } else if (dice < 5 && !held.empty()) {
      auto const at = random() % held.size();
      slot const which = held[at];
      held.erase(held.begin() + static_cast<std::ptrdiff_t>(at));
      s.release(which, static_cast<returned>(random() % 3));
    } else if (dice == 5 && !waiting.empty()) {
      if (s.pool.give_up(*waiting.begin())) {
        beats.erase(*waiting.begin());
        waiting.erase(waiting.begin());
      }
    } else if (dice == 6 && !s.connecting.empty()) {
      s.fail_connect(random() % 5 == 0);
    } else if (dice < 9 && !s.connecting.empty()) {
      s.connect();
    } else if (dice == 9 && !s.pinging.empty()) {
      s.answer(random() % 3 != 0);
    } else if (dice == 10 && !s.resetting.empty()) {
      s.finish_reset(random() % 3 != 0);
    } else if (dice == 11 && !s.closing.empty()) {
      s.finish_close();
    } else if (dice == 12) {
      s.pass(std::chrono::milliseconds{random() % 4000});
    } else if (dice == 13 && random() % 20 == 0) {
      s.pool.evict_all(s.now);
      s.look();
    }
    std::erase_if(held_by_beats, [&](slot each) { return std::find(held.begin(), held.end(), each) == held.end(); });
    for (auto const& [mine, which] : s.granted) {
      CHECK(waiting.erase(mine) == 1);  // one answer each
      if (beats.erase(mine) != 0) held_by_beats.insert(which);
      CHECK(std::find(held.begin(), held.end(), which) == held.end());
      held.push_back(which);
      ++answers;
    }
    s.granted.clear();
    for (auto const& [mine, _] : s.refused) {
      CHECK(waiting.erase(mine) == 1);
      beats.erase(mine);
    }
    s.refused.clear();
    auto const now = s.pool.statistics();
    REQUIRE(now.total <= settings.max);
    REQUIRE(now.in_use == static_cast<int>(held.size()));
    REQUIRE(now.waiting == static_cast<int>(waiting.size()));
    REQUIRE(now.connecting <= settings.max_connecting);
    REQUIRE(now.connecting == static_cast<int>(s.connecting.size()));
    REQUIRE(now.closing == static_cast<int>(s.closing.size()));
    int const others = now.in_use - static_cast<int>(held_by_beats.size());
    int const most_others = settings.max - (had_beat && settings.max > 1 ? 1 : 0);
    int const room = std::max(most_others - others, 0);
    int const eligible = static_cast<int>(beats.size()) + std::min(now.waiting - static_cast<int>(beats.size()), room);
    // No caller waits while an idle connection is available, except for the answer to whether it is still good.
    REQUIRE((eligible <= static_cast<int>(s.pinging.size()) || now.idle == 0));
    // Connections reserved for heartbeats have been given to no other caller since any exist.
    if (others > most_others && others > others_before) ++overdrawn;
    others_before = others;
  }
  CHECK(answers > 50);
  CHECK(overdrawn == 0);
}

TEST_CASE("a heartbeat goes before all who wait, and one connection is kept for it from the first one on") {
  pool_core_fixture s(with(2));
  SECTION("the first meets a pool without reserve") {
    auto const a = s.make();
    auto const b = s.make();
    auto const first = s.wait();
    auto const beat = s.wait(false, purpose::heartbeat);
    s.release(a);
    CHECK(s.granted.at(beat) == a);
    s.release(b);
    CHECK(s.granted.at(first) == b);
    s.release(a);
    auto const second = s.wait();
    CHECK_FALSE(s.granted.contains(second));  // though one is idle
    CHECK_FALSE(s.pool.acquire(s.now));
    CHECK(s.pool.acquire(s.now, purpose::heartbeat) == a);  // at once, whoever else waits
    s.release(a);
    CHECK_FALSE(s.granted.contains(second));
    s.release(b);
    CHECK(s.granted.contains(second));
  }
  SECTION("a connection is made for it, however many wait") {
    s.release(s.make(purpose::heartbeat), returned::broken);
    s.finish_close();
    s.make();
    for (int i = 0; i < 10; ++i) s.wait();
    CHECK(s.connecting.empty());
    auto const beat = s.wait(false, purpose::heartbeat);
    REQUIRE(s.connecting.size() == 1);
    s.connect();
    CHECK(s.granted.contains(beat));
  }
  SECTION("without heartbeats nothing is kept") {
    s.make();
    s.make();
    CHECK(s.pool.statistics().in_use == 2);
  }
}

TEST_CASE("of one connection nothing can be kept for a heartbeat, but it is the next") {
  pool_core_fixture s(with(1));
  auto const which = s.make();
  auto const first = s.wait();
  auto const beat = s.wait(false, purpose::heartbeat);
  s.release(which);
  CHECK(s.granted.at(beat) == which);
  s.release(which);
  CHECK(s.granted.at(first) == which);
}

TEST_CASE("who listens counts among all, is no leak, and is told when his connection is to go") {
  auto settings = with(3);
  settings.leak_threshold = 1s;
  pool_core_fixture s(settings);
  auto const listening = s.make(purpose::listening);
  s.release(s.make(purpose::heartbeat));
  s.release(s.make());
  s.pass(1h);
  CHECK(s.reported.empty());
  CHECK_FALSE(s.pool.oldest_in_use(s.now));
  CHECK(s.pool.statistics().in_use == 1);
  auto const worker = s.make();
  s.wait();
  CHECK(s.pool.statistics().in_use == 2);  // one is for heartbeats
  CHECK(s.interrupted.empty());
  SECTION("evicted") {
    s.pool.evict_all_as_old_as(worker, s.now);
    s.look();
    CHECK(s.interrupted == std::vector{listening});
    s.release(listening, returned::broken);
    CHECK(s.reasons.at(listening) == close_reason::broken);
  }
  SECTION("the end") {
    s.pool.shut_down();
    s.look();
    CHECK(s.interrupted == std::vector{listening});
  }
}

TEST_CASE("a server of no use is left with all its connections, and not asked again and again") {
  auto settings = with(3);
  settings.idle_timeout = 10min;
  pool_core_fixture s(settings);
  auto const first = s.make();
  auto const second = s.make();
  s.release(second);
  s.pass(10s);
  s.pool.condemn(first, s.now);
  s.look();
  CHECK(s.closing == std::vector{second});
  s.release(first);
  CHECK(s.reasons.at(first) == close_reason::evicted);
  while (!s.closing.empty()) s.finish_close();
  auto const next = s.make();    // at once
  s.pool.condemn(first, s.now);  // told by somebody late
  CHECK(s.pool.statistics().closed[static_cast<std::size_t>(close_reason::evicted)] == 2);
  s.pool.condemn(next, s.now);
  s.release(next);
  s.finish_close();
  auto const mine = s.wait();
  CHECK(s.connecting.empty());
  s.pass(1s);
  s.connect();
  CHECK(s.granted.contains(mine));
}

TEST_CASE("connections are given out in the order in which callers came, and no newcomer gets in between") {
  pool_core_fixture s(with(1));
  slot which = s.make();
  std::vector<ticket> waiting;
  for (int i = 0; i < 100; ++i) waiting.push_back(s.wait());
  CHECK(s.pool.give_up(waiting[10]));  // who gives up is skipped
  waiting.erase(waiting.begin() + 10);
  s.granted_order.clear();
  for (std::size_t i = 0; i < waiting.size(); ++i) {
    CHECK_FALSE(s.pool.acquire(s.now));
    s.release(which);
    CHECK_FALSE(s.pool.acquire(s.now));
    which = s.granted.at(waiting[i]);
  }
  CHECK(s.granted_order == waiting);
  CHECK(s.pool.statistics().waiting == 0);
}

TEST_CASE("who waits for too long is refused, exactly once, and the next one is not") {
  pool_core_fixture s(with(1));
  auto const held = s.make();
  auto const first = s.wait();
  s.pass(3s);
  auto const second = s.wait();
  SECTION("the time is over first") {
    s.pass(2s);
    CHECK(s.refused.at(first) == refusal::timed_out);
    CHECK_FALSE(s.pool.give_up(first));
    s.release(held);
    CHECK(s.granted.at(second) == held);
    CHECK_FALSE(s.granted.contains(first));
  }
  SECTION("the connection comes first") {
    s.release(held);
    CHECK(s.granted.at(first) == held);
    s.pass(2s);
    CHECK_FALSE(s.refused.contains(first));
    CHECK_FALSE(s.pool.give_up(first));
  }
  CHECK(s.pool.statistics().timed_out == s.refused.size());
}

TEST_CASE("a connection that arrives when its caller has given up stays for the next") {
  pool_core_fixture s(with(2));
  auto const mine = s.wait();
  CHECK(s.pool.give_up(mine));
  s.connect();
  CHECK(s.granted.empty());
  CHECK(s.pool.statistics().idle == 1);
  CHECK(s.pool.acquire(s.now));
}

TEST_CASE("what was idle for long is asked before it is given out, and replaced where it does not answer") {
  auto settings = with(2);
  settings.idle_timeout = 10min;
  pool_core_fixture s(settings);
  auto const which = s.make();
  s.release(which);
  s.pass(s.settings.validation_window);
  REQUIRE(s.pinging.empty());
  CHECK(s.pool.acquire(s.now) == which);  // not yet longer than the window
  s.release(which);
  s.pass(s.settings.validation_window);
  s.now += 1us;
  CHECK_FALSE(s.pool.acquire(s.now));
  auto const mine = s.wait();
  REQUIRE(s.pinging == std::vector{which});
  SECTION("it answers") {
    s.answer(true);
    CHECK(s.granted.at(mine) == which);
  }
  SECTION("it does not") {
    s.answer(false);
    CHECK(s.reasons.at(which) == close_reason::unanswered);
    REQUIRE(s.connecting.size() == 1);
    s.connect();
    CHECK(s.granted.contains(mine));
  }
  SECTION("it takes too long for the caller") {
    s.pass(5s);
    CHECK(s.refused.at(mine) == refusal::timed_out);
    s.answer(true);
    CHECK(s.pool.statistics().idle == 1);
  }
}

TEST_CASE("only idle connections are asked to keep them alive, not all at once, and they do not grow younger by it") {
  auto settings = with(20);
  settings.keepalive = 10s;
  settings.idle_timeout = 25s;
  pool_core_fixture s(settings);
  std::vector<slot> held;
  for (int i = 0; i < 20; ++i) held.push_back(s.make());
  for (int i = 0; i < 19; ++i) s.release(held[static_cast<std::size_t>(i)]);
  std::set<duration> moments;
  std::set<slot> asked;
  for (int i = 0; i < 1000; ++i) {
    s.pass(10ms);
    for (; !s.pinging.empty(); s.answer()) {
      moments.insert(s.now);
      asked.insert(s.pinging.front());
    }
  }
  CHECK(asked.size() == 19);
  CHECK_FALSE(asked.contains(held[19]));
  CHECK(moments.size() > 10);
  for (int i = 0; i < 1499; ++i)
    for (s.pass(10ms); !s.pinging.empty();) s.answer();
  CHECK(s.closing.empty());
  s.pass(10ms);
  CHECK(s.closing.size() == 19);
}

TEST_CASE("connections of one age do not end together, and never later than they should") {
  auto settings = with(100, 100);
  settings.max_connecting = 100;
  settings.idle_timeout = 0s;
  settings.keepalive = 0s;
  pool_core_fixture s(settings);
  s.pool.tick(s.now);
  s.look();
  REQUIRE(s.connecting.size() == 100);
  while (!s.connecting.empty()) s.connect();
  std::map<duration, int> ends;
  duration const begin = s.now;
  while (s.pool.statistics().closed[static_cast<std::size_t>(close_reason::lifetime)] < 100) {
    s.pass(1s);
    for (; !s.closing.empty(); s.finish_close()) ++ends[s.now - begin];
    REQUIRE(s.now - begin <= settings.max_lifetime + 1s);
  }
  CHECK(ends.begin()->first >= settings.max_lifetime - settings.max_lifetime / 10);
  CHECK(std::max_element(ends.begin(), ends.end(), [](auto const& a, auto const& b) { return a.second < b.second; })->second < 20);
}

TEST_CASE("a connection in use ends its life when it comes back") {
  auto settings = with(1);
  settings.keepalive = 0s;
  pool_core_fixture s(settings);
  auto const which = s.make();
  s.pass(30min);
  CHECK(s.closing.empty());
  auto const next = s.wait();
  s.release(which);
  CHECK(s.reasons.at(which) == close_reason::lifetime);
  CHECK(s.connecting.empty());  // the old one still counts
  s.finish_close();
  s.connect();
  CHECK(s.granted.contains(next));
}

TEST_CASE("a connection is replaced after so many uses") {
  auto settings = with(1);
  settings.max_uses = 3;
  pool_core_fixture s(settings);
  auto const which = s.make();
  s.release(which);
  for (int use = 2; use <= 3; ++use) {
    REQUIRE(s.pool.acquire(s.now) == which);
    s.release(which);
  }
  CHECK(s.reasons.at(which) == close_reason::uses);
}

TEST_CASE("a connection that comes back to max_idle idle ones is closed, unless somebody waits for it") {
  auto settings = with(3);
  settings.max_idle = 1;
  pool_core_fixture s(settings);
  auto const first = s.make();
  auto const second = s.make();
  auto const third = s.make();
  s.release(first);
  CHECK(s.reasons.empty());
  s.release(second);
  CHECK(s.reasons.at(second) == close_reason::idle);
  REQUIRE(s.pool.acquire(s.now) == first);
  auto const next = s.wait();
  s.release(third);
  CHECK(s.granted.at(next) == third);
}

TEST_CASE("idle connections are closed down to min, the oldest first, and made again up to min") {
  auto settings = with(5, 2);
  settings.keepalive = 0s;
  pool_core_fixture s(settings);
  s.pool.tick(s.now);
  s.look();
  CHECK(s.connecting.size() == 2);
  s.connect();
  s.connect();
  std::vector<slot> held;
  for (int i = 0; i < 2; ++i) held.push_back(*s.pool.acquire(s.now));
  while (held.size() < 5) held.push_back(s.make());
  for (slot const each : held) {
    s.release(each);
    s.pass(1s);
  }
  s.pass(25s);
  CHECK(s.closing == std::vector{held[0]});
  s.pass(2s);
  CHECK(s.closing == std::vector{held[0], held[1], held[2]});
  s.pass(10min);
  CHECK(s.pool.statistics().idle == 2);
  // The newest is the one that is used.
  while (!s.closing.empty()) s.finish_close();
  CHECK_FALSE(s.pool.acquire(s.now));  // it was idle for long
  s.wait();
  CHECK(s.pinging == std::vector{held[4]});
  s.answer(false);
  CHECK(s.pool.statistics().connecting == 1);
}

TEST_CASE("of those that were idle too long for as long the newest stay") {
  auto settings = with(5, 2);
  settings.keepalive = 0s;
  pool_core_fixture s(settings);
  std::vector<slot> held;
  for (int i = 0; i < 5; ++i) held.push_back(s.make());
  for (slot const each : held) s.release(each);
  s.now += 1min;  // the machine was asleep
  s.pool.tick(s.now);
  s.look();
  CHECK(s.closing == std::vector{held[0], held[1], held[2]});
}

TEST_CASE("after failures there are min connections again, without anybody asking for one") {
  pool_core_fixture s(with(5, 2));
  s.pool.tick(s.now);
  s.look();
  s.connect();
  for (int i = 0; i < 5; ++i) {
    s.fail_connect();
    s.pass(2s);
    REQUIRE(s.connecting.size() == 1);
  }
  s.connect();
  CHECK(s.pool.statistics().idle == 2);
  s.release(*s.pool.acquire(s.now), returned::broken);
  CHECK(s.connecting.size() == 1);
}

TEST_CASE("with min 0 nothing stays open") {
  pool_core_fixture s(with(3));
  auto const which = s.make();
  s.release(which);
  s.pass(31s);
  CHECK(s.reasons.at(which) == close_reason::idle);
  s.finish_close();
  CHECK(s.pool.statistics().total == 0);
  CHECK(s.pool.wake_at() == duration::max());  // nothing to wake up for
}

TEST_CASE("no more are made at once than allowed, and after a failure one alone tries") {
  auto settings = with(10);
  settings.max_connecting = 3;
  pool_core_fixture s(settings);
  for (int i = 0; i < 8; ++i) s.wait();
  CHECK(s.connecting.size() == 3);
  s.connect();
  CHECK(s.connecting.size() == 3);
  for (int i = 0; i < 3; ++i) s.fail_connect();
  CHECK(s.connecting.empty());
  s.pass(2s);
  CHECK(s.connecting.size() == 1);
  s.connect();
  CHECK(s.connecting.size() == 3);
}

TEST_CASE("pauses between failing connects grow, at random, up to the cap, and begin anew after a success") {
  auto settings = with(1);
  settings.acquire_timeout = 1h;
  std::vector<duration> longest(12, duration{0}), shortest(12, duration::max());
  duration longest_after_success{0};
  auto const fail = [](pool_core_fixture& s) {
    s.fail_connect();
    duration const failed_at = s.now;
    while (s.connecting.empty()) s.pass(1ms);
    return s.now - failed_at;
  };
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    pool_core_fixture s(settings, seed);
    s.wait();
    for (std::size_t i = 0; i < longest.size(); ++i) {
      duration const pause = fail(s);
      longest[i] = std::max(longest[i], pause);
      shortest[i] = std::min(shortest[i], pause);
    }
    s.connect();
    s.release(s.granted.begin()->second, returned::broken);
    s.wait();
    s.finish_close();
    longest_after_success = std::max(longest_after_success, fail(s));
  }
  CHECK(longest[0] <= 51ms);
  CHECK(longest[0] > 40ms);
  CHECK(longest[1] <= 101ms);
  CHECK(longest[1] > 80ms);
  CHECK(longest[11] <= 2001ms);
  CHECK(longest[11] > 1700ms);
  CHECK(shortest[11] < 300ms);
  CHECK(longest_after_success <= 51ms);
}

TEST_CASE("a failure that lasts is told to all who wait and is not tried at once again; a passing one is waited out") {
  pool_core_fixture s(with(2));
  auto const first = s.wait();
  auto const second = s.wait();
  SECTION("permanent") {
    s.fail_connect(true);
    CHECK(s.refused.at(first) == refusal::connect_failed);
    CHECK(s.refused.at(second) == refusal::connect_failed);
    s.connecting.clear();
    auto const third = s.wait();
    CHECK(s.refused.contains(third));
  }
  SECTION("passing, but one caller fails fast") {
    auto const third = s.wait(true);
    s.fail_connect();
    CHECK(s.refused.at(third) == refusal::connect_failed);
    CHECK_FALSE(s.refused.contains(first));
    s.fail_connect();
    s.pass(2s);
    s.connect();
    CHECK(s.granted.contains(first));
  }
}

TEST_CASE("after a permanent failure the account is not hammered") {
  pool_core_fixture s(with(1));
  s.wait();
  s.fail_connect(true);
  for (int i = 0; i < 100; ++i) {
    CHECK(s.refused.contains(s.wait()));
    s.pass(10ms);
  }
  CHECK(s.connecting.empty());
  // Ever more slowly: accounts are locked after some wrong passwords in some minutes.
  duration passed = 1s;
  for (duration const pause : {2s, 4s, 8s, 16s, 32s, 64s, 128s, 256s, 300s, 300s}) {
    s.pass(pause - passed - 1ms);
    CHECK(s.refused.contains(s.wait()));
    s.pass(1ms);
    CHECK_FALSE(s.refused.contains(s.wait()));
    REQUIRE(s.connecting.size() == 1);
    s.fail_connect(true);
    passed = 0s;
  }
  s.pool.evict_all(s.now);  // new credentials are tried at once
}

TEST_CASE("who waits runs out of time also while nothing can be connected") {
  pool_core_fixture s(with(1));
  auto const mine = s.wait();
  duration const begin = s.now;
  while (!s.refused.contains(mine)) {
    if (!s.connecting.empty()) s.fail_connect();
    s.pass(10ms);
    REQUIRE(s.now - begin < 6s);
  }
  CHECK(s.refused.at(mine) == refusal::timed_out);
  CHECK(s.now - begin >= 5s);
}

TEST_CASE("a changed session is reset before the next one has it, and goes where that fails") {
  pool_core_fixture s(with(1));
  auto const which = s.make();
  auto const next = s.wait();
  s.release(which, returned::dirty);
  CHECK(s.resetting == std::vector{which});
  CHECK_FALSE(s.granted.contains(next));
  SECTION("reset") {
    s.finish_reset();
    CHECK(s.granted.at(next) == which);
  }
  SECTION("failed") {
    s.finish_reset(false);
    CHECK(s.reasons.at(which) == close_reason::reset_failed);
    s.finish_close();
    s.connect();
    CHECK(s.granted.contains(next));
  }
}

TEST_CASE("a broken connection is closed, and who waits gets a fresh one") {
  pool_core_fixture s(with(1));
  auto const which = s.make();
  auto const next = s.wait();
  s.release(which, returned::broken);
  CHECK(s.reasons.at(which) == close_reason::broken);
  CHECK(s.connecting.empty());
  s.finish_close();
  s.connect();
  CHECK(s.granted.contains(next));
}

TEST_CASE("who holds a connection for long is reported once") {
  auto settings = with(2);
  settings.leak_threshold = 10s;
  pool_core_fixture s(settings);
  auto const which = s.make();
  auto const other = s.make();
  s.pass(9s);
  s.release(other);
  CHECK(s.reported.empty());
  s.pass(2s);
  CHECK(s.reported == std::vector{which});
  CHECK(s.pool.was_reported(which));
  s.pass(1h);
  CHECK(s.reported == std::vector{which});
  s.release(which);
}

TEST_CASE("a suspended pool gives out nothing, lets nobody run out of time, and goes on where it was") {
  pool_core_fixture s(with(2));
  auto const held = s.make();
  auto const idle = s.make();
  s.release(idle);
  s.pool.suspend();
  CHECK_FALSE(s.pool.acquire(s.now));
  auto const mine = s.wait();
  CHECK(s.granted.size() == 2);
  s.release(held);  // what is out may come back
  s.pass(1h);
  CHECK(s.refused.empty());
  while (!s.closing.empty()) s.finish_close();  // nobody used them for an hour
  s.pool.resume(s.now);
  s.look();
  s.connect();
  CHECK(s.granted.contains(mine));
}

TEST_CASE("a suspended pool keeps what arrives, makes nothing, and is filled up to min when it goes on") {
  pool_core_fixture s(with(3, 2));
  s.pool.tick(s.now);
  s.look();
  s.connect();
  auto const held = *s.pool.acquire(s.now);
  s.pool.suspend();
  s.connect();
  CHECK(s.pool.statistics().idle == 1);
  s.release(held, returned::broken);
  s.finish_close();
  s.pass(1s);
  CHECK(s.connecting.empty());
  s.pool.resume(s.now);
  s.look();
  CHECK(s.connecting.size() == 1);
}

TEST_CASE("whoever waited for a suspended pool has the whole time again") {
  pool_core_fixture s(with(1));
  auto const held = s.make();
  s.pool.suspend();
  auto const mine = s.wait();
  s.pass(1h);
  s.pool.resume(s.now);
  s.pass(4s);
  CHECK_FALSE(s.refused.contains(mine));
  s.pass(1s);
  CHECK(s.refused.at(mine) == refusal::timed_out);
  s.release(held);
}

TEST_CASE("nobody gets in between while those who wait are brought one") {
  auto settings = with(2);
  settings.validation_window = 1s;
  pool_core_fixture s(settings);
  auto const a = s.make();
  auto const b = s.make();
  s.release(a);
  s.release(b);
  s.pass(2s);
  auto const mine = s.wait();
  REQUIRE(s.pinging == std::vector{b});
  auto const next = s.wait();
  REQUIRE(s.pinging == std::vector{b, a});
  s.pool.give_up(next);
  s.pool.pinged(a, true, s.now);  // answered first, so it goes to whoever came first
  s.look();
  CHECK(s.granted.at(mine) == a);
  s.answer();
  CHECK(s.pool.acquire(s.now) == b);
}

TEST_CASE("nobody gets what is there while another who came before waits for an answer") {
  auto settings = with(2);
  settings.keepalive = 10s;
  settings.validation_window = 5s;
  pool_core_fixture s(settings);
  auto const a = s.make(), b = s.make();
  s.release(a);
  s.pass(1s);
  s.release(b);
  while (s.pinging.empty()) s.pass(10ms);
  REQUIRE(s.pinging == std::vector{a});
  s.answer();  // now it is known to be good, and the newest is not
  auto const mine = s.wait();
  REQUIRE(s.pinging == std::vector{b});
  CHECK_FALSE(s.pool.acquire(s.now));
  s.answer();
  CHECK(s.granted.at(mine) == b);
  CHECK(s.pool.acquire(s.now) == a);
}

TEST_CASE("evicting replaces what is idle at once and the rest when it comes back") {
  pool_core_fixture s(with(4));
  auto const held = s.make();
  auto const lent = s.make();
  auto const idle = s.make();
  s.release(idle);
  s.pool.evict_all(s.now);
  s.look();
  CHECK(s.closing == std::vector{idle});
  CHECK(s.reasons.at(idle) == close_reason::evicted);
  CHECK(s.pool.statistics().in_use == 2);
  s.release(lent);
  CHECK(s.reasons.at(lent) == close_reason::evicted);
  s.release(held, returned::dirty);
  CHECK(s.reasons.at(held) == close_reason::evicted);
  SECTION("also one that was being made") {
    s.wait();
    REQUIRE_FALSE(s.connecting.empty());
    slot const made = s.connecting.front();
    s.pool.evict_all(s.now);
    s.look();
    s.connect();
    CHECK(s.reasons.at(made) == close_reason::evicted);
  }
}

TEST_CASE("the end: nobody new, whoever waits is told, idle ones go, the rest when it comes back") {
  pool_core_fixture s(with(3));
  auto const held = s.make();
  auto const idle = s.make();
  s.release(idle);
  auto const asked_for = s.make();
  (void)asked_for;
  auto const third = s.make();
  auto const mine = s.wait();
  s.pool.shut_down();
  s.look();
  CHECK(s.refused.at(mine) == refusal::closed);
  CHECK_FALSE(s.pool.is_over());
  for (slot const each : {held, asked_for, third}) s.release(each);
  while (!s.closing.empty()) s.finish_close();
  CHECK(s.pool.is_over());
  CHECK(s.pool.statistics().total == 0);
}

TEST_CASE("the numbers of a pool add up") {
  pool_core_fixture s(with(4));
  auto const a = s.make();
  auto const b = s.make();
  s.wait();
  s.pass(20ms);
  auto now = s.pool.statistics();
  CHECK(now.total == 3);
  CHECK(now.in_use == 2);
  CHECK(now.connecting == 1);
  CHECK(now.waiting == 1);
  CHECK(now.acquired == 2);
  CHECK(now.connected == 2);
  s.release(a, returned::broken);
  s.release(b, returned::dirty);
  s.fail_connect();
  now = s.pool.statistics();
  CHECK(now.closing == 1);
  CHECK(now.resetting == 1);
  CHECK(now.failed_connects == 1);
  CHECK(now.closed[static_cast<std::size_t>(close_reason::broken)] == 1);
  CHECK(now.usage_time.total() == 2);
  CHECK(now.usage_time.counts()[15] == 2);  // 20,000 us: from 16,384 to below 32,768
  s.finish_reset();
  now = s.pool.statistics();
  CHECK(now.acquired == 3);
  CHECK(now.acquire_time.total() == 3);
  CHECK(now.acquire_time.counts()[0] == 2);  // who did not wait
}

#ifndef VISOR_POOL_CORE_HPP
#define VISOR_POOL_CORE_HPP

#include "visor/base/time.hpp"
#include "visor/pool/statistics.hpp"
#include "visor/settings/pool_settings.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <random>
#include <utility>
#include <vector>

namespace visor {

/// The state of a connection when it is released.
///
/// - `clean`: as it was when it was made: the next caller may have it.
/// - `dirty`: its session was changed, or a transaction is open: it is reset first.
/// - `broken`: it is unusable, or an operation on it has not ended: it is closed.
enum class connection_state { clean, dirty, broken };

/// The purpose for which a caller acquires a connection.
///
/// - `work`: any operation, for a short time.
/// - `heartbeat`: renews a lease, on which everything else depends. It goes before all others. From the first heartbeat on, a pool of
///   two or more connections keeps one free of other purposes, so that other holders cannot starve heartbeats.
/// - `listening`: receives notifications of others' commits, for as long as the pool lives. Its holder is interrupted when the pool wants
///   the connection back: when it is evicted, and at shutdown.
enum class connection_purpose : std::uint8_t { work, heartbeat, listening };

}  // namespace visor

namespace visor::detail {

/// The state machine of a pool, without connections, threads or time of its own: it receives events with their time and returns actions.
/// `pool.hpp` carries them out. Times are `elapsed()` of a clock. Not thread-safe.
///
/// A connection is a number below `max`. It is in one of seven states, and all but the first count towards `max`:
///
///     absent -> connecting -> idle <-> in_use -> resetting -> idle
///                             idle <-> pinging (does it still answer?)
///     any -> closing -> absent
///
/// Callers wait in one queue: heartbeats first, then all others in the order of arrival. No caller is promised a certain connection: an
/// available connection goes to the first in the queue. Cancelled waits, timeouts and failed connects therefore need no rules about each
/// other.
class pool_core {
 public:
  using slot = std::uint32_t;
  using ticket = std::uint64_t;

  /// An action for the owner of the core. An action with a slot is answered by the event of the same name.
  struct action {
    enum class kind {
      connect,    ///< a slot: answered by `connected` or `connect_failed`
      ping,       ///< a slot: answered by `pinged`
      reset,      ///< a slot: answered by `was_reset`
      close,      ///< a slot, and why: answered by `closed`
      grant,      ///< a slot and a ticket: the caller gets the connection
      refuse,     ///< a ticket, and why
      report,     ///< a slot: it has been held for longer than the threshold
      interrupt,  ///< a slot: its listening holder has to release it
    };
    enum class refusal { none, timed_out, closed, connect_failed };

    kind what;
    slot connection = 0;
    ticket caller = 0;
    close_reason reason = close_reason::broken;
    refusal why = refusal::none;
    duration held{0};
  };

  /// \param settings checked
  pool_core(pool_settings settings, std::uint64_t seed) : settings_(settings), random_(seed) {
    entries_.resize(static_cast<std::size_t>(settings_.max));
    counts_[static_cast<std::size_t>(state::absent)] = settings_.max;
    for (slot i = static_cast<slot>(settings_.max); i-- > 0;) absent_.push_back(i);
  }

  /// Takes an idle connection at once, unless a waiting caller has a prior right to it. Nothing when the caller has to wait, also for the
  /// ping of a connection that was idle for long. O(1).
  std::optional<slot> acquire(duration now, connection_purpose why = connection_purpose::work) {
    note(why);
    bool const is_heartbeat = why == connection_purpose::heartbeat;
    bool const others_first = is_heartbeat ? heartbeats_waiting() != 0 : !waiting_.empty() || grantable() == 0;
    if (idle_.empty() || others_first || suspended_ || closing_) return std::nullopt;
    slot const newest = idle_.back();
    entry& one = entries_[newest];
    if (now - one.answered > settings_.validation_window || is_expired(one, now)) return std::nullopt;
    idle_.pop_back();
    take(newest, why, now);
    statistics_.acquire_time.add(duration{0});
    return newest;
  }

  bool is_full() const { return waiting_.size() >= static_cast<std::size_t>(settings_.max_waiting); }
  void count_rejected() { ++statistics_.rejected; }

  /// Joins the queue. \pre not closing, not full
  /// \param fail_fast the caller is refused at the first connect that fails
  ticket wait(duration now, duration timeout, bool fail_fast, connection_purpose why = connection_purpose::work) {
    note(why);
    ticket const mine = why == connection_purpose::heartbeat ? ++last_heartbeat_ : ++last_ticket_;
    waiting_.emplace(mine, caller{now, timeout, now + timeout, fail_fast, why});
    wake_by(now + timeout);
    if (refusing_ && now < retry_at_ && established() == 0) refuse_if([](caller const&) { return true; }, action::refusal::connect_failed);
    dispatch(now);
    return mine;
  }

  /// Leaves the queue. False when the caller already has an answer.
  bool give_up(ticket mine) { return waiting_.erase(mine) != 0; }

  void connected(slot which, duration now) {
    failures_ = permanent_failures_ = 0;
    refusing_ = false;
    retry_at_ = duration{0};
    ++statistics_.connected;
    entry& one = entries_[which];
    one.uses = 0;
    one.made = one.since = now;
    one.expires = settings_.max_lifetime == duration{0} ? forever : now + with_jitter(settings_.max_lifetime);
    become_available(which, now);
    dispatch(now);
  }

  /// Handles a failed connect.
  /// \param is_permanent true when a retry would fail too: wrong password, no such database. Callers do not wait for that to pass, and
  /// retries slow down: servers lock accounts after so many wrong passwords in so many minutes.
  void connect_failed(slot which, bool is_permanent, duration now) {
    ++statistics_.failed_connects;
    become_absent(which);
    auto const doublings = std::min(failures_, 30);
    ++failures_;
    duration const most = std::min(settings_.connect_backoff_cap, settings_.connect_backoff * (std::int64_t{1} << doublings));
    retry_at_ = now + (is_permanent ? permanent_backoff() : duration{random_between(0, most.count())});
    refusing_ = is_permanent;
    bool const is_hopeless = is_permanent && established() == 0;
    refuse_if([is_hopeless](caller const& each) { return is_hopeless || each.fail_fast; }, action::refusal::connect_failed);
    dispatch(now);
  }

  void pinged(slot which, bool answered, duration now) {
    if (answered)
      become_available(which, now);
    else
      close(which, close_reason::unanswered);
    dispatch(now);
  }

  void was_reset(slot which, bool succeeded, duration now) {
    if (succeeded)
      become_available(which, now);
    else
      close(which, close_reason::reset_failed);
    dispatch(now);
  }

  void closed(slot which, duration now) {
    become_absent(which);
    dispatch(now);
  }

  /// Takes a connection back from its caller. O(1), except for the dispatch to waiting callers.
  void release(slot which, connection_state how, duration now) {
    entry& one = entries_[which];
    if (one.purpose != connection_purpose::heartbeat) --others_;
    statistics_.usage_time.add(now - one.since);
    one.since = now;
    ++one.uses;
    if (how == connection_state::broken)
      close(which, close_reason::broken);
    else if (auto const reason = reason_to_close(one, now))
      close(which, *reason);
    else if (how == connection_state::dirty)
      begin(which, state::resetting, action::kind::reset);
    else
      become_available(which, now);
    if (!waiting_.empty() || how == connection_state::broken || one.is == state::closing) dispatch(now);
  }

  /// Handles everything that is due: timeouts, ends of idle time and lifetime, keepalives, leak reports and connects.
  void tick(duration now) {
    wake_at_ = forever;
    if (!suspended_) {
      std::size_t const before = waiting_.size();
      refuse_if([now](caller const& each) { return each.deadline <= now; }, action::refusal::timed_out);
      statistics_.timed_out += before - waiting_.size();
    }
    retire_idle(now);
    for (slot i = 0; i < entries_.size(); ++i) report_holder(i, now);
    dispatch(now);
    plan_wake();
  }

  /// The latest time for the next call of `tick`.
  duration wake_at() const { return wake_at_; }

  /// Grants nothing more until `resume`; waiting callers do not time out meanwhile.
  void suspend() { suspended_ = true; }
  void resume(duration now) {
    suspended_ = false;
    for (auto& [_, each] : waiting_) {
      each.deadline = now + each.timeout;
      wake_by(each.deadline);
    }
    dispatch(now);
  }

  /// Replaces every connection: idle ones at once, the others on release; listening holders are interrupted.
  /// \param pause the time before new connects
  void evict_all(duration now, duration pause = duration{0}) {
    ++generation_;
    refusing_ = false;
    retry_at_ = pause == duration{0} ? duration{0} : now + pause;
    close_idle(close_reason::evicted);
    interrupt_listeners();
    dispatch(now);
  }

  /// The same, unless all connections were evicted since this one was made.
  void evict_all_as_old_as(slot which, duration now) {
    if (entries_[which].generation == generation_) evict_all(now);
  }

  /// The same after a connection found its server unusable, such as read-only. When even a connection that was just made finds that, new
  /// connects wait for a pause: the pool does not reconnect in a loop to a server that stays unusable.
  void condemn(slot which, duration now) {
    entry const& one = entries_[which];
    if (one.generation != generation_) return;
    bool const is_new = now - one.made < longest_pause;
    evict_all(now, is_new ? std::min(settings_.connect_backoff_cap, longest_pause) : duration{0});
  }

  /// Refuses all waiting and later callers, and closes the connections that are not in use; the others are closed on release.
  void shut_down() {
    closing_ = true;
    suspended_ = false;
    refuse_if([](caller const&) { return true; }, action::refusal::closed);
    close_idle(close_reason::shutdown);
    interrupt_listeners();
  }
  bool is_closing() const { return closing_; }
  bool is_over() const { return closing_ && statistics().total == 0; }

  pool_statistics statistics() const {
    pool_statistics now = statistics_;
    now.total = count(state::connecting) + count(state::idle) + count(state::pinging) + count(state::in_use) + count(state::resetting) +
                count(state::closing);
    now.idle = count(state::idle);
    now.in_use = count(state::in_use);
    now.connecting = count(state::connecting);
    now.resetting = count(state::resetting);
    now.closing = count(state::closing);
    now.waiting = static_cast<int>(waiting_.size());
    return now;
  }

  /// The connection that has been held for longest, and for how long, without listening ones; nothing when none is in use.
  std::optional<std::pair<slot, duration>> oldest_in_use(duration now) const {
    std::optional<std::pair<slot, duration>> found;
    for (slot i = 0; i < entries_.size(); ++i)
      if (entries_[i].is == state::in_use && entries_[i].purpose != connection_purpose::listening &&
          (!found || now - entries_[i].since > found->second))
        found = {i, now - entries_[i].since};
    return found;
  }

  bool is_in_use(slot which) const { return entries_[which].is == state::in_use; }
  bool was_reported(slot which) const { return entries_[which].is_reported; }

  /// Takes the actions since the last call, in order. The caller's vector is emptied and reused.
  void take_actions(std::vector<action>& into) {
    into.clear();
    std::swap(into, actions_);
  }
  bool has_actions() const { return !actions_.empty(); }

 private:
  static constexpr duration forever = duration::max();
  static constexpr duration longest_pause{std::chrono::seconds{1}};
  static constexpr duration longest_permanent_backoff{std::chrono::minutes{5}};

  enum class state : std::uint8_t { absent, connecting, idle, pinging, in_use, resetting, closing };

  struct entry {
    state is = state::absent;
    bool is_reported = false;
    connection_purpose purpose = connection_purpose::work;  // when in use
    std::uint64_t generation = 0;                           // number of evictions before it was made
    duration made{0};
    std::int64_t uses = 0;
    duration since{0};     // start of its idle time or of its use
    duration answered{0};  // last time it was known to be good
    duration ping_at{0};   // when idle: time of the next ping
    duration expires{0};   // end of its lifetime
  };

  struct caller {
    duration since;
    duration timeout;
    duration deadline;
    bool fail_fast;
    connection_purpose purpose;
  };

  int count(state which) const { return counts_[static_cast<std::size_t>(which)]; }
  int established() const { return live() - count(state::connecting); }
  int live() const { return settings_.max - count(state::absent) - count(state::closing); }

  void note(connection_purpose why) {
    if (why == connection_purpose::heartbeat && settings_.max > 1) reserved_ = 1;
  }

  /// The number of waiting heartbeats, which are first in the queue.
  int heartbeats_waiting() const { return static_cast<int>(std::distance(waiting_.begin(), waiting_.lower_bound(first_ticket))); }
  /// The number of connections that may still be granted for other purposes than heartbeats.
  int grantable() const { return std::max(settings_.max - reserved_ - others_, 0); }
  /// The number of waiting callers that may have a connection as soon as there is one.
  int eligible() const {
    int const beats = heartbeats_waiting();
    return beats + std::min(static_cast<int>(waiting_.size()) - beats, grantable());
  }

  void interrupt_listeners() {
    for (slot each = 0; each < entries_.size(); ++each)
      if (entries_[each].is == state::in_use && entries_[each].purpose == connection_purpose::listening)
        actions_.push_back({action::kind::interrupt, each});
  }

  void change(slot which, state to) {
    --counts_[static_cast<std::size_t>(entries_[which].is)];
    ++counts_[static_cast<std::size_t>(to)];
    entries_[which].is = to;
  }

  std::int64_t random_between(std::int64_t least, std::int64_t most) {
    return std::uniform_int_distribution<std::int64_t>(least, most)(random_);
  }
  /// Doubles with each call.
  duration permanent_backoff() {
    auto const doublings = std::min(permanent_failures_++, 30);
    duration const longest = std::max<duration>(longest_permanent_backoff, settings_.connect_backoff_cap);
    return std::min(longest, settings_.connect_backoff_cap * (std::int64_t{1} << doublings));
  }
  duration with_jitter(duration length) { return duration{random_between(length.count() - length.count() / 10, length.count())}; }

  bool is_expired(entry const& one, duration now) const { return one.expires <= now; }

  std::optional<close_reason> reason_to_close(entry const& one, duration now) const {
    if (closing_) return close_reason::shutdown;
    if (one.generation != generation_) return close_reason::evicted;
    if (is_expired(one, now)) return close_reason::lifetime;
    if (settings_.max_uses != 0 && one.uses >= settings_.max_uses) return close_reason::uses;
    return std::nullopt;
  }

  void begin(slot which, state next, action::kind what) {
    change(which, next);
    actions_.push_back({what, which});
  }

  void close(slot which, close_reason reason) {
    ++statistics_.closed[static_cast<std::size_t>(reason)];
    change(which, state::closing);
    action one{action::kind::close, which};
    one.reason = reason;
    actions_.push_back(one);
  }

  void close_idle(close_reason reason) {
    for (slot const each : std::exchange(idle_, {})) close(each, reason);
  }

  void become_absent(slot which) {
    change(which, state::absent);
    absent_.push_back(which);
  }

  void take(slot which, connection_purpose why, duration now) {
    entry& one = entries_[which];
    change(which, state::in_use);
    one.since = now;
    one.is_reported = false;
    one.purpose = why;
    if (why != connection_purpose::heartbeat) ++others_;
    ++statistics_.acquired;
    if (settings_.leak_threshold != duration{0}) wake_by(now + settings_.leak_threshold);
  }

  /// Grants a good connection to the first waiting caller, or keeps it idle.
  void become_available(slot which, duration now) {
    entry& one = entries_[which];
    if (auto const reason = reason_to_close(one, now)) return close(which, *reason);
    if (eligible() > 0 && !suspended_) return grant(which, now);
    if (count(state::idle) >= settings_.max_idle) return close(which, close_reason::idle);
    change(which, state::idle);
    one.answered = now;
    one.ping_at = settings_.keepalive == duration{0} ? forever : now + with_jitter(settings_.keepalive);
    // A ping does not reset the idle time.
    auto const position = std::find_if(idle_.rbegin(), idle_.rend(), [&](slot each) { return entries_[each].since <= one.since; });
    idle_.insert(position.base(), which);
    wake_by(std::min(one.expires, one.ping_at));
    if (settings_.idle_timeout != duration{0} && live() > settings_.least()) wake_by(one.since + settings_.idle_timeout);
  }

  void grant(slot which, duration now) {
    auto const first = waiting_.begin();
    statistics_.acquire_time.add(now - first->second.since);
    action one{action::kind::grant, which};
    one.caller = first->first;
    auto const why = first->second.purpose;
    waiting_.erase(first);
    take(which, why, now);
    actions_.push_back(one);
  }

  template <class Predicate>
  void refuse_if(Predicate const& which, action::refusal why) {
    for (auto at = waiting_.begin(); at != waiting_.end();) {
      if (!which(at->second)) {
        ++at;
        continue;
      }
      action one{action::kind::refuse};
      one.caller = at->first;
      one.why = why;
      actions_.push_back(one);
      at = waiting_.erase(at);
    }
  }

  /// Provides connections for the waiting callers: idle ones, with a ping first after a long idle time, and new ones.
  void dispatch(duration now) {
    if (closing_ || suspended_) return;
    while (!idle_.empty() && eligible() > count(state::pinging)) {
      slot const newest = idle_.back();
      idle_.pop_back();
      if (auto const reason = reason_to_close(entries_[newest], now))
        close(newest, *reason);
      else if (now - entries_[newest].answered > settings_.validation_window)
        begin(newest, state::pinging, action::kind::ping);
      else
        grant(newest, now);
    }
    if (now < retry_at_) {
      if (eligible() > 0 || live() < settings_.least()) wake_by(retry_at_);
      return;
    }
    int const coming = count(state::connecting) + count(state::pinging) + count(state::resetting);
    int const wanted = std::max(settings_.least() - live(), eligible() - coming);
    // After a failure only one connect at a time is tried, until one succeeds.
    int const at_once = failures_ == 0 ? settings_.max_connecting : 1;
    int const more = std::min({wanted, static_cast<int>(absent_.size()), at_once - count(state::connecting)});
    for (int i = 0; i < more; ++i) {
      slot const which = absent_.back();
      absent_.pop_back();
      entries_[which].generation = generation_;
      begin(which, state::connecting, action::kind::connect);
    }
  }

  /// Closes the oldest first, since the newest are reused first.
  void retire_idle(duration now) {
    std::vector<slot> kept;
    std::vector<slot> before;
    std::swap(before, idle_);
    for (slot const each : before) {
      entry& one = entries_[each];
      bool const is_idle_too_long = settings_.idle_timeout != duration{0} && one.since + settings_.idle_timeout <= now;
      if (auto const reason = reason_to_close(one, now))
        close(each, *reason);
      else if (is_idle_too_long && live() > settings_.least())
        close(each, close_reason::idle);
      else if (one.ping_at <= now)
        begin(each, state::pinging, action::kind::ping);
      else
        kept.push_back(each);
    }
    idle_ = std::move(kept);
  }

  void report_holder(slot which, duration now) {
    entry& one = entries_[which];
    bool const is_expected = one.is == state::in_use && one.purpose != connection_purpose::listening;
    if (settings_.leak_threshold == duration{0} || !is_expected || one.is_reported) return;
    if (one.since + settings_.leak_threshold > now) return wake_by(one.since + settings_.leak_threshold);
    one.is_reported = true;
    action report{action::kind::report, which};
    report.held = now - one.since;
    actions_.push_back(report);
  }

  void wake_by(duration when) { wake_at_ = std::min(wake_at_, when); }

  void plan_wake() {
    if (!suspended_)
      for (auto const& [_, each] : waiting_) wake_by(each.deadline);
    for (slot const each : idle_) {
      entry const& one = entries_[each];
      wake_by(std::min(one.expires, one.ping_at));
      if (settings_.idle_timeout != duration{0} && live() > settings_.least()) wake_by(one.since + settings_.idle_timeout);
    }
  }

  pool_settings settings_;
  std::mt19937_64 random_;
  std::vector<entry> entries_;
  std::vector<slot> absent_;
  std::vector<slot> idle_;            // newest last
  std::map<ticket, caller> waiting_;  // in the order of arrival
  std::vector<action> actions_;
  std::array<int, 7> counts_{};
  pool_statistics statistics_;
  std::uint64_t generation_ = 0;
  static constexpr ticket first_ticket = ticket{1} << 62;  // tickets of heartbeats are lower
  ticket last_ticket_ = first_ticket;
  ticket last_heartbeat_ = 0;
  int others_ = 0;    // connections in use for other purposes than heartbeats
  int reserved_ = 0;  // for heartbeats, from the first one on
  int failures_ = 0;
  int permanent_failures_ = 0;
  bool refusing_ = false;  // until `retry_at_`, since a connect would fail again
  bool suspended_ = false;
  bool closing_ = false;
  duration retry_at_{0};
  duration wake_at_ = forever;
};

}  // namespace visor::detail

#endif

#ifndef VISOR_SIMULATION_SIMULATED_CLUSTER_HPP
#define VISOR_SIMULATION_SIMULATED_CLUSTER_HPP

#include "visor/engine/job_context.hpp"
#include "visor/simulation/simulated_clock.hpp"
#include "visor/store/store.hpp"

#include <boost/asio/io_context.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace visor {

/// The faults of a simulation, and how often they occur. By default there are none.
///
/// The first group concerns the calls of a node to the store. Each call meets at most one of the first three faults; the
/// numbers are probabilities. The second group concerns nodes, the third the store; the durations are the mean time between two
/// such events in the whole cluster, 0 for never.
struct simulated_faults {
  double refused = 0;     ///< nothing happens, and the node is told so (`connection_lost`)
  double unanswered = 0;  ///< it happens, but the reply is lost (`outcome_unknown`; for a read `connection_lost`)
  double overdue = 0;     ///< a write gets no reply (`outcome_unknown`) and happens up to `longest_call` later
  double slow = 0;        ///< it takes up to `longest_call`
  double unheard = 0;     ///< a node is not notified of the commit of another one
  duration longest_call{std::chrono::seconds{10}};
  duration mean_call{std::chrono::milliseconds{1}};  ///< the mean duration of other calls

  duration crash{};       ///< a node dies at once, as by `kill -9`
  duration pause{};       ///< a node executes nothing for a while, as after SIGSTOP, and then continues
  duration suspend{};     ///< the same, and its clock (`elapsed`) stands still meanwhile, as that of a virtual machine that is moved
  duration stop{};        ///< a node is asked to stop, and drains
  duration clock_step{};  ///< the time of day of a node is set up to `longest_step` off
  duration longest_pause{std::chrono::minutes{2}};     ///< or suspension
  duration longest_downtime{std::chrono::minutes{1}};  ///< until a node that has ended is started again
  duration longest_step{std::chrono::hours{1}};
  duration full_log{};  ///< the lines that a node logs are dropped for up to `longest_pause`

  duration store_step{};  ///< the clock of the store is set up to `longest_store_step` off, or set right again
  duration longest_store_step{std::chrono::minutes{5}};
  duration restore{};  ///< the store returns to its state of up to `longest_backup_age` before
  duration longest_backup_age{std::chrono::minutes{1}};
  double restored_again = 0;                         ///< the probability that the same backup is restored once more, after visor was told
  duration longest_untold{std::chrono::minutes{1}};  ///< until visor is told of a restore
};

/// Counts of the faults and of their effects.
struct simulated_counts {
  std::size_t calls = 0;
  std::size_t refused = 0;
  std::size_t unanswered = 0;
  std::size_t overdue = 0;
  std::size_t slow = 0;
  std::size_t unheard = 0;
  std::size_t crashes = 0;
  std::size_t pauses = 0;
  std::size_t suspensions = 0;
  std::size_t stops = 0;
  std::size_t clock_steps = 0;
  std::size_t dropped_lines = 0;  ///< while the log was full
  std::size_t store_steps = 0;    ///< of the store's clock
  std::size_t restores = 0;
  std::size_t recoveries = 0;       ///< of nodes with an expired lease, by others
  std::size_t refused_results = 0;  ///< by the store, since their lease was lost
  std::size_t refused_groups = 0;   ///< groups of rows: the store refuses one of them permanently
  std::size_t refused_leases = 0;   ///< exchanges of a node whose lease was lost
  std::size_t refused_moves = 0;    ///< jobs that are dead: the store refuses the row that their move writes
};

/// A period. By the true time.
struct simulated_span {
  instant from;
  instant until;
};

/// A lease that the store granted to a process: its epoch, and its latest expiry. By the true time.
struct simulated_lease {
  std::int64_t epoch = 0;
  instant from;
  instant until;
  instant renewed;       ///< the last time
  bool unheard = false;  ///< granted by a call for which the process no longer waited
};

/// A period in which a process did not execute.
struct simulated_pause {
  instant from;
  instant until;
  bool suspended = false;
};

/// One process of a node, from its start to its end. All instants are by the true time.
struct simulated_process {
  enum class end { none, stopped, crashed, failed };  ///< failed: `engine::run` threw

  std::string node;                              ///< its name
  std::size_t machine = 0;                       ///< the index of its machine, in the order in which they were added
  std::string address;                           ///< a process of the same node and address replaces its predecessor at once
  instant started;                               //
  std::optional<instant> asked_to_stop;          //
  std::optional<instant> left;                   ///< when the store was told that it leaves
  std::optional<instant> ended;                  //
  end how = end::none;                           //
  std::string failure;                           ///< what `engine::run` threw
  std::uint64_t lost_leases = 0;                 ///< how many lost leases it noticed; not known of one that crashed
  std::vector<simulated_lease> leases;           ///< by epoch
  std::map<std::string, std::string> schedules;  ///< of its program: the digests of their definitions, by id
  std::vector<instant> declared;                 ///< when it declared them, in order
  std::vector<simulated_pause> pauses;           ///< in order
  std::vector<simulated_span> troubles;          ///< when its calls failed or were slow
  std::vector<simulated_span> surprises;         ///< from a step of the store's clock, or from a restore, until all processes knew of it
};

/// The return of the store to an earlier state. By the true time.
struct simulated_restore {
  instant backed_up;
  instant restored;
  std::optional<instant> told;  ///< when visor was told; none: not yet
};

/// A step of the store's clock. By the true time.
struct simulated_store_step {
  instant at;
  duration ahead{};  ///< of the true time, from `at` on
};

/// A claim of a job by a process, which may not have received the reply.
struct simulated_claim {
  job_id job = 0;
  std::size_t process = 0;
};

/// One run of a handler. All instants are by the true time.
struct simulated_run {
  job_id job = 0;
  int attempt = 1;
  std::string type;
  std::size_t process = 0;
  std::int64_t epoch = 0;
  std::int64_t fence = 0;
  instant began;
  std::optional<instant> told_to_stop;  //
  stop_reason why = stop_reason::none;  //
  std::optional<instant> ended;         ///< none: it was cut off, or is still running
  bool returned = false;                ///< otherwise it threw
  bool not_started = false;             ///< it threw `not_started`
};

namespace detail {

/// The state that all parts of a simulation share.
struct simulated_cluster {
  explicit simulated_cluster(std::uint64_t seed) : random(seed) {}

  /// In [0, 1).
  double uniform() { return static_cast<double>(random() >> 11U) * 0x1.0p-53; }
  bool happens(double probability) { return probability > 0 && uniform() < probability; }
  duration up_to(duration longest) { return duration{static_cast<std::int64_t>(static_cast<double>(longest.count()) * uniform())}; }
  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(random() % bound); }

  instant now() const { return simulated_clock::start + time.elapsed(); }

  /// Adds an event to the trace, so that two different runs have different traces.
  void note(std::string_view what, std::size_t process, std::int64_t a = 0, std::int64_t b = 0) {
    for (char const c : what) mix(static_cast<unsigned char>(c));
    mix(static_cast<std::uint64_t>(time.elapsed().count()));
    mix(process);
    mix(static_cast<std::uint64_t>(a));
    mix(static_cast<std::uint64_t>(b));
    if (log) say(std::string(what) + " " + std::to_string(a) + " " + std::to_string(b), process);
  }

  /// Writes a line for a human reader.
  void say(std::string_view line, std::size_t process) const {
    auto const who = process < processes.size() ? processes[process].node + " (process " + std::to_string(process) + ")" : std::string("-");
    log(to_string(now()) + " " + who + ": " + std::string(line));
  }

  static constexpr std::size_t nobody = static_cast<std::size_t>(-1);

  timeline time;
  std::mt19937_64 random;
  simulated_faults faults;
  simulated_counts counts;
  std::vector<simulated_process> processes;
  std::vector<simulated_run> runs;
  std::vector<simulated_claim> claims;
  machine_time store_time;
  std::vector<simulated_store_step> store_steps;
  std::vector<simulated_restore> restores;
  std::set<job_id> forgotten;  ///< jobs that a restore lost: the older state does not have them
  std::uint64_t trace = 0xcbf29ce484222325U;
  std::function<bool(job_result const&)> refuses_result;  ///< whether the store refuses such a row for good
  std::function<bool(fire_order const&)> refuses_fire;    ///< the same of the jobs of a fire
  std::function<void(std::string_view)> log;
  std::size_t author = nobody;        ///< the process whose call the store carries out
  boost::asio::io_context server{1};  ///< runs calls whose caller no longer waits

 private:
  void mix(std::uint64_t value) {
    trace = (trace ^ value) * 0x100000001b3U;
    trace ^= trace >> 32U;
  }
};

}  // namespace detail
}  // namespace visor

#endif

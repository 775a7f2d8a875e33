// Kills `visor run` with SIGKILL at random instants, again and again. Then checks the content of the database against the lines
// that the commands wrote elsewhere. VISOR_SEED repeats a run; VISOR_KILLS sets the number of kills.

#include "support/catch.hpp"

#include "visor/base/time.hpp"

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

class folder {
 public:
  folder() {
    std::string name = (fs::temp_directory_path() / "visor-crash-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~folder() { fs::remove_all(path_); }
  fs::path operator/(char const* name) const { return path_ / name; }
  std::string text() const { return path_.string(); }

 private:
  fs::path path_;
};

class daemon_process {
 public:
  daemon_process(folder const& in, std::vector<std::string> more) {
    pid_ = fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
      if (chdir(in.text().c_str()) != 0) _exit(126);
      int const log = open("daemon.log", O_WRONLY | O_CREAT | O_APPEND, 0600);
      dup2(log, STDOUT_FILENO);
      dup2(log, STDERR_FILENO);
      std::vector<std::string> words{VISOR_PROGRAM, "run", "--config", "visor.yaml"};
      words.insert(words.end(), more.begin(), more.end());
      std::vector<char*> argv;
      for (auto& word : words) argv.push_back(word.data());
      argv.push_back(nullptr);
      execv(argv[0], argv.data());
      _exit(127);
    }
  }
  void kill(int signal) const { REQUIRE(::kill(pid_, signal) == 0); }
  int wait() {
    int status = 0;
    REQUIRE(waitpid(pid_, &status, 0) == pid_);
    return status;
  }

 private:
  pid_t pid_;
};

class database {
 public:
  explicit database(fs::path const& file) { REQUIRE(sqlite3_open_v2(file.c_str(), &handle_, SQLITE_OPEN_READONLY, nullptr) == SQLITE_OK); }
  ~database() { sqlite3_close(handle_); }
  std::vector<std::vector<std::string>> rows(std::string const& sql) const {
    std::vector<std::vector<std::string>> result;
    sqlite3_stmt* statement = nullptr;
    REQUIRE(sqlite3_prepare_v2(handle_, sql.c_str(), -1, &statement, nullptr) == SQLITE_OK);
    while (sqlite3_step(statement) == SQLITE_ROW) {
      auto& row = result.emplace_back();
      for (int i = 0; i < sqlite3_column_count(statement); ++i) {
        auto const* const text = reinterpret_cast<char const*>(sqlite3_column_text(statement, i));
        row.emplace_back(text != nullptr ? text : "");
      }
    }
    sqlite3_finalize(statement);
    return result;
  }
  std::int64_t number(std::string const& sql) const { return std::stoll(rows(sql).at(0).at(0)); }

 private:
  sqlite3* handle_ = nullptr;
};

std::uint64_t from_environment(char const* name, std::uint64_t otherwise) {
  char const* const text = std::getenv(name);
  return text != nullptr ? std::stoull(text) : otherwise;
}

}  // namespace

TEST_CASE("nothing is lost or doubled when the daemon is killed at random instants") {
  auto const seed = from_environment("VISOR_SEED", std::random_device()());
  auto const kills = from_environment("VISOR_KILLS", 50);
  std::mt19937_64 random(seed);
  WARN("VISOR_SEED=" << seed << " VISOR_KILLS=" << kills);
  folder here;
  std::ofstream(here / "visor.yaml") << R"(
scheduler:
  cron:
    every-second:
      schedule: "* * * * * *"
      workflow: quick
      misfire: {policy: all, limit: 1000}
    every-two-seconds:
      schedule: "*/2 * * * * *"
      workflow: slow
      misfire: {policy: all, limit: 1000}
    failing:
      schedule: "*/3 * * * * *"
      workflow: flaky
      misfire: {policy: all, limit: 1000}
workflows:
  quick:
    command: ["/bin/sh", "-c", "echo quick $VISOR_JOB_ID $VISOR_ATTEMPT >> runs"]
    max_attempts: 100
    max_lost: 100
  slow:
    command: ["/bin/sh", "-c", "sleep 0.4; echo slow $VISOR_JOB_ID $VISOR_ATTEMPT >> runs"]
    max_attempts: 100
    max_lost: 100
  flaky:
    command: ["/bin/sh", "-c", "echo flaky $VISOR_JOB_ID $VISOR_ATTEMPT >> runs; test $VISOR_ATTEMPT -ge 2"]
    max_attempts: 100
    max_lost: 100
    backoff: {kind: fixed, base: 100ms}
)";
  std::uniform_int_distribution<int> life(20, 1200);
  for (std::uint64_t i = 0; i < kills; ++i) {
    daemon_process daemon(here, {});
    std::this_thread::sleep_for(std::chrono::milliseconds(life(random)));
    daemon.kill(SIGKILL);
    int const status = daemon.wait();
    REQUIRE(WIFSIGNALED(status));  // it was alive: a daemon that ended by itself makes the run worthless
  }
  auto const run_undisturbed = [&](char const* how_long) {
    daemon_process daemon(here, {"--for", how_long});
    int const status = daemon.wait();
    REQUIRE(WIFEXITED(status));
    REQUIRE(WEXITSTATUS(status) == 0);
  };
  run_undisturbed("6s");

  database const db(here / ".visor/schedules.db");
  auto const left_in = [&](char const* table) { return db.number(std::string("SELECT count(*) FROM ") + table); };
  // An attempt that fails on purpose just before a run ends leaves its retry to the next run. The schedules go on in that one
  // too, so a run is needed that ends between two of them. A lost job stays lost, however often `visor run` is started.
  auto const to_be_done = [&] {
    return left_in("visor_ready") + left_in("visor_scheduled") + left_in("visor_waiting") + left_in("visor_lease");
  };
  for (int more = 0; to_be_done() != 0 && more < 20; ++more) run_undisturbed("1300ms");

  CHECK(db.rows("PRAGMA integrity_check").at(0).at(0) == "ok");

  // Every planned instant from the first to the last has exactly one fire, and each fire its own job.
  for (auto const& [name, period] : std::map<std::string, std::int64_t>{{"every-second", 1}, {"every-two-seconds", 2}, {"failing", 3}}) {
    INFO(name);
    auto const fires = db.rows("SELECT planned_at, job FROM visor_fire WHERE schedule = '" + name + "' ORDER BY planned_at");
    REQUIRE(fires.size() > 3);
    std::set<std::string> jobs;
    for (std::size_t i = 0; i < fires.size(); ++i) {
      if (i != 0) CHECK(std::stoll(fires[i][0]) - std::stoll(fires[i - 1][0]) == period * 1'000'000);
      CHECK(jobs.insert(fires[i][1]).second);
    }
  }
  CHECK(db.number("SELECT count(*) FROM visor_fire f LEFT JOIN visor_job j ON j.id = f.job WHERE j.id IS NULL") == 0);
  CHECK(db.number("SELECT count(*) FROM visor_job WHERE id NOT IN (SELECT job FROM visor_fire)") == 0);

  // Each job ended once, completed, and its attempts are numbered without a gap; nothing is left anywhere.
  CHECK(db.number("SELECT count(*) FROM visor_job j WHERE (SELECT count(*) FROM visor_attempt a WHERE a.job = j.id AND a.final_state IS "
                  "NOT NULL) <> 1") == 0);
  CHECK(db.number("SELECT count(*) FROM visor_attempt WHERE final_state IS NOT NULL AND final_state <> 'completed'") == 0);
  CHECK(db.number(
            "SELECT count(*) FROM (SELECT job, max(number) AS last, count(*) AS n FROM visor_attempt GROUP BY job) WHERE last <> n") == 0);
  for (auto const* const table : {"visor_ready", "visor_scheduled", "visor_waiting", "visor_lease", "visor_dead"}) {
    INFO(table);
    CHECK(left_in(table) == 0);
  }

  // Lines that the commands wrote themselves: an accepted completion ran, and no attempt ran twice.
  std::map<std::pair<std::string, std::string>, int> runs;
  std::ifstream lines(here / "runs");
  for (std::string name, job, attempt; lines >> name >> job >> attempt;) ++runs[{job, attempt}];
  std::size_t completed = 0;
  for (auto const& row : db.rows("SELECT job, number FROM visor_attempt WHERE final_state = 'completed'")) {
    ++completed;
    CHECK(runs[{row[0], row[1]}] == 1);
  }
  for (auto const& [key, count] : runs) CHECK(count <= 1);

  // The faults that this relies on did happen.
  auto const lost = db.number("SELECT count(*) FROM visor_attempt WHERE outcome = 'lost'");
  auto const failed = db.number("SELECT count(*) FROM visor_attempt WHERE outcome = 'failed'");
  auto const epochs = db.number("SELECT count(*) FROM visor_node");
  WARN(completed << " jobs completed, " << lost << " attempts lost to " << kills << " kills, " << failed << " failed on purpose, " << epochs
                 << " nodes");
  if (kills >= 20) CHECK(lost > 0);
  CHECK(failed > 0);
  CHECK(epochs > static_cast<std::int64_t>(kills / 2));
}

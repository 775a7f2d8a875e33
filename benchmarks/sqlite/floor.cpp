#include "floor.hpp"

#include "visor/driver/sqlite/sqlite_dialect.hpp"
#include "visor/sql/statement.hpp"
#include "visor/store/sql/lease_statements.hpp"

#include <sqlite3.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace st = visor::statements;

namespace {

void check(sqlite3* handle, int code) {
  if (code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE) return;
  std::fprintf(stderr, "floor: %s\n", sqlite3_errmsg(handle));
  std::exit(1);
}

template <class Definition>
constexpr std::string_view text = visor::sql::text_in<visor::sqlite_dialect, Definition>;

std::int64_t now() {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

struct sqlite_floor::statement {
  statement(sqlite3* of, std::string_view what) : handle(of) {
    check(of, sqlite3_prepare_v3(of, what.data(), static_cast<int>(what.size()), SQLITE_PREPARE_PERSISTENT, &prepared, nullptr));
  }
  ~statement() { sqlite3_finalize(prepared); }
  void integer(int index, std::int64_t value) { sqlite3_bind_int64(prepared, index, value); }
  void text(int index, std::string_view value) {
    sqlite3_bind_text(prepared, index, value.data(), static_cast<int>(value.size()), SQLITE_STATIC);
  }
  bool step() {
    int const code = sqlite3_step(prepared);
    check(handle, code);
    return code == SQLITE_ROW;
  }
  void run() {
    while (step()) {
    }
    sqlite3_reset(prepared);
  }
  sqlite3* handle;
  sqlite3_stmt* prepared = nullptr;
};

sqlite_floor::sqlite_floor(std::string const& filename, bool full) {
  check(handle_, sqlite3_open_v2(filename.c_str(), &handle_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr));
  auto const pragma = [this](char const* what) { check(handle_, sqlite3_exec(handle_, what, nullptr, nullptr, nullptr)); };
  pragma("PRAGMA journal_mode = WAL");
  pragma(full ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
  pragma("PRAGMA cache_size = -16384");
  pragma("PRAGMA temp_store = MEMORY");
  auto const prepare = [this](std::string_view what) { return std::make_unique<statement>(handle_, what); };
  begin_ = prepare("BEGIN IMMEDIATE");
  commit_ = prepare("COMMIT");
  insert_job_ = prepare(text<st::insert_job>);
  insert_ready_ = prepare(text<st::insert_ready>);
  cancels_ = prepare(text<st::cancels>);
  find_lease_ = prepare(text<st::find_lease>);
  insert_attempt_ = prepare(text<st::insert_attempt>);
  any_waiting_ = prepare(text<st::any_waiting>);
  remove_lease_ = prepare(text<st::remove_lease>);
  current_node_ = prepare(text<st::current_node>);
  front_ = prepare(text<st::front_of_queue>);
  remove_front_ = prepare(text<st::remove_front>);
  insert_lease_ = prepare(text<st::insert_lease>);
}

sqlite_floor::~sqlite_floor() {
  for (auto* each : {&begin_, &commit_, &insert_job_, &insert_ready_, &cancels_, &find_lease_, &insert_attempt_, &any_waiting_,
                     &remove_lease_, &current_node_, &front_, &remove_front_, &insert_lease_})
    each->reset();
  sqlite3_close(handle_);
}

void sqlite_floor::enqueue(std::int64_t first_id, int count, std::string const& payload) {
  begin_->run();
  for (std::int64_t id = first_id; id < first_id + count; ++id) {
    insert_job_->integer(1, id);
    insert_job_->integer(2, now());
    insert_job_->integer(3, now());
    insert_job_->integer(4, 100);
    insert_job_->integer(5, 1);
    insert_job_->text(6, payload);
    insert_job_->text(7, "bench");
    insert_job_->text(8, "default");
    insert_job_->run();
  }
  for (std::int64_t id = first_id; id < first_id + count; ++id) {
    insert_ready_->integer(1, now());
    insert_ready_->integer(2, id);
    insert_ready_->integer(3, 100);
    insert_ready_->integer(4, 1);
    insert_ready_->text(5, "default");
    insert_ready_->run();
  }
  commit_->run();
}

std::size_t sqlite_floor::exchange(int limit) {
  begin_->run();
  if (!claimed_.empty()) {
    cancels_->integer(1, 1);
    cancels_->run();
    find_lease_->integer(1, lease_);
    find_lease_->text(2, "bench");
    find_lease_->integer(3, 1);
    find_lease_->run();
    for (job const& done : claimed_) {
      insert_attempt_->integer(1, done.id);
      insert_attempt_->integer(2, lease_);
      insert_attempt_->integer(3, 1);
      insert_attempt_->integer(4, now());
      insert_attempt_->integer(5, now());
      insert_attempt_->integer(6, done.attempt);
      insert_attempt_->text(7, "bench");
      insert_attempt_->text(9, "completed");
      insert_attempt_->run();
    }
    any_waiting_->integer(1, 1);
    any_waiting_->run();
    cancels_->run();
    remove_lease_->integer(1, lease_);
    remove_lease_->run();
  }
  current_node_->text(1, "bench");
  current_node_->integer(2, 1);
  current_node_->integer(3, now());
  current_node_->run();
  claimed_.clear();
  std::int64_t last_run_at = 0;
  front_->text(1, "default");
  front_->integer(2, limit);
  while (front_->step()) {
    claimed_.push_back({sqlite3_column_int64(front_->prepared, 0), sqlite3_column_int64(front_->prepared, 1)});
    last_run_at = sqlite3_column_int64(front_->prepared, 9);
    for (int column : {2, 3, 5, 7}) sqlite3_column_text(front_->prepared, column);
  }
  sqlite3_reset(front_->prepared);
  if (!claimed_.empty()) {
    remove_front_->text(1, "default");
    remove_front_->integer(2, 100);
    remove_front_->integer(3, last_run_at);
    remove_front_->integer(4, claimed_.back().id);
    remove_front_->run();
    std::string ids = "[";
    for (job const& one : claimed_) ids += (ids.size() > 1 ? "," : "") + std::to_string(one.id);
    ids += "]";
    insert_lease_->integer(1, ++lease_);
    insert_lease_->text(2, "bench");
    insert_lease_->integer(3, 1);
    insert_lease_->integer(4, now());
    insert_lease_->text(5, ids);
    insert_lease_->run();
  }
  commit_->run();
  return claimed_.size();
}

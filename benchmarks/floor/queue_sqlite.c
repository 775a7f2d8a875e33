/* floor_queue_sqlite FILE SCENARIO JOBS BATCH NODES PAYLOAD-BYTES: what `visor bench` has a node do, written by hand onto sqlite3: the
   statements that visor issues, on one thread with one connection. The tables are there, and empty. SQLite has one node. */
#include "queue.h"
#include "statements_sqlite.h"

#include <sqlite3.h>

static sqlite3* on;

static void check(int code) {
  if (code != SQLITE_OK && code != SQLITE_ROW && code != SQLITE_DONE) give_up(sqlite3_errmsg(on));
}

static void run(char const* text) { check(sqlite3_exec(on, text, NULL, NULL, NULL)); }

static sqlite3_stmt* prepare(char const* text) {
  sqlite3_stmt* made = NULL;
  check(sqlite3_prepare_v3(on, text, -1, SQLITE_PREPARE_PERSISTENT, &made, NULL));
  return made;
}

static void give_number(sqlite3_stmt* to, int at, int64_t value) { sqlite3_bind_int64(to, at, value); }
static void give_text(sqlite3_stmt* to, int at, char const* text) { sqlite3_bind_text(to, at, text, -1, SQLITE_STATIC); }

static int step(sqlite3_stmt* of) {
  int const code = sqlite3_step(of);
  check(code);
  return code == SQLITE_ROW;
}

/* How many rows it had. */
static int do_all(sqlite3_stmt* of) {
  int rows = 0;
  while (step(of)) ++rows;
  sqlite3_reset(of);
  return rows;
}

static void enqueue(struct plan const* of) {
  sqlite3_stmt* const begin = prepare("BEGIN IMMEDIATE");
  sqlite3_stmt* const commit = prepare("COMMIT");
  sqlite3_stmt* const job = prepare(JOBS_INSERT_JOB);
  sqlite3_stmt* const ready = prepare(JOBS_INSERT_READY);
  for (long from = 0; from < of->jobs; from += of->batch) {
    long const until = from + of->batch < of->jobs ? from + of->batch : of->jobs;
    do_all(begin);
    int64_t const now = microseconds_now();
    for (long i = from; i < until; ++i) {
      give_number(job, 1, i + 1);
      give_number(job, 2, now);
      give_number(job, 3, now);
      give_number(job, 4, 100);
      give_number(job, 5, 1);
      give_text(job, 6, of->payload);
      give_text(job, 7, "bench");
      give_text(job, 8, "default");
      do_all(job);
    }
    for (long i = from; i < until; ++i) {
      give_number(ready, 1, now);
      give_number(ready, 2, i + 1);
      give_number(ready, 3, 100);
      give_number(ready, 4, 1);
      give_text(ready, 5, "default");
      do_all(ready);
    }
    do_all(commit);
  }
}

static void work(struct plan const* of) {
  sqlite3_stmt* const begin = prepare("BEGIN IMMEDIATE");
  sqlite3_stmt* const commit = prepare("COMMIT");
  sqlite3_stmt* const current_node = prepare(LEASES_CURRENT_NODE);
  sqlite3_stmt* const any_waiting = prepare(JOBS_ANY_WAITING);
  sqlite3_stmt* const cancels = prepare(JOBS_CANCELS);
  sqlite3_stmt* const find_lease = prepare(LEASES_FIND_LEASE);
  sqlite3_stmt* const insert_attempt = prepare(LEASES_INSERT_ATTEMPT);
  sqlite3_stmt* const remove_lease = prepare(LEASES_REMOVE_LEASE);
  sqlite3_stmt* const front = prepare(JOBS_FRONT_OF_QUEUE);
  sqlite3_stmt* const remove_front = prepare(JOBS_REMOVE_FRONT);
  sqlite3_stmt* const insert_lease = prepare(LEASES_INSERT_LEASE);
  int64_t* const ids = malloc((size_t)of->batch * sizeof *ids);
  int64_t* const attempts = malloc((size_t)of->batch * sizeof *attempts);
  int64_t lease = 0;
  long count = 0;
  give_number(any_waiting, 1, 1);
  give_number(cancels, 1, 1);
  give_text(find_lease, 2, "bench");
  give_number(find_lease, 3, 1);
  give_text(current_node, 1, "bench");
  give_number(current_node, 2, 1);
  do {
    do_all(begin);
    if (do_all(current_node) != 1) give_up("the node is gone");
    if (count != 0) {
      do_all(any_waiting);
      do_all(cancels);
      give_number(find_lease, 1, lease);
      if (do_all(find_lease) != 1) give_up("the lease is gone");
      int64_t const now = microseconds_now();
      for (long i = 0; i < count; ++i) {
        give_number(insert_attempt, 1, ids[i]);
        give_number(insert_attempt, 2, lease);
        give_number(insert_attempt, 3, 1);
        give_number(insert_attempt, 4, now);
        give_number(insert_attempt, 5, now);
        give_number(insert_attempt, 6, attempts[i]);
        give_text(insert_attempt, 7, "bench");
        give_text(insert_attempt, 9, "completed");
        do_all(insert_attempt);
      }
      give_number(remove_lease, 1, lease);
      do_all(remove_lease);
    }
    count = 0;
    int64_t priority = 0, run_at = 0;
    give_number(front, 1, longest_payload);
    give_text(front, 2, "default");
    give_number(front, 3, of->batch);
    while (step(front)) {
      ids[count] = sqlite3_column_int64(front, 0);
      attempts[count++] = sqlite3_column_int64(front, 1);
      priority = sqlite3_column_int64(front, 4);
      run_at = sqlite3_column_int64(front, 9);
      for (int column = 2; column < 8; ++column) sqlite3_column_text(front, column);
    }
    sqlite3_reset(front);
    if (count != 0) {
      give_text(remove_front, 1, "default");
      give_number(remove_front, 2, priority);
      give_number(remove_front, 3, run_at);
      give_number(remove_front, 4, ids[count - 1]);
      do_all(remove_front);
      char* const text = ids_as_json(ids, count);
      give_number(insert_lease, 1, ++lease);
      give_text(insert_lease, 2, "bench");
      give_number(insert_lease, 3, 1);
      give_number(insert_lease, 4, microseconds_now());
      give_text(insert_lease, 5, text);
      do_all(insert_lease);
      free(text);
    }
    do_all(commit);
  } while (count != 0);
}

static void expect(char const* question, long wanted) {
  sqlite3_stmt* const asked = prepare(question);
  if (!step(asked) || sqlite3_column_int64(asked, 0) != wanted) give_up(question);
  sqlite3_finalize(asked);
}

int main(int count, char** words) {
  if (count != 7) return 2;
  struct plan of = read_plan(words + 2);
  if (of.nodes != 1) give_up("SQLite has one node");
  check(sqlite3_open_v2(words[1], &on, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL));
  run("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY");
  double begin = seconds_now(), took;
  struct rusage before, after;
  getrusage(RUSAGE_SELF, &before);
  if (is_bulk(&of)) {
    enqueue(&of);
    took = seconds_now() - begin;
    getrusage(RUSAGE_SELF, &after);
    expect("SELECT count(*) FROM visor_ready JOIN visor_job ON id = job", of.jobs);
  } else {
    struct plan chunks = of;
    chunks.batch = 5000;
    enqueue(&chunks);
    run("ANALYZE");
    run("INSERT INTO visor_node (name, address, state, epoch, lease_until, exclusive, slots, started_at, version) "
        "VALUES ('bench', 'floor', 'online', 1, 9000000000000000, 0, 1, 0, '0')");
    getrusage(RUSAGE_SELF, &before);
    begin = seconds_now();
    work(&of);
    took = seconds_now() - begin;
    getrusage(RUSAGE_SELF, &after);
    expect("SELECT count(DISTINCT job) FROM visor_attempt WHERE final_state = 'completed'", of.jobs);
    expect("SELECT count(*) FROM visor_ready", 0);
    expect("SELECT count(*) FROM visor_lease", 0);
  }
  print_result(&of, "sqlite", took, used_between(&before, &after));
  return 0;
}

/* floor_queue_postgresql CONNINFO SCENARIO JOBS BATCH NODES PAYLOAD-BYTES: what `visor bench` has a node do, written by hand onto libpq:
   the statements that visor issues, in as few round trips as their answers allow, and by COPY where jobs are added. The tables are there,
   and empty. Of `steady` BATCH is how many jobs a second are added, each by itself, by one process, which another one is told of. */
#include "queue.h"
#include "statements_postgresql.h"

#include <libpq-fe.h>
#include <endian.h>
#include <poll.h>
#include <sys/mman.h>

enum { bulk = 500, most_parameters = 11 };

static char const* conninfo;

/* ---- values ---- */

static int64_t since_2000(void) { return microseconds_now() - 946684800000000; }

struct buffer {
  char* bytes;
  size_t size, room;
};

static void put(struct buffer* to, void const* bytes, size_t size) {
  if (to->size + size > to->room) {
    to->room = (to->size + size) * 2;
    to->bytes = realloc(to->bytes, to->room);
  }
  memcpy(to->bytes + to->size, bytes, size);
  to->size += size;
}
static void put16(struct buffer* to, int16_t value) {
  uint16_t const big = htobe16((uint16_t)value);
  put(to, &big, sizeof big);
}
static void put32(struct buffer* to, int32_t value) {
  uint32_t const big = htobe32((uint32_t)value);
  put(to, &big, sizeof big);
}
static void put64(struct buffer* to, int64_t value) {
  uint64_t const big = htobe64((uint64_t)value);
  put(to, &big, sizeof big);
}
/* As elements of arrays and columns of COPY. */
static void put_small(struct buffer* to, int32_t value) {
  put32(to, 4);
  put32(to, value);
}
static void put_number(struct buffer* to, int64_t value) {
  put32(to, 8);
  put64(to, value);
}
static void put_text(struct buffer* to, char const* text) {
  put32(to, (int32_t)strlen(text));
  put(to, text, strlen(text));
}

/* The parameters of one execution. */
struct parameters {
  int count;
  char const* values[most_parameters];
  int lengths[most_parameters];
  int formats[most_parameters];
  uint64_t numbers[most_parameters];
};

static void give_bytes(struct parameters* to, char const* bytes, size_t size) {
  to->values[to->count] = bytes;
  to->lengths[to->count] = (int)size;
  to->formats[to->count++] = 1;
}
static void give_number(struct parameters* to, int64_t value) {
  to->numbers[to->count] = htobe64((uint64_t)value);
  give_bytes(to, (char const*)&to->numbers[to->count], 8);
}
static void give_small(struct parameters* to, int32_t value) {
  uint32_t const big = htobe32((uint32_t)value);
  memcpy(&to->numbers[to->count], &big, sizeof big);
  give_bytes(to, (char const*)&to->numbers[to->count], 4);
}
static void give_text(struct parameters* to, char const* text) { give_bytes(to, text, strlen(text)); }
static void give_null(struct parameters* to) {
  to->values[to->count] = NULL;
  to->formats[to->count++] = 1;
}

/* ---- a connection ---- */

static void fail(PGconn* on) { give_up(PQerrorMessage(on)); }

static void run(PGconn* on, char const* text) {
  PGresult* const result = PQexec(on, text);
  ExecStatusType const status = PQresultStatus(result);
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) fail(on);
  PQclear(result);
}

static void prepare(PGconn* on, char const* name, char const* text, int count, Oid const* types) {
  PGresult* const result = PQprepare(on, name, text, count, types);
  if (PQresultStatus(result) != PGRES_COMMAND_OK) fail(on);
  PQclear(result);
}

enum {
  is_number = 20,
  is_small = 23,
  is_text = 25,
  is_time = 1184,
  are_smalls = 1007,
  are_texts = 1009,
  are_numbers = 1016,
  are_times = 1185
};

static PGconn* connect_prepared(void) {
  PGconn* const on = PQconnectdb(conninfo);
  if (PQstatus(on) != CONNECTION_OK) fail(on);
  run(on, "SET jit = off");
  prepare(on, "lock", "SELECT pg_advisory_xact_lock_shared(hashtext('visor'), hashtext(coalesce(current_schema(), '')))", 0, NULL);
  prepare(on, "clock", "SELECT clock_timestamp()", 0, NULL);
  prepare(on, "current_node", LEASES_CURRENT_NODE, 2, (Oid const[]){is_text, is_number});
  prepare(on, "any_waiting", JOBS_ANY_WAITING, 1, (Oid const[]){is_number});
  prepare(on, "cancels", JOBS_CANCELS, 1, (Oid const[]){is_number});
  prepare(on, "find_lease", LEASES_FIND_LEASE, 3, (Oid const[]){is_number, is_text, is_number});
  prepare(on, "insert_attempt", LEASES_INSERT_ATTEMPT, 11,
          (Oid const[]){is_number, is_number, is_number, is_time, is_time, is_small, is_text, is_text, is_text, is_text, is_text});
  prepare(on, "insert_attempts", BULK_INSERT_ATTEMPT, 11,
          (Oid const[]){are_numbers, are_numbers, are_numbers, are_times, are_times, are_smalls, are_texts, are_texts, are_texts, are_texts,
                        are_texts});
  prepare(on, "remove_lease", LEASES_REMOVE_LEASE, 1, (Oid const[]){is_number});
  prepare(on, "front", JOBS_FRONT_OF_QUEUE, 7, (Oid const[]){is_text, is_number, is_time, is_number, is_number, is_number, is_number});
  prepare(on, "insert_lease", LEASES_INSERT_LEASE, 6, (Oid const[]){is_number, is_text, is_number, is_time, is_text, is_text});
  return on;
}

static void issue(PGconn* on, char const* name, struct parameters const* with) {
  if (PQsendQueryPrepared(on, name, with->count, with->values, with->lengths, with->formats, 1) != 1) fail(on);
}
static void issue_text(PGconn* on, char const* text) {
  if (PQsendQueryParams(on, text, 0, NULL, NULL, NULL, NULL, 1) != 1) fail(on);
}

/* The next answer, which must be one of success. */
static PGresult* next(PGconn* on) {
  PGresult* const result = PQgetResult(on);
  ExecStatusType const status = PQresultStatus(result);
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) fail(on);
  if (PQgetResult(on) != NULL) give_up("more than one answer");
  return result;
}

static void end_trip(PGconn* on) {
  if (PQpipelineSync(on) != 1) fail(on);
}
static void trip_ended(PGconn* on) {
  PGresult* const result = PQgetResult(on);
  if (PQresultStatus(result) != PGRES_PIPELINE_SYNC) fail(on);
  PQclear(result);
}

/* ---- jobs are added ---- */

static void copy(PGconn* on, char const* text, struct buffer* rows) {
  PGresult* const begun = PQexec(on, text);
  if (PQresultStatus(begun) != PGRES_COPY_IN) fail(on);
  PQclear(begun);
  put16(rows, -1);
  if (PQputCopyData(on, rows->bytes, (int)rows->size) != 1 || PQputCopyEnd(on, NULL) != 1) fail(on);
  for (PGresult* result; (result = PQgetResult(on)) != NULL; PQclear(result))
    if (PQresultStatus(result) != PGRES_COMMAND_OK) fail(on);
}

static void begin_copy(struct buffer* rows) {
  rows->size = 0;
  put(rows, "PGCOPY\n\377\r\n\0", 11);
  put32(rows, 0);
  put32(rows, 0);
}

static void enqueue(struct plan const* of, long from, long until) {
  PGconn* const on = connect_prepared();
  struct buffer jobs = {0}, ready = {0};
  while (from < until) {
    run(on, "BEGIN; SELECT pg_advisory_xact_lock_shared(hashtext('visor'), hashtext(coalesce(current_schema(), ''))), clock_timestamp()");
    int64_t const now = since_2000();
    begin_copy(&jobs);
    begin_copy(&ready);
    for (long i = 0; i < of->batch && from < until; ++i, ++from) {
      put16(&jobs, 11);
      put_number(&jobs, from + 1);
      put_number(&jobs, now);
      put_number(&jobs, now);
      put_small(&jobs, 100);
      put_small(&jobs, 1);
      put_text(&jobs, of->payload);
      put_text(&jobs, "bench");
      put_text(&jobs, "default");
      for (int none = 0; none < 3; ++none) put32(&jobs, -1);
      put16(&ready, 5);
      put_number(&ready, now);
      put_number(&ready, from + 1);
      put_small(&ready, 100);
      put_small(&ready, 1);
      put_text(&ready, "default");
    }
    copy(on, "COPY visor_job (id, run_at, created_at, priority, max_attempts, payload, type, queue, schedule, planned_at, owner) "
             "FROM STDIN (FORMAT binary)", &jobs);
    copy(on, "COPY visor_ready (run_at, job, priority, attempt, queue) FROM STDIN (FORMAT binary)", &ready);
    run(on, "COMMIT");
  }
  PQfinish(on);
  free(jobs.bytes);
  free(ready.bytes);
}

static void enqueue_part(int node, int ready, int go, void* with) {
  struct plan const* const of = with;
  PQfinish(connect_prepared()); /* what is read once, is */
  wait_for_go(ready, go);
  enqueue(of, of->jobs * node / of->nodes, of->jobs * (node + 1) / of->nodes);
}

/* ---- jobs are claimed and completed ---- */

struct worker {
  char name[32];
  int64_t lease;
  int64_t* ids;      /* that it holds */
  int32_t* attempts; /* and the number of each */
  uint64_t position[3]; /* priority, time and id behind which it looks for more, as they are sent */
  long count;
};

static void begin_at_front(struct worker* one) {
  for (int i = 0; i < 3; ++i) one->position[i] = htobe64((uint64_t)(int64_t)INT32_MIN); /* in microseconds that is just before 2000 */
}

/* Many in one statement, as arrays. */
static void issue_attempts(PGconn* on, struct worker const* by, long from, long count, int64_t now, struct buffer* arrays) {
  int64_t const kinds[] = {is_number, is_number, is_number, is_time, is_time, is_small, is_text, is_text, is_text, is_text, is_text};
  struct parameters with = {0};
  for (int column = 0; column < 11; ++column) {
    struct buffer* const to = &arrays[column];
    to->size = 0;
    put32(to, 1);
    put32(to, 1);
    put32(to, (int32_t)kinds[column]);
    put32(to, (int32_t)count);
    put32(to, 1);
    for (long i = from; i < from + count; ++i) switch (column) {
        case 0: put_number(to, by->ids[i]); break;
        case 1: put_number(to, by->lease); break;
        case 2: put_number(to, 1); break;
        case 3:
        case 4: put_number(to, now); break;
        case 5: put_small(to, by->attempts[i]); break;
        case 6: put_text(to, by->name); break;
        case 8: put_text(to, "completed"); break;
        default: put32(to, -1);
      }
    give_bytes(&with, to->bytes, to->size);
  }
  issue(on, "insert_attempts", &with);
}

static void issue_attempt(PGconn* on, struct worker const* by, int64_t now) {
  struct parameters with = {0};
  give_number(&with, by->ids[0]);
  give_number(&with, by->lease);
  give_number(&with, 1);
  give_number(&with, now);
  give_number(&with, now);
  give_small(&with, by->attempts[0]);
  give_text(&with, by->name);
  give_null(&with);
  give_text(&with, "completed");
  give_null(&with);
  give_null(&with);
  issue(on, "insert_attempt", &with);
}

static int64_t number_at(PGresult* rows, int row, int column) {
  uint64_t value;
  memcpy(&value, PQgetvalue(rows, row, column), sizeof value);
  return (int64_t)be64toh(value);
}

static int32_t small_at(PGresult* rows, int row, int column) {
  uint32_t value;
  memcpy(&value, PQgetvalue(rows, row, column), sizeof value);
  return (int32_t)be32toh(value);
}

/* Completes what the last call claimed, and claims more, in one transaction of two round trips. */
static void exchange(PGconn* on, struct worker* by, long limit, struct buffer* arrays) {
  struct parameters const nothing = {0};
  struct parameters one = {0}, me = {0};
  int answers = 4;
  give_number(&one, 1);
  give_text(&me, by->name);
  give_number(&me, 1);
  issue_text(on, "BEGIN ISOLATION LEVEL READ COMMITTED");
  issue(on, "lock", &nothing);
  issue(on, "clock", &nothing);
  issue(on, "current_node", &me);
  int const completes = by->count != 0;
  int const find_lease = answers + 2;
  if (completes) {
    struct parameters held = {0}, gone = {0};
    give_number(&held, by->lease);
    give_text(&held, by->name);
    give_number(&held, 1);
    give_number(&gone, by->lease);
    issue(on, "any_waiting", &one);
    issue(on, "cancels", &one);
    issue(on, "find_lease", &held);
    answers += 3;
    int64_t const now = since_2000();
    for (long from = 0; from < by->count; from += bulk) {
      long const count = by->count - from < bulk ? by->count - from : bulk;
      if (count == 1)
        issue_attempt(on, by, now);
      else
        issue_attempts(on, by, from, count, now, arrays);
      ++answers;
    }
    issue(on, "remove_lease", &gone);
    ++answers;
  }
  struct parameters front = {0};
  give_text(&front, "default");
  for (int i = 0; i < 3; ++i) give_bytes(&front, (char const*)&by->position[i], 8);
  give_number(&front, limit);
  give_number(&front, longest_payload);
  give_number(&front, limit);
  issue(on, "front", &front);
  end_trip(on);
  for (int i = 0; i < answers; ++i) {
    PGresult* const answer = next(on);
    if ((i == 3 || (completes && i == find_lease)) && PQntuples(answer) != 1) give_up("the lease is gone");
    PQclear(answer);
  }
  PGresult* const rows = next(on);
  by->count = PQntuples(rows);
  for (int i = 0; i < by->count; ++i) {
    by->ids[i] = number_at(rows, i, 0);
    by->attempts[i] = small_at(rows, i, 1);
  }
  if (by->count != 0) {
    int const last = (int)by->count - 1;
    by->position[0] = htobe64((uint64_t)(int64_t)small_at(rows, last, 4));
    memcpy(&by->position[1], PQgetvalue(rows, last, 9), 8);
    memcpy(&by->position[2], PQgetvalue(rows, last, 0), 8);
  }
  PQclear(rows);
  trip_ended(on);
  if (by->count != 0) {
    ++by->lease;
    char* const ids = ids_as_json(by->ids, by->count);
    struct parameters taken = {0};
    give_number(&taken, by->lease);
    give_text(&taken, by->name);
    give_number(&taken, 1);
    give_number(&taken, since_2000());
    give_text(&taken, ids);
    give_null(&taken);
    issue(on, "insert_lease", &taken);
    free(ids);
  }
  issue_text(on, "COMMIT");
  end_trip(on);
  if (by->count != 0) PQclear(next(on));
  PQclear(next(on));
  trip_ended(on);
}

static void work(int node, int ready, int go, void* with) {
  struct plan const* const of = with;
  PGconn* const on = connect_prepared();
  if (PQenterPipelineMode(on) != 1) fail(on);
  struct worker by = {.lease = (int64_t)(node + 1) * 1000000000};
  snprintf(by.name, sizeof by.name, "bench-%d", node + 1);
  by.ids = malloc((size_t)of->batch * sizeof *by.ids);
  by.attempts = malloc((size_t)of->batch * sizeof *by.attempts);
  struct buffer arrays[11] = {{0}};
  begin_at_front(&by);
  wait_for_go(ready, go);
  do exchange(on, &by, of->batch, arrays);
  while (by.count != 0);
  PQfinish(on);
}

/* ---- from adding a job to its start ---- */

/* Of each job, in seconds; both processes see them. */
static double* added_at;
static double* started_at;

static void add_one(PGconn* on, struct plan const* of, long id) {
  struct parameters job = {0}, ready = {0}, nothing = {0};
  int64_t const now = since_2000();
  give_number(&job, id);
  give_number(&job, now);
  give_number(&job, now);
  give_small(&job, 100);
  give_small(&job, 1);
  give_text(&job, of->payload);
  give_text(&job, "bench");
  give_text(&job, "default");
  for (int none = 0; none < 3; ++none) give_null(&job);
  give_number(&ready, now);
  give_number(&ready, id);
  give_small(&ready, 100);
  give_small(&ready, 1);
  give_text(&ready, "default");
  issue_text(on, "BEGIN ISOLATION LEVEL READ COMMITTED");
  issue(on, "lock", &nothing);
  issue(on, "insert_job", &job);
  issue(on, "insert_ready", &ready);
  issue_text(on, "NOTIFY visor");
  issue_text(on, "COMMIT");
  end_trip(on);
  for (int answers = 6; answers > 0; --answers) PQclear(next(on));
  trip_ended(on);
}

static void add_each(PGconn* on, struct plan const* of) {
  prepare(on, "insert_job", JOBS_INSERT_JOB, 11,
          (Oid const[]){is_number, is_time, is_time, is_small, is_small, is_text, is_text, is_text, is_text, is_time, is_text});
  prepare(on, "insert_ready", JOBS_INSERT_READY, 5, (Oid const[]){is_time, is_number, is_small, is_small, is_text});
  if (PQenterPipelineMode(on) != 1) fail(on);
  double const begin = seconds_now() + 0.3;
  for (long i = 0; i < of->jobs; ++i) {
    double const wait = begin + (double)i / (double)of->batch - seconds_now();
    if (wait > 0) usleep((useconds_t)(wait * 1e6));
    added_at[i] = seconds_now();
    add_one(on, of, i + 1);
  }
}

static void start_each(PGconn* on, struct plan const* of) {
  int64_t ids[1000];
  int32_t attempts[1000];
  struct worker by = {.name = "bench-1", .lease = 1000000000, .ids = ids, .attempts = attempts};
  struct buffer arrays[11] = {{0}};
  begin_at_front(&by);
  run(on, "LISTEN visor");
  if (PQenterPipelineMode(on) != 1) fail(on);
  for (long started = 0; started < of->jobs || by.count != 0;) {
    exchange(on, &by, 1000, arrays);
    for (long i = 0; i < by.count; ++i) started_at[ids[i] - 1] = seconds_now();
    started += by.count;
    int told = by.count != 0 || started == of->jobs;
    while (!told) {
      for (PGnotify* word; (word = PQnotifies(on)) != NULL; PQfreemem(word)) told = 1;
      if (told) break;
      struct pollfd socket = {.fd = PQsocket(on), .events = POLLIN};
      if (poll(&socket, 1, 10000) != 1 || PQconsumeInput(on) != 1) give_up("nobody told of a job");
    }
  }
}

static void add_or_start(int node, int ready, int go, void* with) {
  PGconn* const on = connect_prepared();
  wait_for_go(ready, go);
  (node == 0 ? add_each : start_each)(on, with);
  PQfinish(on);
}

static int compare(void const* left, void const* right) {
  double const a = *(double const*)left, b = *(double const*)right;
  return (a > b) - (a < b);
}

/* As `visor bench steady` prints it. */
static void print_starts(struct plan const* of) {
  for (long i = 0; i < of->jobs; ++i) started_at[i] = (started_at[i] - added_at[i]) * 1e3;
  qsort(started_at, (size_t)of->jobs, sizeof *started_at, compare);
  printf("{\"scenario\":\"steady\",\"driver\":\"postgresql\",\"jobs\":%ld,\"latencies\":{\"start\":{\"p50_ms\":%.3f,\"p99_ms\":%.3f}}}\n",
         of->jobs, started_at[(of->jobs - 1) / 2], started_at[(of->jobs - 1) * 99 / 100]);
}

static void expect(PGconn* on, char const* question, long wanted) {
  PGresult* const result = PQexec(on, question);
  if (PQresultStatus(result) != PGRES_TUPLES_OK) fail(on);
  if (atol(PQgetvalue(result, 0, 0)) != wanted) give_up(question);
  PQclear(result);
}

static char const eight_nodes[] =
    "INSERT INTO visor_node (name, address, state, epoch, lease_until, exclusive, slots, started_at, version) "
    "SELECT 'bench-' || i, 'floor', 'online', 1, now() + interval '1 day', false, 1, now(), '0' FROM generate_series(1, 8) i";

int main(int count, char** words) {
  if (count != 7) return 2;
  conninfo = words[1];
  struct plan of = read_plan(words + 2);
  PGconn* const on = connect_prepared();
  double cpu = 0, took;
  int const is_steady = strcmp(of.scenario, "steady") == 0;
  if (is_steady) {
    size_t const size = (size_t)of.jobs * sizeof *added_at;
    added_at = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (added_at == MAP_FAILED) give_up("no memory");
    started_at = added_at + of.jobs;
    run(on, eight_nodes);
    run_together(2, add_or_start, &of, &cpu);
    expect(on, "SELECT count(DISTINCT job) FROM visor_attempt WHERE final_state = 'completed'", of.jobs);
    print_starts(&of);
    PQfinish(on);
    return 0;
  }
  if (is_bulk(&of)) {
    took = run_together(of.nodes, enqueue_part, &of, &cpu);
    expect(on, "SELECT count(*) FROM visor_ready JOIN visor_job ON id = job", of.jobs);
  } else {
    struct plan chunks = of;
    chunks.batch = 5000;
    enqueue(&chunks, 0, of.jobs);
    run(on, "ANALYZE visor_job, visor_ready, visor_attempt");
    run(on, eight_nodes);
    took = run_together(of.nodes, work, &of, &cpu);
    expect(on, "SELECT count(DISTINCT job) FROM visor_attempt WHERE final_state = 'completed'", of.jobs);
    expect(on, "SELECT count(*) FROM visor_ready", 0);
    expect(on, "SELECT count(*) FROM visor_lease", 0);
  }
  print_result(&of, "postgresql", took, cpu);
  PQfinish(on);
  return 0;
}

/* floor_queue_mysql SOCKET USER DATABASE SCENARIO JOBS BATCH NODES PAYLOAD-BYTES: what `visor bench` has a node do, written by hand onto
   libmariadb: the statements that visor issues, each a blocking call, with MariaDB's bulk message where there are many. The tables are
   there, and empty. */
#include "queue.h"
#include "statements_mysql.h"

#include <mysql.h>

enum { bulk = 500, most_parameters = 11 };

static char const *socket_path, *user, *database;

static void fail(MYSQL* on) { give_up(mysql_error(on)); }

/* Statements without parameters, with `;` between them. */
static void run(MYSQL* on, char const* text) {
  if (mysql_query(on, text) != 0) fail(on);
  int more;
  do {
    MYSQL_RES* const rows = mysql_store_result(on);
    if (rows != NULL) mysql_free_result(rows);
    more = mysql_next_result(on);
    if (more > 0) fail(on);
  } while (more == 0);
}

static MYSQL* open_connection(void) {
  MYSQL* const on = mysql_init(NULL);
  if (mysql_real_connect(on, NULL, user, NULL, database, 0, socket_path, CLIENT_MULTI_STATEMENTS) == NULL) fail(on);
  run(on, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; SET optimizer_switch = 'materialization=off'");
  return on;
}

static MYSQL_STMT* prepare(MYSQL* on, char const* text) {
  MYSQL_STMT* const made = mysql_stmt_init(on);
  if (mysql_stmt_prepare(made, text, strlen(text)) != 0) give_up(mysql_stmt_error(made));
  return made;
}

static MYSQL_BIND a_number(int64_t* value) {
  MYSQL_BIND one;
  memset(&one, 0, sizeof one);
  one.buffer_type = MYSQL_TYPE_LONGLONG;
  one.buffer = value;
  return one;
}
/* The length must live as long as the text. */
static MYSQL_BIND a_text(char const* text, unsigned long* length) {
  MYSQL_BIND one;
  memset(&one, 0, sizeof one);
  *length = strlen(text);
  one.buffer_type = MYSQL_TYPE_STRING;
  one.buffer = (void*)(uintptr_t)text;
  one.length = length;
  return one;
}

/* Returns how many rows it had. */
static long execute(MYSQL_STMT* what, MYSQL_BIND* given) {
  if (mysql_stmt_bind_param(what, given) != 0 || mysql_stmt_execute(what) != 0) give_up(mysql_stmt_error(what));
  long rows = 0;
  if (mysql_stmt_field_count(what) != 0) {
    if (mysql_stmt_store_result(what) != 0) give_up(mysql_stmt_error(what));
    rows = (long)mysql_stmt_num_rows(what);
    mysql_stmt_free_result(what);
  }
  return rows;
}

/* ---- many executions in one message: a column of values for each parameter ---- */


struct column {
  int64_t number[bulk];
  char const* text[bulk];
  unsigned long length[bulk];
  char indicator[bulk];
};
static struct column columns[most_parameters];

static void put_number(int column, long at, int64_t value) { columns[column].number[at] = value; }
static void put_text(int column, long at, char const* text) {
  columns[column].text[at] = text;
  columns[column].length[at] = strlen(text);
}

/* `kinds` has a letter for each parameter: n for a number, t for a text, N and T for the same where all are NULL. */
static void execute_many(MYSQL_STMT* what, char const* kinds, long count) {
  MYSQL_BIND given[most_parameters];
  memset(given, 0, sizeof given);
  for (int i = 0; kinds[i] != '\0'; ++i) {
    int const is_text = kinds[i] == 't' || kinds[i] == 'T';
    memset(columns[i].indicator, kinds[i] < 'a' ? STMT_INDICATOR_NULL : STMT_INDICATOR_NONE, sizeof columns[i].indicator);
    given[i].buffer_type = is_text ? MYSQL_TYPE_STRING : MYSQL_TYPE_LONGLONG;
    given[i].buffer = is_text ? (void*)columns[i].text : (void*)columns[i].number;
    given[i].length = is_text ? columns[i].length : NULL;
    given[i].u.indicator = columns[i].indicator;
  }
  unsigned int const size = (unsigned)count;
  mysql_stmt_attr_set(what, STMT_ATTR_ARRAY_SIZE, &size);
  if (mysql_stmt_bind_param(what, given) != 0 || mysql_stmt_execute(what) != 0) give_up(mysql_stmt_error(what));
}

/* ---- jobs are added ---- */

static char const begin_beside[] =
    "START TRANSACTION; SELECT version FROM visor_migration WHERE version = 1 LOCK IN SHARE MODE; SELECT UTC_TIMESTAMP(6)";

static void enqueue(struct plan const* of, long from, long until) {
  MYSQL* const on = open_connection();
  MYSQL_STMT* const job = prepare(on, JOBS_INSERT_JOB);
  MYSQL_STMT* const ready = prepare(on, JOBS_INSERT_READY);
  while (from < until) {
    long const end = from + of->batch < until ? from + of->batch : until;
    run(on, begin_beside);
    int64_t const now = microseconds_now();
    for (long at = from; at < end; at += bulk) {
      long const count = end - at < bulk ? end - at : bulk;
      for (long i = 0; i < count; ++i) {
        put_number(0, i, at + i + 1);
        put_number(1, i, now);
        put_number(2, i, now);
        put_number(3, i, 100);
        put_number(4, i, 1);
        put_text(5, i, of->payload);
        put_text(6, i, "bench");
        put_text(7, i, "default");
      }
      execute_many(job, "nnnnntttTNT", count);
    }
    for (long at = from; at < end; at += bulk) {
      long const count = end - at < bulk ? end - at : bulk;
      for (long i = 0; i < count; ++i) {
        put_number(0, i, now);
        put_number(1, i, at + i + 1);
        put_number(2, i, 100);
        put_number(3, i, 1);
        put_text(4, i, "default");
      }
      execute_many(ready, "nnnnt", count);
    }
    run(on, "COMMIT");
    from = end;
  }
  mysql_stmt_close(job);
  mysql_stmt_close(ready);
  mysql_close(on);
}

static void enqueue_part(int node, int ready, int go, void* with) {
  struct plan const* const of = with;
  mysql_close(open_connection()); /* what is read once, is */
  wait_for_go(ready, go);
  enqueue(of, of->jobs * node / of->nodes, of->jobs * (node + 1) / of->nodes);
}

/* ---- jobs are claimed and completed ---- */

static void work(int node, int ready, int go, void* with) {
  struct plan const* const of = with;
  MYSQL* const on = open_connection();
  MYSQL_STMT* const current_node = prepare(on, LEASES_CURRENT_NODE);
  MYSQL_STMT* const any_waiting = prepare(on, JOBS_ANY_WAITING);
  MYSQL_STMT* const cancels = prepare(on, JOBS_CANCELS);
  MYSQL_STMT* const find_lease = prepare(on, LEASES_FIND_LEASE);
  MYSQL_STMT* const insert_attempt = prepare(on, LEASES_INSERT_ATTEMPT);
  MYSQL_STMT* const remove_lease = prepare(on, LEASES_REMOVE_LEASE);
  MYSQL_STMT* const front = prepare(on, JOBS_FRONT_OF_QUEUE);
  MYSQL_STMT* const remove_ready = prepare(on, JOBS_REMOVE_READY);
  MYSQL_STMT* const insert_lease = prepare(on, LEASES_INSERT_LEASE);
  char name[32];
  snprintf(name, sizeof name, "bench-%d", node + 1);
  unsigned long name_length, queue_length, ids_length;
  int64_t lease = (int64_t)(node + 1) * 1000000000, one = 1, epoch = 1, limit = of->batch, longest = longest_payload;
  int64_t priority = INT32_MIN, run_at = INT32_MIN, job = INT32_MIN; /* behind this position it looks for more; at first before all */
  int64_t* const ids = malloc((size_t)of->batch * sizeof *ids);
  int64_t* const attempts = malloc((size_t)of->batch * sizeof *attempts);
  int64_t* const priorities = malloc((size_t)of->batch * sizeof *priorities);
  int64_t* const run_ats = malloc((size_t)of->batch * sizeof *run_ats);
  long count = 0;

  enum { front_columns = 12 };
  int64_t row_numbers[front_columns];
  static char row_texts[front_columns][4096];
  MYSQL_BIND row[front_columns];
  memset(row, 0, sizeof row);
  for (int i = 0; i < front_columns; ++i) {
    int const is_text = i == 2 || i == 3 || i == 5 || i == 7;
    row[i].buffer_type = is_text ? MYSQL_TYPE_STRING : MYSQL_TYPE_LONGLONG;
    row[i].buffer = is_text ? (void*)row_texts[i] : (void*)&row_numbers[i];
    row[i].buffer_length = is_text ? sizeof row_texts[i] : 0;
  }
  if (mysql_stmt_bind_result(front, row) != 0) give_up(mysql_stmt_error(front));

  wait_for_go(ready, go);
  do {
    MYSQL_BIND just_one[] = {a_number(&one)};
    MYSQL_BIND me[] = {a_text(name, &name_length), a_number(&epoch)};
    MYSQL_BIND held[] = {a_number(&lease), a_text(name, &name_length), a_number(&epoch)};
    run(on, begin_beside);
    if (execute(current_node, me) != 1) give_up("the node is gone");
    if (count != 0) {
      execute(any_waiting, just_one);
      execute(cancels, just_one);
      if (execute(find_lease, held) != 1) give_up("the lease is gone");
      int64_t const now = microseconds_now();
      for (long at = 0; at < count; at += bulk) {
        long const some = count - at < bulk ? count - at : bulk;
        for (long i = 0; i < some; ++i) {
          put_number(0, i, ids[at + i]);
          put_number(1, i, lease);
          put_number(2, i, 1);
          put_number(3, i, now);
          put_number(4, i, now);
          put_number(5, i, attempts[at + i]);
          put_text(6, i, name);
          put_text(8, i, "completed");
        }
        execute_many(insert_attempt, "nnnnnntTtTT", some);
      }
      MYSQL_BIND gone[] = {a_number(&lease)};
      execute(remove_lease, gone);
    }
    MYSQL_BIND which[] = {a_number(&longest), a_text("default", &queue_length), a_number(&priority), a_number(&priority), a_number(&run_at),
                          a_number(&run_at), a_number(&job), a_number(&limit)};
    if (mysql_stmt_bind_param(front, which) != 0 || mysql_stmt_execute(front) != 0 || mysql_stmt_store_result(front) != 0)
      give_up(mysql_stmt_error(front));
    for (count = 0;; ++count) {
      int const got = mysql_stmt_fetch(front);
      if (got == MYSQL_NO_DATA) break;
      if (got != 0) give_up("a row cannot be read");
      ids[count] = row_numbers[0];
      attempts[count] = row_numbers[1];
      priorities[count] = priority = row_numbers[4];
      run_ats[count] = run_at = row_numbers[9];
      job = ids[count];
    }
    mysql_stmt_free_result(front);
    for (long at = 0; at < count; at += bulk) {
      long const some = count - at < bulk ? count - at : bulk;
      for (long i = 0; i < some; ++i) {
        put_text(0, i, "default");
        put_number(1, i, priorities[at + i]);
        put_number(2, i, run_ats[at + i]);
        put_number(3, i, ids[at + i]);
      }
      execute_many(remove_ready, "tnnn", some);
    }
    if (count != 0) {
      ++lease;
      int64_t now = microseconds_now();
      char* const text = ids_as_json(ids, count);
      MYSQL_BIND taken[] = {a_number(&lease), a_text(name, &name_length), a_number(&epoch), a_number(&now), a_text(text, &ids_length),
                            {.buffer_type = MYSQL_TYPE_NULL}};
      execute(insert_lease, taken);
      free(text);
    }
    run(on, "COMMIT");
  } while (count != 0);
  mysql_close(on);
}

static void expect(MYSQL* on, char const* question, long wanted) {
  if (mysql_query(on, question) != 0) fail(on);
  MYSQL_RES* const rows = mysql_store_result(on);
  if (rows == NULL || atol(mysql_fetch_row(rows)[0]) != wanted) give_up(question);
  mysql_free_result(rows);
}

int main(int count, char** words) {
  if (count != 9) return 2;
  socket_path = words[1];
  user = words[2];
  database = words[3];
  struct plan of = read_plan(words + 4);
  double cpu = 0, took;
  if (is_bulk(&of)) {
    took = run_together(of.nodes, enqueue_part, &of, &cpu);
    MYSQL* const on = open_connection();
    expect(on, "SELECT count(*) FROM visor_ready JOIN visor_job ON id = job", of.jobs);
    mysql_close(on);
  } else {
    struct plan chunks = of;
    chunks.batch = 5000;
    enqueue(&chunks, 0, of.jobs);
    MYSQL* const on = open_connection();
    run(on, "INSERT INTO visor_node (name, address, state, epoch, lease_until, exclusive, slots, started_at, version) VALUES "
            "('bench-1', 'floor', 'online', 1, 9e15, 0, 1, 0, '0'), ('bench-2', 'floor', 'online', 1, 9e15, 0, 1, 0, '0'), "
            "('bench-3', 'floor', 'online', 1, 9e15, 0, 1, 0, '0'), ('bench-4', 'floor', 'online', 1, 9e15, 0, 1, 0, '0'), "
            "('bench-5', 'floor', 'online', 1, 9e15, 0, 1, 0, '0'), ('bench-6', 'floor', 'online', 1, 9e15, 0, 1, 0, '0'), "
            "('bench-7', 'floor', 'online', 1, 9e15, 0, 1, 0, '0'), ('bench-8', 'floor', 'online', 1, 9e15, 0, 1, 0, '0')");
    mysql_close(on);
    took = run_together(of.nodes, work, &of, &cpu);
    MYSQL* const after = open_connection();
    expect(after, "SELECT count(DISTINCT job) FROM visor_attempt WHERE final_state = 'completed'", of.jobs);
    expect(after, "SELECT count(*) FROM visor_ready", 0);
    expect(after, "SELECT count(*) FROM visor_lease", 0);
    mysql_close(after);
  }
  print_result(&of, "mysql", took, cpu);
  return 0;
}

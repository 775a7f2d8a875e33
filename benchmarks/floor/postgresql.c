/* floor_postgresql CONNINFO STATEMENT ROUNDS: executes a prepared statement with three parameters ROUNDS times, each a blocking call, and
   prints the microseconds that one took. */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void check(PGconn* on, PGresult* result, ExecStatusType wanted) {
  if (PQresultStatus(result) != wanted) {
    fprintf(stderr, "floor_postgresql: %s", PQerrorMessage(on));
    exit(1);
  }
  PQclear(result);
}

int main(int count, char** words) {
  if (count != 4) return 2;
  PGconn* const on = PQconnectdb(words[1]);
  check(on, PQprepare(on, "s", words[2], 0, NULL), PGRES_COMMAND_OK);
  char const* const values[] = {"1", "bench", "1"};
  int const rounds = atoi(words[3]);
  double const start = seconds();
  for (int i = 0; i < rounds; ++i) check(on, PQexecPrepared(on, "s", 3, values, NULL, NULL, 1), PGRES_TUPLES_OK);
  printf("%.3f\n", (seconds() - start) / rounds * 1e6);
  PQfinish(on);
  return 0;
}

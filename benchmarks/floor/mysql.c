/* floor_mysql SOCKET DATABASE STATEMENT ROUNDS: executes a prepared statement with three parameters ROUNDS times, each a blocking call, and
   prints the microseconds that one took. */
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void check(int failed, char const* message) {
  if (!failed) return;
  fprintf(stderr, "floor_mysql: %s\n", message);
  exit(1);
}

int main(int count, char** words) {
  if (count != 5) return 2;
  MYSQL* const on = mysql_init(NULL);
  check(mysql_real_connect(on, NULL, "root", NULL, words[2], 0, words[1], 0) == NULL, mysql_error(on));
  MYSQL_STMT* const statement = mysql_stmt_init(on);
  check(mysql_stmt_prepare(statement, words[3], strlen(words[3])) != 0, mysql_stmt_error(statement));
  long long one = 1;
  char node[] = "bench";
  unsigned long length = sizeof node - 1;
  MYSQL_BIND given[3];
  memset(given, 0, sizeof given);
  given[0].buffer_type = given[2].buffer_type = MYSQL_TYPE_LONGLONG;
  given[0].buffer = given[2].buffer = &one;
  given[1].buffer_type = MYSQL_TYPE_STRING;
  given[1].buffer = node;
  given[1].length = &length;
  check(mysql_stmt_bind_param(statement, given), mysql_stmt_error(statement));
  long long id;
  MYSQL_BIND got;
  memset(&got, 0, sizeof got);
  got.buffer_type = MYSQL_TYPE_LONGLONG;
  got.buffer = &id;
  check(mysql_stmt_bind_result(statement, &got), mysql_stmt_error(statement));
  int const rounds = atoi(words[4]);
  double const start = seconds();
  for (int i = 0; i < rounds; ++i) {
    check(mysql_stmt_execute(statement) || mysql_stmt_store_result(statement), mysql_stmt_error(statement));
    while (mysql_stmt_fetch(statement) == 0) {
    }
    mysql_stmt_free_result(statement);
  }
  printf("%.3f\n", (seconds() - start) / rounds * 1e6);
  mysql_stmt_close(statement);
  mysql_close(on);
  return 0;
}

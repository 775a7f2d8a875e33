/* What the floors have in common: processes that begin together, and what is printed of them. */
#ifndef VISOR_BENCHMARKS_FLOOR_QUEUE_H
#define VISOR_BENCHMARKS_FLOOR_QUEUE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Payloads that are longer come with a question of their own: here none is. */
static int64_t const longest_payload = 64 * 1024;

struct plan {
  char const* scenario; /* burn-down, one-at-a-time, bulk-enqueue or steady, as far as a floor knows them */
  long jobs;
  long batch;
  int nodes;
  char* payload;
};

static inline double seconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Since 1970. */
static inline int64_t microseconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static inline void give_up(char const* why) {
  fprintf(stderr, "floor: %s\n", why);
  exit(1);
}

static inline int is_bulk(struct plan const* of) { return strcmp(of->scenario, "bulk-enqueue") == 0; }

/* From the words SCENARIO JOBS BATCH NODES PAYLOAD-BYTES. */
static inline struct plan read_plan(char** words) {
  struct plan result;
  result.scenario = words[0];
  result.jobs = atol(words[1]);
  result.batch = atol(words[2]);
  result.nodes = atoi(words[3]);
  int const bytes = atoi(words[4]);
  if (result.jobs < 1 || result.batch < 1 || result.nodes < 1 || result.nodes > 8 || bytes < 40) give_up("a number is out of its range");
  result.payload = (char*)malloc((size_t)bytes + 1);
  int const begin = sprintf(result.payload, "{\"number\":%ld,\"text\":\"", result.jobs);
  memset(result.payload + begin, 'x', (size_t)(bytes - begin));
  strcpy(result.payload + bytes - 2, "\"}");
  return result;
}

/* "[first,...]". The text is the caller's. */
static inline char* ids_as_json(int64_t const* ids, long count) {
  char* const text = (char*)malloc((size_t)count * 21 + 3);
  char* at = text;
  *at++ = '[';
  for (long i = 0; i < count; ++i) at += sprintf(at, i == 0 ? "%lld" : ",%lld", (long long)ids[i]);
  strcpy(at, "]");
  return text;
}

/* User and system. */
static inline double used_between(struct rusage const* before, struct rusage const* after) {
  double const seconds =
      (double)(after->ru_utime.tv_sec - before->ru_utime.tv_sec) + (double)(after->ru_stime.tv_sec - before->ru_stime.tv_sec);
  double const microseconds =
      (double)(after->ru_utime.tv_usec - before->ru_utime.tv_usec) + (double)(after->ru_stime.tv_usec - before->ru_stime.tv_usec);
  return seconds + microseconds / 1e6;
}

/* Lets so many processes begin at the same time, once each has said by a byte to `ready` that it could, and waits for all.
   Returns how long that took, in seconds; `cpu` is set to the processor's time that they used. */
static inline double run_together(int nodes, void (*work)(int node, int ready, int go, void* with), void* with, double* cpu) {
  int ready[2], go[2];
  pid_t children[8];
  if (pipe(ready) != 0 || pipe(go) != 0) give_up("no pipes");
  fflush(NULL);
  for (int i = 0; i < nodes; ++i) {
    children[i] = fork();
    if (children[i] < 0) give_up("cannot fork");
    if (children[i] == 0) {
      close(go[1]);
      work(i, ready[1], go[0], with);
      _exit(0);
    }
  }
  close(ready[1]);
  char byte;
  for (int i = 0; i < nodes; ++i)
    if (read(ready[0], &byte, 1) != 1) give_up("a process could not begin");
  struct rusage before, after;
  getrusage(RUSAGE_CHILDREN, &before);
  double const begin = seconds_now();
  close(go[1]);
  for (int i = 0; i < nodes; ++i) {
    int status = 0;
    waitpid(children[i], &status, 0);
    if (status != 0) give_up("a process failed");
  }
  double const took = seconds_now() - begin;
  getrusage(RUSAGE_CHILDREN, &after);
  *cpu = used_between(&before, &after);
  return took;
}

/* What a process of the above does before it begins. */
static inline void wait_for_go(int ready, int go) {
  char byte = 'r';
  if (write(ready, &byte, 1) != 1) give_up("nobody waits");
  if (read(go, &byte, 1) != 0) give_up("no beginning");
}

static inline void print_result(struct plan const* of, char const* driver, double seconds, double cpu) {
  printf("{\"scenario\":\"%s\",\"driver\":\"%s\",\"jobs\":%ld,\"batch\":%ld,\"nodes\":%d,\"seconds\":%.6f,\"jobs_per_second\":%.1f,"
         "\"client_cpu_seconds\":%.3f}\n",
         of->scenario, driver, of->jobs, of->batch, of->nodes, seconds, (double)of->jobs / seconds, cpu);
}

#endif

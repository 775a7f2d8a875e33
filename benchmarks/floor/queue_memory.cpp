// floor_queue_memory SCENARIO JOBS BATCH NODES PAYLOAD-BYTES: the work that `visor bench` gives to a node, in containers of the
// standard library and nothing else: jobs by their number, ready jobs in order, and the outcome of each attempt. Memory has one
// node.
#include "queue.h"

#include <map>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

namespace {

struct job {
  std::string type, queue, payload;
  int priority, max_attempts;
  int64_t run_at, created_at;
};
struct attempt {
  int64_t lease, started_at, finished_at;
  std::string node;
  int outcome;
};

std::unordered_map<int64_t, job> jobs;
std::map<std::tuple<int, int64_t, int64_t>, int> ready;  // by priority, instant and job: the number of the attempt
std::unordered_map<int64_t, std::vector<attempt>> attempts;
std::unordered_map<int64_t, std::vector<int64_t>> leases;

void enqueue(plan const& of) {
  for (int64_t id = 1; id <= of.jobs; ++id) {
    int64_t const now = microseconds_now();
    jobs.emplace(id, job{"bench", "default", of.payload, 100, 1, now, now});
    ready.emplace(std::tuple(100, now, id), 1);
  }
}

void work(plan const& of) {
  int64_t lease = 0;
  std::vector<job> taken;
  std::vector<int64_t> ids;
  do {
    for (int64_t const id : ids) {
      int64_t const now = microseconds_now();
      attempts[id].push_back({lease, now, now, "bench-1", 1});
    }
    leases.erase(lease);
    ids.clear();
    taken.clear();
    while (!ready.empty() && ids.size() < static_cast<std::size_t>(of.batch)) {
      auto const first = ready.begin();
      ids.push_back(std::get<2>(first->first));
      taken.push_back(jobs.at(ids.back()));
      ready.erase(first);
    }
    if (!ids.empty()) leases.emplace(++lease, ids);
  } while (!ids.empty());
}

}  // namespace

int main(int count, char** words) {
  if (count != 6) return 2;
  plan const of = read_plan(words + 1);
  if (of.nodes != 1) give_up("memory has one node");
  rusage before{}, after{};
  getrusage(RUSAGE_SELF, &before);
  double begin = seconds_now();
  enqueue(of);
  if (is_bulk(&of) == 0) {
    getrusage(RUSAGE_SELF, &before);
    begin = seconds_now();
    work(of);
  }
  double const took = seconds_now() - begin;
  getrusage(RUSAGE_SELF, &after);
  std::size_t const done = is_bulk(&of) != 0 ? ready.size() : attempts.size();
  if (done != static_cast<std::size_t>(of.jobs) || !leases.empty()) give_up("not every job was done");
  print_result(&of, "memory", took, used_between(&before, &after));
  return 0;
}

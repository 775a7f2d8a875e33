#include "commands.hpp"
#include "configuration.hpp"
#include "job_number.hpp"
#include "node_view.hpp"
#include "report.hpp"
#include "run_sync.hpp"
#include "storage.hpp"
#include "words.hpp"

#include <algorithm>
#include <iostream>
#include <limits>
#include <string>
#include <vector>

namespace visor_program {
namespace {

using lines = std::vector<std::string>;

std::string queue_in_words(visor::queue_name const& name) {
  std::string words = "queue " + in_quotes(std::string(name.queue));
  if (!name.capability.empty()) words += " for nodes with the capability " + in_quotes(std::string(name.capability));
  return words;
}

/// Adds the limits of the job's type, and their use.
void add_limits(lines& said, storage& in, visor::job_record const& job) {
  visor::queue_name const name(job.queue);
  auto const limited = run_sync(in.limits());
  auto const limits = std::ranges::find(limited, name.type, &visor::type_limit_record::type);
  if (limits == limited.end() || !limits->any()) return;
  visor::job_filter same;
  same.state = visor::job_state::running;
  same.type = job.type;
  same.limit = std::numeric_limits<int>::max();
  int running = 0, of_key = 0;
  for (auto const& other : run_sync(in.jobs(same))) {
    ++running;
    of_key += visor::queue_name(other.job.queue).key == name.key ? 1 : 0;
  }
  std::string const with_key = " with the key " + in_quotes(std::string(name.key));
  auto const of = [](int count, int most) { return std::to_string(count) + " of at most " + std::to_string(most) + " jobs of its type"; };
  if (limits->concurrency != 0) said.push_back(of(running, limits->concurrency) + " run");
  if (limits->key_concurrency != 0 && !name.key.empty()) said.push_back(of(of_key, limits->key_concurrency) + with_key + " run");
  auto const in_any = [&](int most) {
    return "at most " + std::to_string(most) + " jobs of its type start in any " + visor::to_string(limits->per);
  };
  if (limits->rate != 0) said.push_back(in_any(limits->rate));
  if (limits->key_rate != 0 && !name.key.empty()) said.push_back(in_any(limits->key_rate) + with_key);
}

/// Adds the nodes that could take a ready or a scheduled job, or the reasons why none can.
void add_takers(lines& said, storage& in, visor::job_view const& view) {
  auto const now = run_sync(in.now());
  auto const nodes = run_sync(in.nodes());
  auto const types = run_sync(in.node_types());
  auto running = running_on_nodes(in);
  lines takers, others;
  int free = 0;
  for (auto const& node : nodes) {
    if (!is_live(node, now)) continue;
    auto const is_its_type = [&](visor::node_type_record const& each) { return each.node == node.name && each.type == view.job.type; };
    bool const drains = node.state == visor::node_state::draining || node.requested_state;
    if (!serves(node, view.job.queue)) {
      others.push_back(node.name + " (queues " + node.queues.value_or("unknown") + "; capabilities " +
                       (node.capabilities && !node.capabilities->empty() ? *node.capabilities : "none") + ")");
    } else if (std::ranges::none_of(types, is_its_type)) {
      others.push_back(node.name + " (does not know the type)");
    } else if (drains) {
      others.push_back(node.name + " (takes no more work: it drains)");
    } else {
      free += std::max(0, node.slots - running[node.name]);
      takers.push_back(node.name + " (" + std::to_string(running[node.name]) + " of " + std::to_string(node.slots) + " slots in use)");
    }
  }
  if (nodes.empty() || (takers.empty() && others.empty())) {
    said.push_back("no node is at work: start one with 'visor run'");
    return;
  }
  if (takers.empty()) {
    said.push_back("no node that is at work takes jobs of it:");
    for (auto const& each : others) said.push_back("  " + each);
    return;
  }
  if (view.state == visor::job_state::scheduled)
    said.push_back("it will be taken then, by one of:");
  else
    said.push_back(free > 0 ? "it will be taken when its turn comes, by one of:" : "all slots of the nodes that take it are in use:");
  for (auto const& each : takers) said.push_back("  " + each);
}

lines reasons(storage& in, visor::job_view const& view) {
  using visor::job_state;
  lines said;
  auto const& job = view.job;
  bool const tried = view.attempts > 0;
  std::string const tries = tries_in_words(view);
  switch (view.state) {
    case job_state::waiting:
      said.push_back("waits until the job before it of schedule " + in_quotes(job.schedule.value_or("")) +
                     " has ended, as its overlap policy says");
      if (job.schedule) {
        visor::job_filter same;
        same.schedule = job.schedule;
        same.before = job.id;
        for (auto const& other : run_sync(in.jobs(same)))
          if (other.state == job_state::running || other.state == job_state::ready || other.state == job_state::scheduled ||
              other.state == job_state::waiting) {
            said.push_back("  job " + std::to_string(other.job.id) + ", which is " + std::string(word(other.state)));
            break;
          }
      }
      break;
    case job_state::scheduled:
      if (tried)
        said.push_back("attempt " + tries + " ended badly" + (view.error ? ": " + *view.error : "") + "; the next one is not due yet");
      else
        said.push_back("is not due before " + visor::to_string(job.run_at));
      said.push_back("will wait in the " + queue_in_words(visor::queue_name(job.queue)) + ", priority " + std::to_string(job.priority));
      add_takers(said, in, view);
      break;
    case job_state::ready:
      said.push_back("waits in the " + queue_in_words(visor::queue_name(job.queue)) + ", priority " + std::to_string(job.priority));
      if (tried) said.push_back("attempt " + tries + (view.error ? " ended with: " + *view.error : " has ended"));
      add_limits(said, in, job);
      add_takers(said, in, view);
      break;
    case job_state::running: {
      said.push_back("runs on node " + view.node.value_or("-") + " since " + (view.started_at ? visor::to_string(*view.started_at) : "-") +
                     ", attempt " + tries);
      for (auto const& node : run_sync(in.nodes()))
        if (node.name == view.node && !is_live(node, run_sync(in.now())))
          said.push_back("that node has not been heard of since its lease ended at " + visor::to_string(node.lease_until) +
                         ": the job runs again as soon as another node is at work");
      break;
    }
    case job_state::completed: said.push_back("is done, after attempt " + tries); break;
    case job_state::cancelled:
      said.push_back("was cancelled; 'visor job retry " + std::to_string(job.id) + "' runs it all the same");
      break;
    case job_state::failed:
      said.push_back("its handler said that trying again does not help" + (view.error ? ": " + *view.error : ""));
      said.push_back("'visor job retry " + std::to_string(job.id) + "' tries once more");
      break;
    case job_state::dead:
      said.push_back("ended after attempt " + tries + (view.error ? "; the last one: " + *view.error : ""));
      said.push_back("'visor job retry " + std::to_string(job.id) + "' tries once more");
      break;
  }
  return said;
}

}  // namespace

int why(invocation const& arguments) {
  auto const id = job_id_of(arguments.argument(0));
  auto const store = look_at_storage(read_configuration(arguments));
  auto const view = store ? run_sync(store->find_job(id)) : std::nullopt;
  if (!view) no_such_job(id);
  std::cout << "job " << id << ' ' << escaped(view->job.type) << " is " << word(view->state) << '\n';
  for (auto const& line : reasons(*store, *view)) std::cout << "  " << escaped(line) << '\n';
  return 0;
}

}  // namespace visor_program

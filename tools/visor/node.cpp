#include "commands.hpp"
#include "configuration.hpp"
#include "node_view.hpp"
#include "report.hpp"
#include "run_sync.hpp"
#include "storage.hpp"
#include "words.hpp"
#include "workflows.hpp"

#include "visor/base/error.hpp"

#include <boost/json/object.hpp>

#include <algorithm>
#include <cstddef>
#include <iostream>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace visor_program {
namespace {

constexpr argument name_argument[] = {{"name"}};
constexpr option list_options[] = {config_option, json_option};
constexpr option change_options[] = {config_option};
constexpr option remove_options[] = {config_option, {"force", "", "also one that is at work: others take its jobs"}};

struct node_view {
  visor::node_record node;
  std::string state;
  int running = 0;
};

/// The nodes, with the number of jobs that run on each.
std::vector<node_view> views_of(storage& in) {
  auto const now = run_sync(in.now());
  auto running = running_on_nodes(in);
  std::vector<node_view> all;
  for (auto& node : run_sync(in.nodes())) {
    std::string state(word(node.state));
    if (node.state != visor::node_state::offline && !is_live(node, now)) state = "lapsed";
    int const jobs = running[node.name];
    all.push_back({std::move(node), std::move(state), jobs});
  }
  return all;
}

/// The job types of each node.
using types_by_node = std::map<std::string, std::set<std::string>>;

types_by_node types_of(storage& in) {
  types_by_node all;
  for (auto& each : run_sync(in.node_types())) all[each.node].insert(std::move(each.type));
  return all;
}

/// The types that every online node runs.
std::set<std::string> shared_types(std::vector<node_view> const& nodes, types_by_node& types) {
  std::optional<std::set<std::string>> shared;
  for (auto const& [node, state, running] : nodes) {
    if (state != "online") continue;
    auto const& own = types[node.name];
    if (!shared) shared = own;
    std::erase_if(*shared, [&own](std::string const& type) { return !own.contains(type); });
  }
  return shared.value_or(std::set<std::string>());
}

constexpr std::size_t most_names = 4;

/// A few of the names.
std::string some_of(std::vector<std::string> const& names) {
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), most_names); ++i) (text += i == 0 ? "" : ", ") += names[i];
  return names.size() > most_names ? text + " and " + std::to_string(names.size() - most_names) + " more" : text;
}

/// The types that a node runs, for a table. Where there are many, those that every online node runs are counted, and only the others named.
std::string runs(std::set<std::string> const& types, std::set<std::string> const& shared) {
  if (types.empty()) return "-";
  if (types.size() <= most_names) return some_of({types.begin(), types.end()});
  std::vector<std::string> own;
  std::ranges::set_difference(types, shared, std::back_inserter(own));
  std::size_t const common = types.size() - own.size();
  std::string const counted = std::to_string(common) + (common == 1 ? " type" : " types");
  if (own.empty()) return counted + ", which all online nodes run";
  return (common == 0 ? "" : counted + " of all online nodes; ") + some_of(own);
}

int list(invocation const& arguments) {
  auto const store = look_at_storage(read_configuration(arguments));
  auto const found = store ? views_of(*store) : std::vector<node_view>();
  auto types = store ? types_of(*store) : types_by_node();
  if (arguments.has("json")) {
    boost::json::array all;
    for (auto const& [node, state, running] : found) {
      boost::json::object one;
      auto& own = one["types"].emplace_array();
      for (auto const& type : types[node.name]) own.emplace_back(type);
      one["name"] = node.name;
      one["state"] = state;
      one["requested_state"] = node.requested_state ? boost::json::value(word(*node.requested_state)) : boost::json::value();
      one["epoch"] = node.epoch;
      one["lease_until"] = visor::to_string(node.lease_until);
      one["started_at"] = visor::to_string(node.started_at);
      one["running"] = running;
      one["slots"] = node.slots;
      one["queues"] = json_of(node.queues);
      one["capabilities"] = json_of(node.capabilities);
      one["resources"] = json_of(node.resources);
      one["address"] = node.address;
      one["version"] = node.version;
      all.emplace_back(std::move(one));
    }
    print_json(std::cout, all);
    return 0;
  }
  table rows({"NAME", "STATE", "RUNNING", "QUEUES", "CAPABILITIES", "EPOCH", "LEASE UNTIL", "STARTED", "VERSION", "RUNS"});
  for (auto& [node, own] : types) own.erase(text_type);  // every configuration has it
  auto const shared = shared_types(found, types);
  for (auto const& [node, state, running] : found) {
    bool const is_online = state == "online" && !node.requested_state;
    rows.add({node.name,
              {node.requested_state && state == "online" ? "online, to drain" : state, is_online ? colour::good : colour::faint},
              std::to_string(running) + "/" + std::to_string(node.slots),
              node.queues.value_or("-"),
              node.capabilities && !node.capabilities->empty() ? *node.capabilities : "-",
              std::to_string(node.epoch),
              std::optional(node.lease_until),
              std::optional(node.started_at),
              node.version,
              runs(types[node.name], shared)});
  }
  if (rows.empty())
    std::cout << "no nodes\n";
  else
    rows.print(std::cout);
  return 0;
}

[[noreturn]] void no_such_node(std::string const& name) {
  throw failure("there is no node " + in_quotes(name) + "; 'visor node list' shows those that there are");
}

visor::node_record find_node(storage& in, std::string const& name) {
  for (auto& node : run_sync(in.nodes()))
    if (node.name == name) return node;
  no_such_node(name);
}

int drain(invocation const& arguments) {
  auto const& name = arguments.argument(0);
  auto const store = open_storage(read_configuration(arguments));
  auto const node = find_node(*store, name);
  if (!is_live(node, run_sync(store->now()))) throw failure("node " + in_quotes(name) + " is not at work");
  run_sync(store->request_state(name, visor::requested_state::drain));
  std::cout << "node " << escaped(name) << " takes no more work from its next heartbeat on, until it is resumed or started anew\n";
  return 0;
}

int resume(invocation const& arguments) {
  auto const& name = arguments.argument(0);
  auto const store = open_storage(read_configuration(arguments));
  if (!find_node(*store, name).requested_state) throw failure("node " + in_quotes(name) + " takes work already");
  run_sync(store->request_state(name, std::nullopt));
  std::cout << "node " << escaped(name) << " takes work again from its next heartbeat on\n";
  return 0;
}

int remove(invocation const& arguments) {
  auto const& name = arguments.argument(0);
  auto const store = open_storage(read_configuration(arguments));
  auto const node = find_node(*store, name);
  bool const is_at_work = is_live(node, run_sync(store->now()));
  if (is_at_work && !arguments.has("force"))
    throw failure("node " + in_quotes(name) + " is at work: stop it first, or with --force let others take its jobs now");
  if (node.state != visor::node_state::offline) {
    for (auto const& lapsed : run_sync(store->recover(visor::node_lease(node.name, node.epoch, node.lease_until))))
      if (lapsed.node == name && !lapsed.requeued.empty()) std::cout << lapsed.requeued.size() << " jobs that it held run again\n";
  }
  if (!run_sync(store->remove_node(name))) no_such_node(name);
  std::cout << "node " << escaped(name) << " removed" << (is_at_work ? "; if it still runs it comes back, under a new epoch" : "") << '\n';
  return 0;
}

}  // namespace

constinit command const node_commands[4] = {
    {"list",
     "Lists the nodes, and what each has to do",
     "A node is one 'visor run', or a program with the library. One that is 'lapsed' did not say that it is alive for longer than its "
     "lease: others take its jobs. RUNS names the job types that a node can run. Of more than four, those that all online nodes run are "
     "counted, and the others named; --json lists all.",
     "visor node list",
     {},
     list_options,
     list},
    {"drain", "Lets a node take no more work, and finish what it has",
     "It goes on running, without work. To end the process as well, send it SIGTERM instead: it drains and ends.",
     "visor node drain worker-3", name_argument, change_options, drain},
    {"resume", "Lets a node take work again", "", "visor node resume worker-3", name_argument, change_options, resume},
    {"remove", "Forgets a node that is gone", "Its jobs and their attempts stay.",
     "visor node remove worker-3\nvisor node remove worker-3 --force", name_argument, remove_options, remove},
};

}  // namespace visor_program

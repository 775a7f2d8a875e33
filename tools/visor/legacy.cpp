#include "legacy.hpp"

#include "command.hpp"
#include "report.hpp"
#include "run_sync.hpp"
#include "storage.hpp"
#include "workflows.hpp"

#include "visor/async/clock.hpp"
#include "visor/base/storable_text.hpp"
#include "visor/cron/recurrence.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <fcntl.h>
#include <stdio.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>
#include <stdexcept>

namespace visor_program {
namespace {

namespace json = boost::json;

constexpr char const* default_file = ".visor/schedules.json";
constexpr int most_failures = 3;  // in a row, as the older scheduler had it

/// A fault of one row.
struct wrong_row : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// One row, field by field. A field that is null counts as absent.
class row_reader {
 public:
  explicit row_reader(json::object const& row) : row_(row) {}

  json::value const* find(char const* field) const {
    auto const* const found = row_.if_contains(field);
    return found == nullptr || found->is_null() ? nullptr : found;
  }

  std::optional<std::string> text(char const* field) const {
    auto const* const found = find(field);
    if (found == nullptr) return std::nullopt;
    if (!found->is_string()) throw wrong_row(std::string(field) + ": is no text");
    std::string result(found->get_string());
    if (!visor::is_storable_text(result)) throw wrong_row(std::string(field) + ": is not UTF-8 without NUL");
    return result;
  }

  std::optional<std::int64_t> number(char const* field) const {
    auto const* const found = find(field);
    if (found == nullptr) return std::nullopt;
    if (auto const* const whole = found->if_int64()) return *whole;
    auto const* const real = found->if_double();
    if (real == nullptr || std::floor(*real) != *real || std::abs(*real) > 9e15)
      throw wrong_row(std::string(field) + ": is no whole number");
    return static_cast<std::int64_t>(*real);
  }

  std::int64_t count(char const* field) const {
    auto const value = number(field).value_or(0);
    if (value < 0 || value > 1'000'000'000) throw wrong_row(std::string(field) + ": " + std::to_string(value) + " is no count");
    return value;
  }

  /// Milliseconds since 1970.
  std::optional<visor::instant> when(char const* field) const {
    auto const value = number(field);
    if (!value) return std::nullopt;
    if (*value < 0 || *value > 253'402'300'799'999)
      throw wrong_row(std::string(field) + ": is no instant in milliseconds before the year 10000");
    return visor::instant(std::chrono::milliseconds(*value));
  }

 private:
  json::object const& row_;
};

visor::schedule_state state_of(row_reader const& row) {
  auto const status = row.text("status").value_or("active");
  if (status == "active" || status == "executing") return visor::schedule_state::active;
  if (status == "paused") return visor::schedule_state::paused;
  if (status == "completed") return visor::schedule_state::completed;
  if (status == "failed") return visor::schedule_state::failed;
  throw wrong_row("status: " + in_quotes(status) + " is none of active, paused, completed, failed");
}

void read_when(row_reader const& row, visor::schedule_record& into, visor::instant now) {
  into.zone = row.text("timezone").value_or("UTC");
  visor::time_zone const zone = visor::find_zone(into.zone);
  auto const text = row.text("schedule").value_or("");
  auto const* const recurs = row.find("isRecurring");
  if (recurs != nullptr && !recurs->is_bool()) throw wrong_row("isRecurring: is neither true nor false");
  bool const may_fire = into.state != visor::schedule_state::completed;
  if (recurs != nullptr ? recurs->get_bool() : !text.empty()) {
    auto const when = visor::recurrence::parse(text);
    into.expression = when.to_string();
    if (!may_fire) return;
    // A missed instant is made up for. A later one is computed anew: the older scheduler did not know zones.
    into.next_at = row.when("nextRunAt");
    if (!into.next_at || *into.next_at > now) into.next_at = when.next(zone, now);
    if (!into.next_at) throw wrong_row("schedule: " + when.why_never(zone, now));
  } else if (may_fire) {
    into.next_at = row.when("runAt");
    if (!into.next_at) throw wrong_row("runAt: is missing");
  }
}

void read_work(row_reader const& row, visor::schedule_record& into, visor::settings const& settings) {
  json::object inputs;
  if (auto const* const given = row.find("workflowInputs")) {
    if (!given->is_object()) throw wrong_row("workflowInputs: is no object");
    inputs = given->get_object();
  }
  into.payload = json::serialize(inputs);
  if (!visor::is_storable_text(into.payload)) throw wrong_row("workflowInputs: is not UTF-8 without NUL");
  bool const may_fire = into.state == visor::schedule_state::active || into.state == visor::schedule_state::paused;
  auto const name = row.text("workflow").value_or("");
  if (name.empty()) {
    into.type = text_type;
    auto const* const text = inputs.if_contains("text");
    if (may_fire && (text == nullptr || !text->is_string())) throw wrong_row("workflow: is missing, and workflowInputs has no text");
    return;
  }
  into.type = name;
  if (auto const* const workflow = settings.find_workflow(name)) {
    into.queue = visor::queue_of(workflow->queue, workflow->capability, workflow->limits, workflow->name);
    into.priority = workflow->priority;
    into.max_attempts = workflow->max_attempts;
  } else if (may_fire) {
    throw wrong_row("workflow: there is no workflow " + in_quotes(name) + ": add it below \"workflows:\"");
  }
}

void read_output(row_reader const& row, visor::schedule_record& into, std::vector<std::string>& notes) {
  auto const* const given = row.find("outputContext");
  if (given == nullptr) return;
  if (!given->is_object()) throw wrong_row("outputContext: is no object");
  row_reader const output(given->get_object());
  auto const type = output.text("type").value_or("none");
  if (type == "none") return;
  json::object kept{{"type", type}};
  if (auto const target = output.text("target")) kept["target"] = *target;
  if (auto const thread = output.text("threadId")) kept["thread_id"] = *thread;
  into.output = json::serialize(kept);
  notes.push_back("its results went to " + escaped(type) + ", and are sent nowhere yet");
}

visor::schedule_record read_row(json::object const& fields, std::string id, visor::settings const& settings, visor::instant now,
                                std::vector<std::string>& notes) {
  row_reader const row(fields);
  visor::schedule_record record;
  record.id = std::move(id);
  record.origin = visor::origin::user;
  record.max_failures = most_failures;
  record.state = state_of(row);
  read_when(row, record, now);
  read_work(row, record, settings);
  read_output(row, record, notes);
  record.owner = row.text("creatorId");
  auto const name = row.text("creatorName"), context = row.text("creatorContext");
  if (name || context)
    record.description = "created by " + name.value_or(record.owner.value_or("somebody")) + (context ? " (" + *context + ")" : "");
  if (auto phrase = row.text("originalExpression"); phrase && phrase != row.text("schedule")) record.phrase = std::move(phrase);
  record.created_at = row.when("createdAt").value_or(now);
  record.last_at = row.when("lastRunAt");
  record.run_count = row.count("runCount");
  record.failure_count = static_cast<int>(row.count("failureCount"));
  record.last_error = row.text("lastError");
  if (row.find("previousResponse") != nullptr) notes.emplace_back("its previousResponse is not kept");
  return record;
}

std::string read_file(std::string const& path) {
  std::error_code unknown;
  auto const kind = std::filesystem::status(path, unknown).type();
  if (kind == std::filesystem::file_type::directory)
    throw failure(in_quotes(path) + " is a folder, and a JSON file of an older scheduler is to be taken over: name the file in " +
                  "scheduler.storage.path, or move the folder away");
  std::ifstream file(path, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(file), {});
  if (!file) throw failure("cannot read " + in_quotes(path) + ", which is to be taken over: make it readable, or move it away");
  return text;
}

/// Renames the file, so that it is not taken over again, without touching those of earlier runs.
std::string set_aside(std::string const& path) {
  for (int number = 0;; ++number) {
    std::string const target = path + ".migrated" + (number == 0 ? "" : "." + std::to_string(number));
    if (::renameat2(AT_FDCWD, path.c_str(), AT_FDCWD, target.c_str(), RENAME_NOREPLACE) == 0) return target;
    int const reason = errno;
    std::error_code unknown;
    bool const is_taken = reason == EEXIST || std::filesystem::exists(target, unknown);
    if (!is_taken && reason == EINVAL && ::rename(path.c_str(), target.c_str()) == 0) return target;
    if (!is_taken || number == 1'000'000)
      throw failure("the schedules of " + in_quotes(path) +
                    " are taken over, but the file cannot be renamed: " + std::generic_category().message(reason) + "; move it away");
  }
}

}  // namespace

/// Applies the rules for ids that are given here, except that an id may begin with a hyphen: the older scheduler generated such
/// ids.
void check_id(std::string const& id) {
  if (id.size() > 200) throw wrong_row("id: is longer than 200 bytes");
  if (id.find('/') != std::string::npos) throw wrong_row("id: has a \"/\" in it, which no id may have");
  if (std::ranges::any_of(id, [](unsigned char c) { return c < 0x20 || c == 0x7F; })) throw wrong_row("id: has a control character in it");
  if (visor::ends_with_blank(id)) throw wrong_row("id: ends with a blank");
}

legacy_schedules read_legacy(std::string_view text, visor::settings const& settings, visor::instant now) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // some editors mark UTF-8 with it
  json::value const whole = json::parse(text);
  auto const* const top = whole.if_object();
  if (top == nullptr) throw failure("is no object with the field schedules");
  legacy_schedules result;
  auto const* const rows = top->if_contains("schedules");
  if (rows == nullptr || rows->is_null()) return result;
  if (!rows->is_array()) throw failure("has a field schedules that is no array");
  std::size_t number = 0;
  for (auto const& each : rows->get_array()) {
    std::string label = "schedules[" + std::to_string(number++) + "]";
    try {
      if (!each.is_object()) throw wrong_row("is no object");
      auto id = row_reader(each.get_object()).text("id").value_or("");
      if (id.empty()) {
        ++result.without_id;
        continue;
      }
      label += " " + in_quotes(id);
      check_id(id);
      std::vector<std::string> notes;
      if (id.starts_with('-'))
        notes.push_back("its id begins with a hyphen: commands take it behind --, as in 'visor schedule show -- " + id + "'");
      result.records.push_back(read_row(each.get_object(), std::move(id), settings, now, notes));
      for (auto const& note : notes) result.notes.push_back(label + ": " + note);
    } catch (std::exception const& wrong) {
      result.errors.push_back(label + ": " + wrong.what());
    }
  }
  return result;
}

std::string legacy_file(visor::settings const& settings) {
  if (settings.storage.driver == visor::storage_driver::memory) return {};
  std::string const path = settings.storage.path.empty() ? default_file : settings.storage.path;
  std::error_code problem;
  auto const status = std::filesystem::status(path, problem);
  return status.type() == std::filesystem::file_type::not_found ? std::string() : path;
}

void take_over_legacy(storage& store, visor::settings const& settings, visor::log_sink const& log) {
  std::string const path = legacy_file(settings);
  if (path.empty()) return;
  std::string const text = read_file(path);
  legacy_schedules found;
  try {
    found = read_legacy(text, settings, visor::wall_clock().now());
  } catch (failure const& wrong) {
    throw failure(path + ": is not taken over: it " + wrong.what() + "; correct it, or move it away");
  } catch (boost::system::system_error const& wrong) {
    if (wrong.code().category() == visor::visor_category()) throw;
    log(visor::log_level::warning, path + ": is not taken over, and left as it is: it is no JSON: " + wrong.code().message());
    return;
  }
  if (!found.errors.empty()) {
    std::string lines;
    for (auto const& each : found.errors) lines += path + ": " + each + "\n";
    throw failure(lines + path + ": nothing of it was stored: correct or remove these rows, or move the file away");
  }
  std::set<std::string> known;
  for (auto const& entry : settings.cron) known.insert(entry.name);
  std::vector<visor::schedule_record> added;
  for (auto& each : found.records)
    if (known.insert(each.id).second && !run_sync(store.find_schedule(each.id))) added.push_back(std::move(each));
  if (!added.empty()) run_sync(store.add_schedules(added));
  for (auto const& each : found.notes) log(visor::log_level::warning, path + ": " + each);
  std::string const kept = set_aside(path);
  log(visor::log_level::info, path + ": " + std::to_string(added.size()) + " schedules taken over, " +
                                  std::to_string(found.records.size() - added.size()) + " were there already, " +
                                  std::to_string(found.without_id) + " without an id are left out; the file is now " + kept);
}

}  // namespace visor_program

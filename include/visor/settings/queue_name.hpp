#ifndef VISOR_SETTINGS_QUEUE_NAME_HPP
#define VISOR_SETTINGS_QUEUE_NAME_HPP

#include "visor/base/error.hpp"
#include "visor/base/storable_text.hpp"
#include "visor/settings/job_limits.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

/// Where jobs wait. What not every node can take, or not at any time, waits in a queue of its own beside the one that it was given, so that
/// whoever takes from the front does not have to pass over it: `default+gpu` needs a capability, `default*mail` has limits, and
/// `default*mail*customer 7` has limits of its key too. The slots of a node for a queue are for all of these.
namespace visor {

/// Whether a name can be that of a queue or a capability: these stand together in texts, with `+`, `*`, `,` and `:` between.
inline bool is_queue_name(std::string_view name) { return name.find_first_of("+*,:") == std::string_view::npos; }

/// Bytes of a job's key.
inline constexpr std::size_t longest_job_key = 100;

/// The name of the queue where a job waits.
/// \param limits of its type; the type and the key only matter where there are any
/// \param key of the job: jobs of one type that are limited together; empty: none; at most 100 bytes
/// \throws visor::error `invalid_argument` for a longer key
inline std::string queue_of(std::string_view queue, std::string_view capability, job_limits const& limits = job_limits(),
                            std::string_view type = {}, std::string_view key = {}) {
  if (key.size() > longest_job_key)
    throw error(condition::invalid_argument, "the key of a job has " + std::to_string(key.size()) + " bytes: allowed are 100");
  if (ends_with_blank(key)) throw error(condition::invalid_argument, std::string("the key of a job: ") + blank_at_end);
  std::string name(queue);
  if (!capability.empty()) name.append("+").append(capability);
  if (!limits.any()) return name;
  name.append("*").append(type);
  if (limits.any_by_key() && !key.empty()) name.append("*").append(key);
  return name;
}

/// The parts of such a name. They refer to it.
struct queue_name {
  std::string_view queue;
  std::string_view capability;
  std::string_view type;  ///< empty: without limits
  std::string_view key;

  explicit queue_name(std::string_view name) {
    auto const split = [](std::string_view& text, char mark) {
      auto const at = std::min(text.find(mark), text.size());
      auto const rest = text.substr(std::min(at + 1, text.size()));
      text = text.substr(0, at);
      return rest;
    };
    queue = name;
    type = split(queue, '*');
    key = split(type, '*');
    capability = split(queue, '+');
  }

  bool is_limited() const noexcept { return !type.empty(); }
};

/// The lane of a job type beside a queue, which may name a capability: where its jobs wait that some node has claimed and does not know.
inline std::string lane_of(std::string_view queue, std::string_view type) { return std::string(queue).append("*").append(type); }

/// The names of the queues of one limited type that have a key: all that lie between these two.
inline std::string before_keys(std::string const& limited_queue) { return limited_queue + "*"; }
inline std::string behind_keys(std::string const& limited_queue) { return limited_queue + "+"; }

}  // namespace visor

#endif

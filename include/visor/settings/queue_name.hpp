#ifndef VISOR_SETTINGS_QUEUE_NAME_HPP
#define VISOR_SETTINGS_QUEUE_NAME_HPP

#include "visor/base/error.hpp"
#include "visor/base/storable_text.hpp"
#include "visor/settings/job_limits.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

/// The names of queues, and of the lanes beside them. Some jobs cannot be taken by every node, or at any time. They wait in a lane of their
/// own, so that claims need not pass over them at the head of the queue. In `default+gpu` the jobs need a capability, in `default*mail`
/// they have limits, and in `default*mail*customer 7` also limits of their key. A node's slots for a queue are shared by all of its lanes.
namespace visor {

/// Whether a name can be that of a queue or a capability. Texts list these with `+`, `*`, `,` and `:` as separators.
inline bool is_queue_name(std::string_view name) { return name.find_first_of("+*,:") == std::string_view::npos; }

/// The longest key of a job, in bytes.
inline constexpr std::size_t longest_job_key = 100;

/// Returns the name of the queue where a job waits.
/// \param limits of its type; the type and the key only matter where there are any
/// \param key of the job: jobs of one type and key are limited together; empty: none; at most 100 bytes
/// \throws visor::error `invalid_argument` for a longer key, or for one that ends with a blank
inline std::string queue_of(std::string_view queue, std::string_view capability, job_limits const& limits = job_limits(),
                            std::string_view type = {}, std::string_view key = {}) {
  if (key.size() > longest_job_key)
    throw error(errc::invalid_argument, "the key of a job has " + std::to_string(key.size()) + " bytes: allowed are 100");
  if (ends_with_blank(key)) throw error(errc::invalid_argument, std::string("the key of a job: ") + blank_at_end);
  std::string name(queue);
  if (!capability.empty()) name.append("+").append(capability);
  if (!limits.any()) return name;
  name.append("*").append(type);
  if (limits.any_by_key() && !key.empty()) name.append("*").append(key);
  return name;
}

/// The parts of a queue's name. They refer to that name's text, which must outlive them.
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

/// The lane of a job type beside a queue; the queue may name a capability. Jobs of this type wait there after a node that does not know the
/// type has claimed them.
inline std::string lane_of(std::string_view queue, std::string_view type) { return std::string(queue).append("*").append(type); }

/// The bounds of the names of one limited type's queues that have a key: all of them lie between these two.
inline std::string before_keys(std::string const& limited_queue) { return limited_queue + "*"; }
inline std::string behind_keys(std::string const& limited_queue) { return limited_queue + "+"; }

}  // namespace visor

#endif

#ifndef VISOR_TOOLS_JOB_NUMBER_HPP
#define VISOR_TOOLS_JOB_NUMBER_HPP

#include "command.hpp"
#include "report.hpp"

#include "visor/store/records.hpp"

#include <charconv>
#include <string>

namespace visor_program {

/// The job id in an argument. \throws usage_error
inline visor::job_id job_id_of(std::string const& text) {
  visor::job_id id = 0;
  auto const [end, failed] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (failed != std::errc{} || end != text.data() + text.size() || id < 1)
    throw usage_error("<id> cannot be " + in_quotes(text) + ": the number of a job is wanted; 'visor job list' shows them");
  return id;
}

[[noreturn]] inline void no_such_job(visor::job_id id) {
  throw failure("there is no job " + std::to_string(id) + "; 'visor job list' shows those that there are");
}

/// The number of attempts and their limit: `2 of 3 (and 1 that does not count)`.
inline std::string tries_in_words(visor::job_view const& view) {
  int const others = view.job.uncounted.value_or(0);
  std::string const counted = std::to_string(view.attempts - others) + " of " + std::to_string(view.job.max_attempts);
  return others == 0 ? counted : counted + " (and " + std::to_string(others) + (others == 1 ? " that does" : " that do") + " not count)";
}

}  // namespace visor_program

#endif

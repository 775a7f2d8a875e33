#ifndef VISOR_HANDLER_WRITE_TEXT_HPP
#define VISOR_HANDLER_WRITE_TEXT_HPP

#include "visor/async/task.hpp"
#include "visor/base/json_text.hpp"
#include "visor/engine/job_context.hpp"

#include <string_view>

namespace visor {
namespace detail {

template <class = void>
task<> run_write_text(job_context& job) {
  auto const field = find_json_field(job.payload(), "text");
  if (!field || !field->starts_with('"'))
    throw permanent_failure("payload of job type " + job.type() + ": field \"text\": expected text, found none");
  job.log(json_scalar_text(*field).value());
  co_return;
}

}  // namespace detail

/// A handler that writes the field `text` of the payload to the attempt's output: the default of a schedule without a workflow. Other
/// fields are ignored; a payload without that field ends the job without another attempt.
template <class = void>
handler write_text() {
  return [](job_context& job) { return detail::run_write_text(job); };
}

}  // namespace visor

#endif

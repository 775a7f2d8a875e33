#ifndef VISOR_HANDLER_TEXT_HPP
#define VISOR_HANDLER_TEXT_HPP

#include "visor/base/task.hpp"
#include "visor/engine/job_context.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <string_view>

namespace visor {
namespace detail {

template <class = void>
task<> run_write_text(job_context& job) {
  boost::system::error_code failed;
  boost::json::value const root = boost::json::parse(job.payload(), failed);
  boost::json::value const* const field = !failed && root.is_object() ? root.get_object().if_contains("text") : nullptr;
  if (field == nullptr || !field->is_string())
    throw permanent_failure("payload of job type " + job.type() + ": field \"text\": expected text, found none");
  auto const& text = field->get_string();
  job.log(std::string_view(text.data(), text.size()));
  co_return;
}

}  // namespace detail

/// A handler that writes the field `text` of the payload to the attempt's output: what a schedule without a workflow does. Other
/// fields are not looked at; a payload without that field ends the job without another attempt.
template <class = void>
handler write_text() {
  return [](job_context& job) { return detail::run_write_text(job); };
}

}  // namespace visor

#endif

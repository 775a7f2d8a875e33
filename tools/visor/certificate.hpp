#ifndef VISOR_TOOLS_CERTIFICATE_HPP
#define VISOR_TOOLS_CERTIFICATE_HPP

#include "visor/base/task.hpp"
#include "visor/driver/server_options.hpp"

#include <optional>

namespace visor_program {

/// What is wrong with the certificate of a PostgreSQL server, or with that of one of several. libpq only says that something is, so this
/// shakes hands with the server as libpq does, and looks.
/// \return `tls_failed` that says what, and what to do; none where nothing was found
visor::task<std::optional<visor::error>> fault_of_certificate(visor::server_options const& to);

}  // namespace visor_program

#endif

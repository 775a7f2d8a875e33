#ifndef VISOR_TOOLS_CERTIFICATE_HPP
#define VISOR_TOOLS_CERTIFICATE_HPP

#include "visor/async/task.hpp"
#include "visor/driver/server_options.hpp"

#include <optional>

namespace visor_program {

/// What is said before TLS begins: PostgreSQL's question for it, or the PRELOGIN of SQL Server, in whose packets the handshake goes.
enum class before_tls { of_postgresql, of_mssql };

/// What is wrong with the certificate of a server, or with that of one of several. libpq and FreeTDS only say that something is, so this
/// shakes hands with the server as they do, and looks.
/// \return `tls_failed` that says what, and what to do; none where nothing was found
visor::task<std::optional<visor::error>> fault_of_certificate(visor::server_options const& to, before_tls how);

}  // namespace visor_program

#endif

#ifndef VISOR_TOOLS_CERTIFICATE_HPP
#define VISOR_TOOLS_CERTIFICATE_HPP

#include "visor/async/task.hpp"
#include "visor/driver/server_options.hpp"

#include <optional>

namespace visor_program {

/// The exchange before TLS begins: PostgreSQL's request for it, or the PRELOGIN of SQL Server, whose packets carry the
/// handshake.
enum class before_tls { of_postgresql, of_mssql };

/// Finds the fault in the certificate of a server, or of one of several servers. libpq and FreeTDS do not report the reason. So
/// this function performs the same handshake and inspects the certificate.
/// \return `tls_failed` with the fault and its remedy; none where no fault was found
visor::task<std::optional<visor::error>> fault_of_certificate(visor::server_options const& to, before_tls how);

}  // namespace visor_program

#endif

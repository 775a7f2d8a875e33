#ifndef VISOR_VISOR_HPP
#define VISOR_VISOR_HPP

/// \file
/// All of visor except the parts that need a library besides Boost. Add a database, `visor/sqlite.hpp` or `visor/memory.hpp`,
/// and, as needed: `visor/zone.hpp` for time zones, `visor/handler/command.hpp` and `visor/handler/webhook.hpp` for jobs that
/// are not C++, `visor/config/yaml.hpp` for configuration files.

#include "visor/base/time.hpp"
#include "visor/config/settings.hpp"
#include "visor/cron/expression.hpp"
#include "visor/engine/job_context.hpp"
#include "visor/engine/job_type.hpp"
#include "visor/scheduler.hpp"
#include "visor/version.hpp"

#endif

#ifndef VISOR_SQLITE_HPP
#define VISOR_SQLITE_HPP

/// \file
/// The embedded database: the driver `visor::sqlite`, and `visor::sqlite_store` on it. Needs the library sqlite3, 3.38 or newer.

#include "visor/base/log.hpp"
#include "visor/config/settings.hpp"
#include "visor/config/sources.hpp"
#include "visor/driver/sqlite/sqlite_driver.hpp"
#include "visor/store/sql/sql_store.hpp"

#include <algorithm>
#include <memory>
#include <utility>

namespace visor {

/// A store in one SQLite file.
template <timekeeper Clock = wall_clock>
using sqlite_store = sql_store<sqlite, Clock>;

/// Converts the storage settings of a configuration to those of the driver.
inline sqlite_settings driver_settings(sqlite, storage_settings const& storage) {
  sqlite_settings result{storage.connection.filename};
  result.synchronous = storage.connection.synchronous == synchronous_mode::full ? sqlite_synchronous::full : sqlite_synchronous::normal;
  result.journal = storage.connection.journal == journal_mode::wal ? sqlite_journal::wal : sqlite_journal::rollback;
  result.auto_init = storage.auto_init;
  result.log_statements = storage.log_statements;
  result.busy_timeout = std::min(result.busy_timeout, storage.lock_timeout);
  return result;
}

/// Creates the store of a configuration, of the kind that the tag names. It does not connect yet.
template <timekeeper Clock>
std::unique_ptr<sqlite_store<Clock>> make_store(sqlite tag, storage_settings const& storage, Clock clock, log_sink log) {
  return std::make_unique<sqlite_store<Clock>>(driver_settings(tag, storage), std::move(clock), std::move(log));
}

/// Returns the settings of the environment, as `load_environment` reads them for this driver.
/// \throws config_failure with every mistake in the variables
inline settings environment_settings(sqlite) { return load_environment(storage_driver::sqlite); }

}  // namespace visor

#endif

#ifndef VISOR_DRIVER_SQLITE_SQLITE_SETTINGS_HPP
#define VISOR_DRIVER_SQLITE_SQLITE_SETTINGS_HPP

#include "visor/base/error.hpp"
#include "visor/base/storable_text.hpp"
#include "visor/base/time.hpp"
#include "visor/settings/statement_log_settings.hpp"

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>

#include <optional>
#include <string>
#include <utility>

namespace visor {

/// The durability of an acknowledged commit. With `full`, a commit survives a power failure, at the price of one flush of the disk for each
/// group of commits. With `normal`, it survives a crash of the process; a power failure may undo the last commits, and never damages the
/// file.
BOOST_DEFINE_ENUM_CLASS(sqlite_synchronous, full, normal)

/// The kind of journal. `wal`: a write-ahead log beside the file, which never blocks readers; only on disks of this machine. `rollback`: a
/// journal of the old content, with which writers and readers wait for each other. SQLite can use that on a network file system, as far as
/// its locks work, and while one machine at a time uses the file.
BOOST_DEFINE_ENUM_CLASS(sqlite_journal, wal, rollback)

/// The settings of the embedded database. `check()` names the field that is out of range.
struct sqlite_settings {
  std::string filename = ".visor/schedules.db";  ///< missing folders and the file are made, for their owner only; `~/` is the home
  sqlite_synchronous synchronous = sqlite_synchronous::full;
  sqlite_journal journal = sqlite_journal::wal;
  duration busy_timeout{std::chrono::seconds{5}};  ///< longest wait while another process writes; 0 to 10 min
  statement_log_settings log_statements;
  std::optional<bool> auto_init;  ///< unset: create missing tables; true: migrate older ones as well; false: neither

  sqlite_settings() = default;
  explicit sqlite_settings(std::string file) : filename(std::move(file)) {}
  friend bool operator==(sqlite_settings const&, sqlite_settings const&) = default;

  /// The name of the database in messages.
  std::string display_name() const { return "the database '" + filename + "'"; }

  /// \throws visor::error `invalid_argument` that names the first field out of its range, and the allowed values
  void check() const {
    if (filename.empty() || !is_storable_text(filename))
      throw error(errc::invalid_argument, "filename is empty or not plain text: name the database file, such as .visor/schedules.db");
    if (filename.starts_with(":memory:") || filename.starts_with("file:"))
      throw error(errc::invalid_argument,
                  "filename is '" + filename + "': only a path is allowed; for a store in memory use the driver memory");
    if (busy_timeout < duration{0} || busy_timeout > std::chrono::minutes{10})
      throw error(errc::invalid_argument, "busy_timeout is " + to_string(busy_timeout) + ": allowed is 0s to 10m");
    log_statements.check();
  }
};
BOOST_DESCRIBE_STRUCT(sqlite_settings, (), (filename, synchronous, journal, busy_timeout, log_statements, auto_init))

}  // namespace visor

#endif

#ifndef VISOR_DRIVER_SQLITE_CLASSIFY_HPP
#define VISOR_DRIVER_SQLITE_CLASSIFY_HPP

#include "visor/base/error.hpp"
#include "visor/base/no_descriptor.hpp"

#include <sqlite3.h>

#include <string>

namespace visor::sqlite_driver {

/// Returns the portable error code of a primary or extended result code of SQLite.
inline errc classify(int code) noexcept {
  switch (code) {
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_ROWID: return errc::unique_violation;
    case SQLITE_IOERR_FSYNC:
    case SQLITE_IOERR_DIR_FSYNC: return errc::outcome_unknown;  // the commit may have reached the disk
  }
  switch (code & 0xFF) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL: return errc::busy;
    case SQLITE_READONLY:
    case SQLITE_PERM: return errc::read_only;
    case SQLITE_FULL: return errc::disk_full;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return errc::corrupt;
    case SQLITE_CANTOPEN:
    case SQLITE_AUTH: return errc::connection_failed;
    case SQLITE_IOERR: return errc::connection_lost;
    case SQLITE_INTERRUPT: return errc::cancelled;
    case SQLITE_CONSTRAINT:  // a CHECK, a trigger, a foreign key, NULL
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG: return errc::invalid_argument;
    default: return errc::internal;
  }
}

/// True when the connection is unusable afterwards.
inline bool is_fatal(errc what) noexcept {
  return what == errc::connection_lost || what == errc::outcome_unknown || what == errc::corrupt || what == errc::connection_failed ||
         what == errc::replaced;
}

/// Returns one line that names the file, the problem and the remedy.
/// \param writer the process that holds the write lock; empty: unknown
inline std::string describe(errc what, std::string const& filename, std::string const& writer = {}) {
  std::string const file = "'" + filename + "'";
  switch (what) {
    case errc::busy:
      return "the database " + file + " is locked by " + (writer.empty() ? "another process" : writer) +
             "; try again, or stop that process";
    case errc::read_only: return "cannot write the database " + file + ": make the file and its folder writable, or name another file";
    case errc::disk_full: return "no room for the database " + file + ": free some space and try again; nothing was written";
    case errc::corrupt:
      return "the file " + file +
             " is not an SQLite database, or is damaged, perhaps since it was written over (cp, rsync) while in use: " +
             "name another file, or stop all that use this one and restore a backup";
    case errc::connection_failed: return "cannot open the database " + file + ": look at its folder's permissions, or name another file";
    case errc::connection_lost: return "cannot read or write the database " + file + ": look at the disk it is on; nothing was written";
    case errc::outcome_unknown: return "the disk did not confirm a commit to the database " + file;
    case errc::unique_violation: return "a unique key is taken in the database " + file;
    case errc::cancelled: return "the operation on the database " + file + " was given up";
    case errc::invalid_argument: return "the database " + file + " refused a value";
    default: return "the database " + file + " refused a statement";
  }
}

/// Describes a lack of file descriptors. Empty for any other reason.
/// \param reason an `errno`
inline std::string describe_lack_of_descriptors(int reason, std::string const& filename) {
  std::string const why = visor::detail::why_no_descriptor(reason);
  return why.empty() ? why : "cannot open '" + filename + "': " + why;
}

}  // namespace visor::sqlite_driver

#endif

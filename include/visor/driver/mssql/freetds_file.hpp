#ifndef VISOR_DRIVER_MSSQL_FREETDS_FILE_HPP
#define VISOR_DRIVER_MSSQL_FREETDS_FILE_HPP

#include "visor/base/error.hpp"
#include "visor/driver/mssql/mssql_settings.hpp"

#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

namespace visor::mssql_driver {

/// The configuration file of FreeTDS for this process, in memory, with a section for each server. FreeTDS reads the trusted authority and
/// the check of names from such a file only, and checks nothing without it. The file holds no password.
class freetds_file {
 public:
  /// Adds a section for these settings, if there is none.
  /// \return the name of the section
  /// \throws visor::error `invalid_argument` where the environment would override it
  static std::string section_for(mssql_settings const& to) {
    static freetds_file one;
    return one.add(lines(to));
  }

 private:
  static constexpr std::string_view own_files = "/proc/self/fd/";  // a value inherited from another visor process counts for nothing

  static std::string lines(mssql_settings const& to) {
    auto const cut = to.host.find('\\');
    std::string text = "host = " + to.host.substr(0, cut) + "\n";
    if (to.has_instance())
      text += "instance = " + to.host.substr(cut + 1) + "\n";
    else
      text += "port = " + std::to_string(to.port) + "\n";
    text += "tds version = 7.4\nclient charset = UTF-8\ntext size = 2147483647\n";
    bool const verifies = to.tls.mode == tls_mode::verify_ca || to.tls.mode == tls_mode::verify_full;
    text += std::string("encryption = ") + (to.tls.mode == tls_mode::disable ? "off" : "require") + "\n";
    if (verifies) text += "ca file = " + (to.tls.ca.empty() ? std::string("system") : to.tls.ca) + "\n";
    if (verifies) text += std::string("check certificate hostname = ") + (to.tls.mode == tls_mode::verify_full ? "yes" : "no") + "\n";
    return text;
  }

  freetds_file() {
    for (char const* const name : {"FREETDSCONF", "FREETDS", "TDSVER", "TDSPORT", "TDSHOST", "TDSQUERY", "DSQUERY"})
      if (char const* const value = std::getenv(name); value != nullptr && !std::string_view(value).starts_with(own_files))
        throw error(errc::invalid_argument, std::string("the environment variable ") + name +
                                                " would override how SQL Server is reached: unset it, and use the settings");
    number_ = ::memfd_create("visor-freetds", MFD_CLOEXEC);
    if (number_ < 0) throw error(errc::internal, "no memory for the configuration of FreeTDS");
    // For this process alone: a process that inherits the variable finds no file there, and uses the configuration of the machine.
    std::string const path = std::string(own_files) + std::to_string(number_);
    ::setenv("FREETDSCONF", path.c_str(), 1);
  }

  std::string add(std::string const& text) {
    std::scoped_lock const lock(mutex_);
    auto const [at, is_new] = sections_.try_emplace(text, "visor" + std::to_string(sections_.size() + 1));
    if (is_new) {
      std::string const section = "[" + at->second + "]\n" + text + "\n";
      if (::write(number_, section.data(), section.size()) != static_cast<ssize_t>(section.size()))
        throw error(errc::internal, "no memory for the configuration of FreeTDS");
    }
    return at->second;
  }

  std::mutex mutex_;
  std::map<std::string, std::string> sections_;
  int number_ = -1;
};

}  // namespace visor::mssql_driver

#endif

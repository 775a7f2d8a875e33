#ifndef VISOR_TESTS_SUPPORT_MSSQL_SERVER_HPP
#define VISOR_TESTS_SUPPORT_MSSQL_SERVER_HPP

#include "support/run.hpp"
#include "support/test_database_url.hpp"

#include "visor/mssql.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>

namespace visor_test {

/// An existing SQL Server: that of TEST_MSSQL_URL, or else one at 127.0.0.1:1433 with the user `sa` and the password
/// `Visor_Test_1`. The user may create and drop databases.
class mssql_server {
 public:
  /// Where there is none, nothing of the program can be run: it ends at once, with what CTest takes for skipped. An exit
  /// code would not do: Catch2's is the number of failures.
  static mssql_server& shared() {
    static mssql_server one;
    return one;
  }

  visor::mssql_settings const& settings() const { return settings_; }

  void run(std::string const& text) { connect()->run(text); }

  /// Whether it only speaks the language of a SQL Server.
  bool is_babelfish() { return connect()->query_value("SELECT CAST(SERVERPROPERTY('babelfish') AS nvarchar(10))") == "1"; }

  void drop_database(std::string const& name) {
    try {
      run("DROP DATABASE " + name);
    } catch (visor::error const&) {  // somebody is still connected: it stays
    }
  }

 private:
  mssql_server() {
    if (!find()) {
      std::puts("skipped: there is no SQL Server. TEST_MSSQL_URL names one, mssql://user:password@host:port/master");
      std::exit(0);
    }
    source_ = std::make_unique<visor::mssql::connector>(settings_);
  }

  std::unique_ptr<visor::mssql::connector::connection> connect() {
    boost::asio::io_context io{1};
    std::unique_ptr<visor::mssql::connector::connection> made;
    auto const work = [&]() -> visor::task<> { made = co_await source_->connect(); };
    visor_test::run(io, work());
    return made;
  }

  bool find() {
    if (char const* const given = std::getenv("TEST_MSSQL_URL"); given != nullptr) {
      visor::storage_settings storage;
      storage.connection.connection_string = visor::secret(std::string(given));
      settings_ = visor::server_settings<visor::mssql_settings>(storage);
      return true;
    }
    settings_.host = "127.0.0.1";
    settings_.user = "sa";
    settings_.password = visor::secret("Visor_Test_1");
    settings_.database = "master";
    boost::asio::io_context io;
    boost::asio::ip::tcp::socket socket(io);
    boost::system::error_code failed;
    socket.connect({boost::asio::ip::address_v4::loopback(), static_cast<unsigned short>(settings_.port)}, failed);
    return !failed;
  }

  visor::mssql_settings settings_;
  std::unique_ptr<visor::mssql::connector> source_;
};

}  // namespace visor_test

#endif

#include "visor/config/sources.hpp"
#include "reading.hpp"
#include "support/catch.hpp"
#include "visor/config/describe.hpp"

#include <chrono>
#include <set>
#include <sstream>
#include <string>

using namespace visor_test;
using namespace std::chrono_literals;
using visor::storage_driver;

namespace {

std::string const connection = "scheduler.storage.connection.";

std::string from_file(std::string const& storage) { return "scheduler: {storage: {" + storage + "}}"; }

std::vector<visor::setting_flag> flag(std::string const& name, std::string const& key, std::string const& value) {
  return {{"--" + name, connection + key, value}};
}

std::vector<visor::setting_flag> url_flag(std::string const& url) { return flag("url", "connection_string", url); }

}  // namespace

TEST_CASE("a flag goes before the environment, that before the file, that before the profile, that before the default") {
  std::string const file = from_file("driver: postgresql, connection: {pool: {max: 30}}");
  std::string const plain = from_file("driver: postgresql");
  auto const max = [](visor::settings const& all) { return line(all, connection + "pool.max"); };
  CHECK(max(read(plain)) == "10 (default)");
  CHECK(max(read(plain, variables({{"VISOR_ENV", "production"}}))) == "20 (profile production)");
  CHECK(max(read(file, variables({{"VISOR_ENV", "production"}}))) == "30 (visor.yaml:1:68)");
  auto const set = variables({{"VISOR_ENV", "production"}, {"DB_POOL_MAX", "40"}});
  CHECK(max(read(file, set)) == "40 (environment DB_POOL_MAX)");
  CHECK(max(read(file, set, flag("most", "pool.max", "50"))) == "50 (flag --most)");
}

TEST_CASE("a value is merged with those beside it, whatever they come from") {
  auto const all = read(from_file("driver: postgresql, connection: {host: db, ssl: {ca: /ca.pem}}"),
                        variables({{"VISOR_ENV", "production"}, {"DB_SSL_REJECT_UNAUTHORIZED", "false"}, {"DB_USER", "app"}}));
  auto const& tls = *all.storage.connection.ssl;
  CHECK(tls.enabled);
  CHECK_FALSE(tls.reject_unauthorized);
  CHECK(tls.ca.content() == "/ca.pem");
  CHECK(all.storage.connection.host == "db");
  CHECK(all.storage.connection.user == "app");
  CHECK(line(all, connection + "ssl.enabled") == "true (profile production)");
}

TEST_CASE("every variable reaches its key") {
  struct row {
    char const* variable;
    char const* value;
    char const* key;
    char const* shown;
  };
  // Without DATABASE_URL, beside which the parts would not count.
  row const rows[] = {
      {"STORE_TYPE", "postgres", "driver", "postgresql"},
      {"DB_HOST", "db", "connection.host", "db"},
      {"DB_PORT", "6432", "connection.port", "6432"},
      {"DB_NAME", "jobs", "connection.database", "jobs"},
      {"DB_DATABASE", "jobs", "connection.database", "jobs"},
      {"DB_USER", "app", "connection.user", "app"},
      {"DB_USERNAME", "app", "connection.user", "app"},
      {"DB_PASS", "hunter2", "connection.password", "********"},
      {"DB_PASSWORD", "hunter2", "connection.password", "********"},
      {"DB_SSL", "true", "connection.ssl.enabled", "true"},
      {"DB_SSL_REJECT_UNAUTHORIZED", "false", "connection.ssl.reject_unauthorized", "false"},
      {"DB_SSL_CA", "/ca.pem", "connection.ssl.ca", "/ca.pem"},
      {"DB_SSL_CERT", "/own.pem", "connection.ssl.cert", "/own.pem"},
      {"DB_SSL_KEY", "/own.key", "connection.ssl.key", "/own.key"},
      {"DB_POOL_MAX", "7", "connection.pool.max", "7"},
      {"DB_POOL_MIN", "3", "connection.pool.min", "3"},
      {"DB_IDLE_TIMEOUT_MS", "90000", "connection.pool.idle_timeout", "1m30s"},
      {"DB_CONNECTION_TIMEOUT_MS", "2500", "connection.pool.acquire_timeout", "2s500ms"},
      {"DB_MAX_USES", "99", "connection.pool.max_uses", "99"},
      {"DB_LOG_CONNECTIONS", "true", "connection.pool.log_connections", "true"},
      {"DB_LOG_QUERIES", "true", "log_statements.all", "true"},
      {"AUTO_INIT_DB", "true", "auto_init", "true"},
      {"DATABASE_URL", "postgres://u:hunter2@h/d", "connection.connection_string", "********"},
  };
  std::set<std::string> tried{"VISOR_DB", "VISOR_NODE_NAME"};  // below
  for (auto const& each : rows) {
    CAPTURE(each.variable);
    tried.insert(each.variable);
    std::map<std::string, std::string> set{{each.variable, each.value}};
    for (char const* const own : {"DB_SSL_CERT", "DB_SSL_KEY"})  // which belong together
      if (std::string(each.variable).starts_with("DB_SSL_")) set.emplace(own, "/x.pem");
    std::string const driver = std::string(each.key) == "driver" ? "connection: {host: h, database: d, user: u}" : "driver: postgresql";
    auto const all = read(from_file(driver), variables(set));
    CHECK(line(all, std::string("scheduler.storage.") + each.key) == std::string(each.shown) + " (environment " + each.variable + ")");
    // Empty, it counts as not set.
    std::string const server = from_file("driver: mysql, connection: {host: h}");
    CHECK(line(read(server, variables({{each.variable, ""}})), std::string("scheduler.storage.") + each.key).find(each.variable) ==
          std::string::npos);
  }
  for (auto const& each : visor::detail::named_variables) CHECK(tried.contains(std::string(each.name)));
  CHECK(line(read("", variables({{"VISOR_DB", "x.db"}})), connection + "filename") == "x.db (environment VISOR_DB)");
  CHECK(read("", variables({{"VISOR_NODE_NAME", "n7"}})).node.name == "n7");
}

TEST_CASE("of several names of a variable the first counts, and ours before all") {
  auto const user = [](std::map<std::string, std::string> const& set) {
    return line(read(from_file("driver: mysql"), variables(set)), connection + "user");
  };
  CHECK(user({{"DB_USER", "a"}, {"DB_USERNAME", "b"}}) == "a (environment DB_USER)");
  CHECK(user({{"DB_USER", ""}, {"DB_USERNAME", "b"}}) == "b (environment DB_USERNAME)");
  CHECK(user({{"DB_USER", "a"}, {"VISOR_STORAGE_CONNECTION_USER", "c"}}) == "c (environment VISOR_STORAGE_CONNECTION_USER)");
  auto const all =
      read(from_file("driver: mysql"), variables({{"DB_IDLE_TIMEOUT_MS", "5000"}, {"VISOR_STORAGE_CONNECTION_POOL_IDLE_TIMEOUT", "7s"}}));
  CHECK(all.storage.connection.pool.idle_timeout == 7s);
}

TEST_CASE("every key that is a single value has a variable of its own") {
  std::set<std::string> names;
  visor::detail::for_each_single<visor::scheduler_settings>(
      "scheduler", [&](std::string const& path) { CHECK(names.insert(visor::detail::variable_of(path)).second); });
  for (char const* const name :
       {"VISOR_ENABLED", "VISOR_DEFAULT_TIMEZONE", "VISOR_CHECK_INTERVAL_MS", "VISOR_STORAGE_DRIVER", "VISOR_STORAGE_CONNECTION_SSL_CA",
        "VISOR_STORAGE_CONNECTION_POOL_LEAK_THRESHOLD", "VISOR_HA_LOCK_TTL", "VISOR_NODE_DRAIN_TIMEOUT"})
    CHECK(names.contains(name));
  // Names with another meaning are excluded: a command gets most of these, and may well start visor.
  for (auto const& name : names) {
    CAPTURE(name);
    CHECK_FALSE(name.starts_with("VISOR_INPUT_"));
    CHECK_FALSE(name.starts_with("VISOR_CRON"));
  }
  for (char const* const name : {"VISOR_JOB_ID", "VISOR_ATTEMPT", "VISOR_SCHEDULE", "VISOR_PLANNED_AT", "VISOR_NODE", "VISOR_EPOCH",
                                 "VISOR_CONFIG", "VISOR_DB", "VISOR_NODE_NAME", "VISOR_ENV"})
    CHECK_FALSE(names.contains(name));

  auto const all = read("scheduler: {enabled: true}", variables({{"VISOR_ENABLED", "false"},
                                                                 {"VISOR_HA_LOCK_TTL", "40"},
                                                                 {"VISOR_NODE_DRAIN_TIMEOUT", "1m"},
                                                                 {"VISOR_DEFAULT_TIMEZONE", "Asia/Tokyo"},
                                                                 {"VISOR_CHECK_INTERVAL_MS", "250"}}));
  CHECK_FALSE(all.enabled);
  CHECK(all.node.lease_ttl == 40s);
  CHECK(all.node.drain_timeout == 1min);
  CHECK(all.default_timezone == "Asia/Tokyo");
  CHECK(all.node.poll_interval == 250ms);
}

TEST_CASE("an error names the variable or the flag, and never repeats its value") {
  auto const said = [](std::map<std::string, std::string> set, std::string const& storage = "driver: postgresql") {
    auto const lines = wrong(from_file(storage), variables(std::move(set)));
    CHECK(lines.find("hunter2") == std::string::npos);
    return lines;
  };
  CHECK(said({{"DB_PORT", "hunter2"}}) == "environment DB_PORT: scheduler.storage.connection.port: the value is not a whole number\n");
  CHECK(said({{"DB_PORT", "70000"}}) ==
        "environment DB_PORT: scheduler.storage.connection.port: the value is out of range: allowed is 1 to 65535\n");
  CHECK(said({{"DB_POOL_MAX", "0"}}) ==
        "environment DB_POOL_MAX: scheduler.storage.connection.pool.max: the value is out of range: allowed is 1 to 10000\n");
  CHECK(said({{"DB_POOL_MIN", "12"}}) ==
        "environment DB_POOL_MIN: scheduler.storage.connection.pool.min: the value is out of range: allowed is 0 to 10\n");
  CHECK(said({{"DB_IDLE_TIMEOUT_MS", "hunter2"}}) ==
        "environment DB_IDLE_TIMEOUT_MS: scheduler.storage.connection.pool.idle_timeout: the value is not a length of time: write one such "
        "as 250ms, 90s or 1h30m\n");
  CHECK(said({{"DB_SSL", "hunter2"}}) ==
        "environment DB_SSL: scheduler.storage.connection.ssl.enabled: the value is not allowed: write true or false\n");
  CHECK(said({{"DB_SSL_CA", "hunter2"}}).starts_with("environment DB_SSL_CA: scheduler.storage.connection.ssl.ca: is neither PEM"));
  CHECK(said({{"DB_SSL_CERT", "/own.pem"}}) ==
        "environment DB_SSL_CERT: scheduler.storage.connection.ssl.cert: cert and key belong together: set both or none\n");
  CHECK(count(said({{"DB_SSL_CERT", "/own.pem"}, {"DB_SSL_KEY", "hunter2"}}), '\n') == 1);
  CHECK(said({{"DB_HOST", "\xFFhunter2"}}) == "environment DB_HOST: scheduler.storage.connection.host: the value is not valid UTF-8\n");
  CHECK(said({{"STORE_TYPE", "hunter2"}}, "") ==
        "environment STORE_TYPE: scheduler.storage.driver: the value is not allowed (sqlite, memory, postgresql, mysql, mssql)\n");
  CHECK(said({{"VISOR_ENV", "hunter2"}}) == "environment VISOR_ENV: the value is no profile (production, development, serverless)\n");
  CHECK(said({{"VISOR_DEFAULT_TIMEZONE", "hunter2"}}) ==
        "environment VISOR_DEFAULT_TIMEZONE: scheduler.default_timezone: the value is no time zone\n");
  CHECK(said({{"VISOR_NODE_THREADS", "-1"}}) ==
        "environment VISOR_NODE_THREADS: scheduler.node.threads: the value is out of range: allowed is 0 to 1024\n");
  CHECK(
      said({{"VISOR_HA_LOCK_TTL", "10"}}) ==
      "environment VISOR_HA_LOCK_TTL: scheduler.ha.lock_ttl: heartbeat_interval 15s must be at most a half of lock_ttl 10s, which is 5s\n");
  CHECK(wrong("", variables(), flag("port", "port", "x")).starts_with("flag --port: scheduler.storage.connection.port: \"x\" is not a"));
  // Those of the environment first, then the file's.
  CHECK(count(said({{"DB_PORT", "x"}, {"DB_POOL_MAX", "x"}}, "driver: postgresql, auto_init: x"), '\n') == 3);
}

TEST_CASE("DATABASE_URL chooses its driver where none is chosen") {
  auto const read_url = [](std::string const& url, std::string const& storage = "") {
    return read(from_file(storage), variables({{"DATABASE_URL", url}})).storage;
  };
  CHECK(read_url("postgres://u:p@h/d").driver == storage_driver::postgresql);
  CHECK(read_url("postgresql://h").driver == storage_driver::postgresql);
  CHECK(read_url("mysql://h").driver == storage_driver::mysql);
  CHECK(read_url("mariadb://h").driver == storage_driver::mysql);
  CHECK(read_url("mssql://h").driver == storage_driver::mssql);
  CHECK(read_url("sqlserver://h").driver == storage_driver::mssql);
  CHECK(read_url("postgres://u:p@h/d").connection.connection_string.reveal() == "postgres://u:p@h/d");
  CHECK(line(read("", variables({{"DATABASE_URL", "mysql://h"}})), "scheduler.storage.driver") == "mysql (environment DATABASE_URL)");

  // A URL is ignored where somebody chose a database without a server.
  for (std::string const driver : {"sqlite", "memory"})
    for (char const* const url : {"postgres://u:p@h/d", "redis://h"}) {
      auto const kept = read_url(url, "driver: " + driver);
      CHECK(kept.connection.connection_string.empty());
      CHECK(kept == read(from_file("driver: " + driver)).storage);
    }
  CHECK(read("", variables({{"DATABASE_URL", "postgres://h"}, {"STORE_TYPE", "memory"}})).storage.driver == storage_driver::memory);

  CHECK(wrong(from_file("driver: mysql"), variables({{"DATABASE_URL", "postgres://u:hunter2@h/d"}})) ==
        "environment DATABASE_URL: scheduler.storage.connection.connection_string: must begin with one of mysql://, mariadb:// for the "
        "driver mysql; this one is for postgresql\n");
  CHECK(wrong("", variables({{"DATABASE_URL", "hunter2"}})) ==
        "environment DATABASE_URL: scheduler.storage.connection.connection_string: must begin with one of postgresql://, postgres://, "
        "mysql://, mariadb://, mssql://, sqlserver://; or set scheduler.storage.driver\n");
}

TEST_CASE("STORE_TYPE names a driver, and needs to know where its server is") {
  CHECK(read("", variables({{"STORE_TYPE", "memory"}})).storage.driver == storage_driver::memory);
  CHECK(read("", variables({{"STORE_TYPE", "sqlite"}})).storage.driver == storage_driver::sqlite);
  CHECK(read("", variables({{"STORE_TYPE", "postgres"}, {"DATABASE_URL", "postgresql://h"}})).storage.driver == storage_driver::postgresql);
  CHECK(read("", variables({{"STORE_TYPE", "mariadb"}, {"DATABASE_URL", "mysql://h"}})).storage.driver == storage_driver::mysql);
  std::map<std::string, std::string> set{{"STORE_TYPE", "postgres"}, {"DB_HOST", "h"}, {"DB_NAME", "d"}, {"DB_USER", "u"}};
  CHECK(wrong("", variables(set)) == "");
  for (char const* const part : {"DB_HOST", "DB_NAME", "DB_USER"}) {
    auto less = set;
    less.erase(part);
    CHECK(wrong("", variables(less)) ==
          "environment STORE_TYPE: scheduler.storage.driver: needs to know where the server is: set DATABASE_URL, or DB_HOST, DB_NAME and "
          "DB_USER\n");
  }
  CHECK(wrong(from_file("connection: {connection_string: 'postgres://h'}"), variables({{"STORE_TYPE", "postgres"}})) == "");
}

TEST_CASE("variables of a server mean nothing to a database that is none, unless they say all of it") {
  std::map<std::string, std::string> const lying{{"DB_USER", "u"},     {"DB_PORT", "x"}, {"DB_PASSWORD", "p"},     {"DB_SSL", "x"},
                                                 {"DB_POOL_MAX", "0"}, {"DB_NAME", "d"}, {"AUTO_INIT_DB", "false"}};
  auto const left = read("", variables(lying));
  CHECK(left.storage == visor::storage_settings());
  CHECK(left.sources.empty());

  REQUIRE(left.ignored.size() == 1);
  CHECK_THAT(left.ignored[0], StartsWith("environment DB_NAME and environment DB_USER: ignored, the driver is sqlite"));
  CHECK_THAT(left.ignored[0], EndsWith("set DB_HOST too, or DATABASE_URL, or STORE_TYPE=sqlite"));
  CHECK(read(from_file("driver: sqlite"), variables(lying)).ignored.empty());
  CHECK(read("", variables({{"DB_USER", "u"}})).ignored.empty());

  std::map<std::string, std::string> all{{"DB_HOST", "h"}, {"DB_DATABASE", "d"}, {"DB_USERNAME", "u"}};
  auto const server = read("", variables(all));
  CHECK(line(server, "scheduler.storage.driver") == "postgresql (environment DB_HOST)");
  CHECK(server.storage.connection.database == "d");
  CHECK(read(from_file("driver: sqlite"), variables(all)).storage == visor::storage_settings());
  CHECK(read(from_file("driver: mysql"), variables(all)).storage.driver == storage_driver::mysql);
  // Variables of visor have no other users.
  CHECK(wrong("", variables({{"VISOR_STORAGE_CONNECTION_HOST", "h"}})) ==
        "environment VISOR_STORAGE_CONNECTION_HOST: scheduler.storage.connection.host: has no meaning for sqlite: set "
        "scheduler.storage.driver to postgresql, mysql or mssql\n");
  // A host that other programs use is ignored where another driver was chosen.
  CHECK(read("", variables({{"DB_HOST", "h"}, {"VISOR_DB", "x.db"}})).storage.driver == storage_driver::sqlite);
  CHECK(read("", variables({{"DB_HOST", "h"}, {"STORE_TYPE", "sqlite"}})).storage.driver == storage_driver::sqlite);
  // The file of SQLite, to the others.
  CHECK(read(from_file("driver: memory"), variables({{"VISOR_DB", "x.db"}})).storage.connection.filename == ".visor/schedules.db");
}

TEST_CASE("a server that is half named is an error, and so is production without a word about storage") {
  std::map<std::string, std::string> const whole{{"DB_HOST", "h"}, {"DB_NAME", "d"}, {"DB_USER", "u"}};
  for (char const* const part : {"DB_NAME", "DB_USER"}) {
    auto less = whole;
    less.erase(part);
    auto const said = wrong("", variables(less));
    CHECK(said.starts_with("environment DB_HOST: scheduler.storage.connection.host: says where a server is"));
    CHECK(said.find("DATABASE_URL, or all of DB_HOST, DB_NAME and DB_USER") != std::string::npos);
    CHECK(wrong(from_file("driver: postgresql"), variables(less)) == "");
    CHECK(wrong(from_file("driver: sqlite"), variables(less)) == "");
  }
  for (char const* const variable : {"VISOR_ENV", "NODE_ENV"}) {
    auto const said = wrong("", variables({{variable, "production"}}));
    CHECK(said.starts_with("profile production: scheduler.storage.driver: no storage is named: set DATABASE_URL"));
    CHECK(said.find("STORE_TYPE") != std::string::npos);
    CHECK(wrong("", variables({{variable, "production"}, {"STORE_TYPE", "sqlite"}})) == "");
    CHECK(wrong("", variables({{variable, "production"}, {"VISOR_DB", "x.db"}})) == "");
    CHECK(wrong("", variables({{variable, "production"}, {"DATABASE_URL", "postgres://h"}})) == "");
    CHECK(wrong("", variables({{variable, "development"}})) == "");
  }
}

TEST_CASE("a path that begins with ~/ is below the home") {
  std::string const home = visor::with_home("~/x");
  REQUIRE(home.ends_with("/x"));
  CHECK(read(from_file("connection: {filename: ~/x}")).storage.connection.filename == home);
  CHECK(read("", variables({{"VISOR_DB", "~/x"}})).storage.connection.filename == home);
  CHECK(read("workflows: {a: {command: [/bin/true], working_directory: ~/x}}").workflows.at(0).working_directory == home);
  CHECK(visor::pem("~/x").content() == home);
  CHECK(visor::with_home("~other/x") == "~other/x");
}

TEST_CASE("what SQLite alone knows is ignored by others, and that is said") {
  auto const moved = read(from_file("driver: mysql, connection: {filename: a.db, journal: rollback}"));
  REQUIRE(moved.ignored.size() == 2);
  CHECK(moved.ignored[0].ends_with("scheduler.storage.connection.filename: ignored, the driver is mysql"));
}

TEST_CASE("flags are the last word") {
  auto const lying = variables({{"DATABASE_URL", "mysql://u:p@h/d"}, {"STORE_TYPE", "mysql"}, {"DB_USER", "x"}, {"DB_NAME", "d"}});
  auto const by_url = read(from_file("driver: sqlite"), lying, url_flag("postgres://me@there/jobs"));
  CHECK(line(by_url, "scheduler.storage.driver") == "postgresql (flag --url)");
  CHECK(line(by_url, connection + "connection_string") == "******** (flag --url)");
  CHECK(by_url.storage.connection.connection_string.reveal() == "postgres://me@there/jobs");

  CHECK(line(read("", variables(), flag("host", "host", "h")), "scheduler.storage.driver") == "postgresql (flag --host)");
  auto const by_host = read("", lying, flag("host", "host", "h"));
  CHECK(by_host.storage.driver == storage_driver::mysql);
  CHECK(by_host.storage.connection.connection_string.empty());
  CHECK(by_host.storage.connection.user == "x");

  CHECK(wrong(from_file("driver: sqlite"), variables(), flag("host", "host", "h")) ==
        "flag --host: scheduler.storage.connection.host: has no meaning for sqlite: set scheduler.storage.driver to postgresql, mysql or "
        "mssql\n");
  CHECK(wrong("", lying, flag("user", "user", "me")) ==
        "flag --user: scheduler.storage.connection.user: has no effect beside a connection string: give all in --url, or --host too\n");
  CHECK(wrong("", variables(), url_flag("oracle://u:hunter2@h"))
            .starts_with("flag --url: scheduler.storage.connection.connection_string: must "));
}

TEST_CASE("a server that is named by its parts is not that of a weaker connection string") {
  std::string const file = from_file("connection: {connection_string: 'postgres://old'}");
  auto const moved = read(file, variables({{"DB_HOST", "new"}, {"DB_NAME", "d"}, {"DB_USER", "u"}})).storage.connection;
  CHECK(moved.connection_string.empty());
  CHECK(moved.host == "new");
  auto const same = read(file, variables({{"DB_PASSWORD", "p"}})).storage.connection;
  CHECK(same.connection_string.reveal() == "postgres://old");
  auto const both = read("", variables({{"DATABASE_URL", "postgres://url"}, {"DB_HOST", "h"}})).storage.connection;
  CHECK(both.connection_string.reveal() == "postgres://url");
}

TEST_CASE("profiles") {
  auto const profile = [](std::map<std::string, std::string> set, std::string const& more = "") {
    return read(from_file("driver: postgresql" + more), variables(std::move(set)));
  };
  auto const production = profile({{"VISOR_ENV", "production"}});
  auto const& pool = production.storage.connection.pool;
  CHECK(pool.min == 5);
  CHECK(pool.max == 20);
  CHECK(pool.idle_timeout == 30s);
  CHECK(pool.max_uses == 7500);
  REQUIRE(production.storage.connection.ssl);
  CHECK(*production.storage.connection.ssl == visor::ssl_settings());
  CHECK_FALSE(production.storage.auto_init);
  CHECK_FALSE(production.storage.log_statements.all);
  CHECK(production.ignored.empty());

  auto const chatty = profile({{"VISOR_ENV", "production"}, {"DB_LOG_CONNECTIONS", "true"}});
  CHECK_FALSE(chatty.storage.connection.pool.log_connections);
  CHECK(line(chatty, connection + "pool.log_connections") == "false (profile production)");
  CHECK(chatty.ignored == std::vector<std::string>{"environment DB_LOG_CONNECTIONS: " + connection +
                                                   "pool.log_connections: ignored, the profile production does not log connections"});
  CHECK(profile({{"VISOR_ENV", "production"}, {"DB_LOG_CONNECTIONS", "false"}}).ignored.empty());
  CHECK(profile({{"NODE_ENV", "development"}, {"DB_LOG_CONNECTIONS", "true"}}).storage.connection.pool.log_connections);

  auto const development = profile({{"NODE_ENV", "development"}});
  CHECK(development.storage.connection.pool.min == 2);
  CHECK(development.storage.connection.pool.max == 10);
  CHECK(development.storage.connection.pool.idle_timeout == 10s);
  CHECK(development.storage.connection.pool.max_uses == 0);
  CHECK(development.storage.log_statements.all);
  CHECK_FALSE(profile({{"NODE_ENV", "development"}, {"DB_LOG_QUERIES", "false"}}).storage.log_statements.all);
  CHECK_FALSE(development.storage.connection.ssl);

  auto const serverless = profile({{"VISOR_ENV", "serverless"}, {"NODE_ENV", "production"}});
  CHECK(serverless.storage.connection.pool.min == 0);
  CHECK(serverless.storage.connection.pool.max == 2);
  CHECK(serverless.storage.auto_init == false);
  CHECK_FALSE(serverless.storage.connection.ssl);

  CHECK(profile({{"NODE_ENV", "test"}}) == profile({}));
  CHECK(profile({{"VISOR_ENV", ""}, {"NODE_ENV", "production"}}) == production);
  CHECK(read("", variables({{"VISOR_ENV", "production"}, {"STORE_TYPE", "sqlite"}})).storage == visor::storage_settings());
  CHECK(wrong("", variables({{"VISOR_ENV", "staging"}})) != "");

  // A value that somebody asked for stands, and the profile gives way to it.
  auto const small = profile({{"VISOR_ENV", "production"}, {"DB_POOL_MAX", "2"}});
  CHECK(line(small, connection + "pool.min") == "2 (environment DB_POOL_MAX)");
  CHECK(wrong(from_file("driver: postgresql, connection: {pool: {min: 4, max: 3}}"), variables({{"VISOR_ENV", "production"}})) != "");
}

TEST_CASE("TLS that encrypt asks for is not turned off elsewhere") {
  auto const by_variables = [](std::string const& url) { return wrong("", variables({{"DATABASE_URL", url}, {"DB_SSL", "false"}})); };
  CHECK(by_variables("mssql://u:hunter2@h/d?encrypt=true") ==
        "environment DATABASE_URL: scheduler.storage.connection.connection_string: asks for TLS by its option encrypt, and "
        "scheduler.storage.connection.ssl.enabled (environment DB_SSL) is false: leave one out\n");
  for (std::string const url : {"postgres://h/d?", "mysql://h/d?", "mssql://h/d?"})
    for (char const* const option : {"sslmode=require", "ssl-mode=REQUIRED", "ssl=true", "sslaccept=strict"})
      CHECK(by_variables(url + option) == "");  // `ssl` goes before these
  for (char const* const option : {"encrypt=yes", "Encrypt=Mandatory", "encrypt=strict", "encrypt=1", "encrypt=t",
                                   "trustServerCertificate=yes", "encrypt=true&sslmode=require"})
    CHECK(by_variables(std::string("mssql://h/d?") + option) != "");
  for (char const* const url : {"postgres://h/d", "postgres://h/d?sslmode=disable", "mysql://h/d?ssl-mode=DISABLED", "mysql://h/d?ssl=0",
                                "mssql://h/d?encrypt=optional&trustServerCertificate=true", "mssql://h/d?encrypt=no",
                                "postgres://u@/d?host=/run/postgresql&sslmode=require", "postgres://h/d?application_name=ssl"})
    CHECK(by_variables(url) == "");

  std::string const file =
      from_file("\n  connection: {connection_string: 'mssql://h/d?sslmode=require&encrypt=true',\n    ssl: {enabled: false}}");
  CHECK(wrong(file) ==
        "visor.yaml:2:35: scheduler.storage.connection.connection_string: asks for TLS by its option encrypt, and "
        "scheduler.storage.connection.ssl.enabled (visor.yaml:3:20) is false: leave one out\n");
  CHECK(wrong(from_file("connection: {connection_string: 'mssql://h/d?encrypt=true', ssl: false}")) != "");
  CHECK(wrong(file, variables({{"DB_SSL", "true"}})) == "");
  // Stricter is no contradiction.
  CHECK(wrong("", variables({{"DATABASE_URL", "postgres://h/d?sslmode=disable"}, {"DB_SSL", "true"}})) == "");
}

TEST_CASE("TLS of the production profile is for what goes over a network, and the last of all") {
  auto const tls = [](std::string const& keys, std::map<std::string, std::string> set = {}) {
    set.emplace("NODE_ENV", "production");
    return read(from_file("driver: postgresql, connection: {" + keys + "}"), variables(set)).storage.connection.ssl;
  };
  CHECK(tls("host: db")->enabled);
  CHECK(tls("connection_string: 'postgres://db/d'")->enabled);
  CHECK_FALSE(tls("host: /run/postgresql"));
  CHECK_FALSE(tls("host: db", {{"DB_HOST", "/cloudsql/p:r:i"}}));
  CHECK_FALSE(tls("connection_string: 'postgres://u@/d?host=/cloudsql/p:r:i'"));
  CHECK_FALSE(tls("connection_string: 'postgres://u@/d?host=%2Frun'"));
  CHECK_FALSE(tls("connection_string: 'postgres://db/d?sslmode=disable'"));
  CHECK_FALSE(tls("connection_string: 'postgres://db/d?sslmode=require'"));
  for (std::string const option : {"ssl-mode=DISABLED", "ssl_mode=REQUIRED", "ssl=false", "sslaccept=accept_invalid_certs"})
    CHECK_FALSE(tls("connection_string: 'postgres://db/d?" + option + "'"));
  CHECK(tls("connection_string: 'postgres://db/d?application_name=sslmode%3Drequire&sslrootcert=/ca.pem'")->enabled);
  auto const of_sql_server = [](std::string const& option) {
    return read("", variables({{"NODE_ENV", "production"}, {"DATABASE_URL", "mssql://db/d?instance=a&" + option}})).storage.connection.ssl;
  };
  for (char const* const option : {"Encrypt=false", "encrypt=true", "trustServerCertificate=true"}) CHECK_FALSE(of_sql_server(option));
  CHECK(of_sql_server("application_name=encrypt")->enabled);
  CHECK_FALSE(tls("ssl: false")->enabled);
  CHECK_FALSE(tls("host: db", {{"DB_SSL", "false"}})->enabled);
  CHECK(tls("host: /run/postgresql, ssl: {ca: /ca.pem}")->enabled);
}

TEST_CASE("certificates in the environment") {
  std::string const certificate = "-----BEGIN CERTIFICATE-----\nAAECAwQFBgc=\n-----END CERTIFICATE-----\n";
  std::string const key = "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCkFBRUNBd1FGQmdjPQotLS0tLUVORCBQUklWQVRFIEtFWS0tLS0tCg==";
  auto const all =
      read(from_file("driver: postgresql"), variables({{"DB_SSL_CA", "/ca.pem"}, {"DB_SSL_CERT", certificate}, {"DB_SSL_KEY", key}}));
  auto const& tls = *all.storage.connection.ssl;
  CHECK(tls.ca.content() == "/ca.pem");
  CHECK(tls.cert.content() == certificate);
  CHECK(tls.key.content() == "-----BEGIN PRIVATE KEY-----\nAAECAwQFBgc=\n-----END PRIVATE KEY-----\n");
  CHECK(line(all, connection + "ssl.ca") == "/ca.pem (environment DB_SSL_CA)");
  CHECK(line(all, connection + "ssl.cert") == "******** (environment DB_SSL_CERT)");
  CHECK(line(all, connection + "ssl.key") == "******** (environment DB_SSL_KEY)");
}

TEST_CASE("settings without a file") {
  auto const set = variables({{"DATABASE_URL", "postgres://h"}, {"VISOR_DB", "x.db"}, {"VISOR_ENV", "production"}});
  CHECK(visor::load_environment({}, set).storage.driver == storage_driver::postgresql);
  CHECK(visor::load_environment({}, set).storage.connection.pool.max == 20);
  // A program on another database is none of its business.
  auto const embedded = visor::load_environment(storage_driver::sqlite, set);
  CHECK(embedded.storage.connection.filename == "x.db");
  CHECK(embedded.storage.connection.connection_string.empty());
  CHECK_THROWS_AS(visor::load_environment(storage_driver::mysql, set), visor::config_failure);
  CHECK(visor::load_environment({}, variables()) == visor::settings());

  // The function that is cheap to compile knows two variables.
  auto const from_environment = visor::settings::from_environment(variables({{"VISOR_DB", "/data/x.db"}, {"VISOR_NODE_NAME", "n7"}}));
  CHECK(from_environment.storage.connection.filename == "/data/x.db");
  CHECK(from_environment.node.name == "n7");
  CHECK(to_string(from_environment.sources.at("scheduler.ha.node_id")) == "environment VISOR_NODE_NAME");
  CHECK(visor::settings::from_environment(variables({{"VISOR_DB", ""}})) == visor::settings());
}

TEST_CASE("a file without cron says nothing of schedules, an empty one that there are none") {
  CHECK_FALSE(read("scheduler: {}\n").declares_schedules());
  CHECK_FALSE(read("scheduler:\n  cron:\n").declares_schedules());
  CHECK(read("scheduler: {cron: {}}\n").declares_schedules());
  CHECK(read("scheduler: {cron: {a: {schedule: '@daily', workflow: w, enabled: false}}}\nworkflows: {w: {command: [/bin/true]}}\n")
            .declares_schedules());
}

TEST_CASE("a variable that is called as ours are and is none has the nearest of ours") {
  using visor::detail::misspelled_variable;
  for (auto const* ours : {"VISOR_CONFIG", "VISOR_ENV", "VISOR_DB", "VISOR_NODE_NAME", "VISOR_HA_LOCK_TTL", "VISOR_ENABLED",
                           "VISOR_STORAGE_CONNECTION_POOL_MAX"})
    CHECK(misspelled_variable(ours) == std::nullopt);
  CHECK(misspelled_variable("DB_HSOT") == std::nullopt);
  CHECK(misspelled_variable("VISOR_HA_LOCKTTL") == "VISOR_HA_LOCK_TTL");
  CHECK(misspelled_variable("VISOR_NODENAME") == "VISOR_NODE_NAME");
  CHECK(misspelled_variable("VISOR_SOMETHING_ELSE_ALTOGETHER") == "");
}

#include "reading.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <chrono>

using namespace visor_test;
using namespace std::chrono_literals;

namespace {

visor::settings stored(std::string const& storage) {
  return read("scheduler:\n  storage: " + storage + "\n", variables({{"DB_PASSWORD", "s3cret"}}));
}

}  // namespace

TEST_CASE("every driver can be described") {
  auto const full =
      stored(R"({driver: postgresql, connection: {host: pg.internal, port: 6432, database: jobs, user: app@pg, password: "${DB_PASSWORD}",
    ssl: {reject_unauthorized: false, ca: /etc/ca.pem, cert: /etc/me.pem, key: /etc/me.key}, pool: {min: 2, max: 20}}})");
  auto const& pg = full.storage.connection;
  CHECK(full.storage.driver == visor::storage_driver::postgresql);
  CHECK(pg.host == "pg.internal");
  CHECK(pg.port == 6432);
  CHECK(pg.database == "jobs");
  CHECK(pg.user == "app@pg");
  CHECK(pg.password.reveal() == "s3cret");
  REQUIRE(pg.ssl);
  CHECK(pg.ssl->enabled);
  CHECK_FALSE(pg.ssl->reject_unauthorized);
  CHECK(pg.ssl->ca.content() == "/etc/ca.pem");
  CHECK(pg.ssl->cert.content() == "/etc/me.pem");
  CHECK(pg.ssl->key.content() == "/etc/me.key");
  CHECK(pg.pool.min == 2);
  CHECK(pg.pool.max == 20);

  auto const mysql = stored("{driver: mysql, connection: {host: localhost, ssl: true}}").storage.connection;
  CHECK_FALSE(mysql.port.has_value());
  CHECK(mysql.user == "visor");
  CHECK(mysql.database == "visor");
  CHECK_FALSE(mysql.pool.min);
  CHECK(mysql.pool.max == 10);
  CHECK(mysql.ssl == visor::ssl_settings());

  CHECK(stored("{driver: mssql, connection: {user: sa, ssl: {reject_unauthorized: true}}}").storage.connection.ssl ==
        visor::ssl_settings());
  CHECK_FALSE(stored("{driver: mssql, connection: {ssl: false}}").storage.connection.ssl->enabled);
  CHECK_FALSE(stored("{driver: mssql, connection: {ssl: }}").storage.connection.ssl.has_value());
  CHECK(stored("{driver: postgresql, connection: {host: \"/cloudsql/project:region:instance\"}}").storage.connection.host ==
        "/cloudsql/project:region:instance");
  CHECK(stored("{driver: memory}").storage.driver == visor::storage_driver::memory);
  CHECK(stored("{path: .visor/schedules.json}").storage.path == ".visor/schedules.json");
  CHECK(stored("{auto_init: true}").storage.auto_init == true);
}

TEST_CASE("a connection string fits its driver") {
  for (auto const* const each :
       {"{driver: postgresql, connection: {connection_string: 'postgresql://visor:x@db:5432/visor?sslmode=require'}}",
        "{driver: postgresql, connection: {connection_string: 'postgres://db/visor'}}",
        "{driver: mysql, connection: {connection_string: 'mysql://db'}}",
        "{driver: mysql, connection: {connection_string: 'mariadb://db'}}",
        "{driver: mssql, connection: {connection_string: 'mssql://db'}}",
        "{driver: mssql, connection: {connection_string: 'sqlserver://db'}}"})
    CHECK_FALSE(stored(each).storage.connection.connection_string.empty());
  CHECK(wrong("scheduler: {storage: {driver: postgresql, connection: {connection_string: 'mysql://u:hunter2@h'}}}") ==
        "visor.yaml:1:75: scheduler.storage.connection.connection_string: must begin with one of postgresql://, postgres:// for the driver "
        "postgresql; this one is for mysql\n");
  // It says which driver is meant, so that need not be said.
  CHECK(stored("{connection: {connection_string: 'mariadb://db'}}").storage.driver == visor::storage_driver::mysql);
  CHECK(wrong("scheduler: {storage: {connection: {connection_string: 'redis://db'}}}") ==
        "visor.yaml:1:55: scheduler.storage.connection.connection_string: must begin with one of postgresql://, postgres://, mysql://, "
        "mariadb://, mssql://, sqlserver://; or set scheduler.storage.driver\n");
}

TEST_CASE("what a driver does not know is refused, not ignored") {
  CHECK(wrong("scheduler: {storage: {connection: {host: db}}}") ==
        "visor.yaml:1:42: scheduler.storage.connection.host: has no meaning for sqlite: set scheduler.storage.driver to postgresql, mysql "
        "or mssql\n");
  CHECK(wrong("scheduler: {storage: {driver: memory, connection: {pool: {max: 3}}}}") ==
        "visor.yaml:1:58: scheduler.storage.connection.pool: has no meaning for memory: set scheduler.storage.driver to postgresql, mysql "
        "or mssql\n");
  CHECK(stored("{driver: postgresql, connection: {pgbouncer: true}}").storage.connection.pgbouncer);
  CHECK(wrong("scheduler: {storage: {driver: mysql, connection: {pgbouncer: true}}}") ==
        "visor.yaml:1:62: scheduler.storage.connection.pgbouncer: has no meaning for mysql: there is a PgBouncer for postgresql alone\n");
  CHECK(wrong("scheduler: {storage: {driver: memory, auto_init: true}}")
            .ends_with("scheduler.storage.auto_init: has no meaning for memory, which has no tables and no statements\n"));
  CHECK(wrong("scheduler: {storage: {driver: memory, log_statements: {slow: 1s}}}") != "");
  CHECK(wrong("scheduler: {storage: {driver: memory}}", variables({{"DB_LOG_QUERIES", "true"}, {"AUTO_INIT_DB", "true"}})) == "");
  CHECK(wrong("scheduler: {storage: {driver: memory, path: a.json}}") != "");
  CHECK(wrong("scheduler: {cron: {a: {schedule: '@daily', inputs: {text: x}, output: {type: slack}}}}")
            .find("scheduler.cron.a.output: results are sent nowhere yet") != std::string::npos);
  CHECK(wrong("scheduler: {storage: {connection: {filename: ':memory:'}}}") ==
        "visor.yaml:1:46: scheduler.storage.connection.filename: must be a path; for a store in memory set scheduler.storage.driver to "
        "memory\n");
  CHECK(wrong("", variables({{"VISOR_DB", "file:a.db?mode=ro"}}))
            .starts_with("environment VISOR_DB: scheduler.storage.connection.filename: "));
  CHECK(wrong("scheduler: {storage: {driver: mysql, connection: {filename: ':memory:'}}}") == "");
  // So that a file moves to a server by one line.
  CHECK(wrong("scheduler: {storage: {driver: mysql, connection: {filename: a.db}}}") == "");
}

TEST_CASE("values that belong together") {
  CHECK(wrong("scheduler: {storage: {driver: mysql, connection: {pool: {min: 5, max: 2}}}}") ==
        "visor.yaml:1:63: scheduler.storage.connection.pool.min: \"5\" is out of range: allowed is 0 to 2\n");
  CHECK(wrong("scheduler: {storage: {driver: mysql, connection: {pool: {min: 15}}}}") ==
        "visor.yaml:1:63: scheduler.storage.connection.pool.min: \"15\" is out of range: allowed is 0 to 10\n");
  CHECK(wrong("scheduler: {storage: {driver: mysql, connection: {ssl: {cert: a.pem}}}}") ==
        "visor.yaml:1:63: scheduler.storage.connection.ssl.cert: cert and key belong together: set both or none\n");
}

TEST_CASE("every setting of a pool is a key, also as other software spells it") {
  auto const pool = [](std::string const& keys) {
    return stored("{driver: mysql, connection: {pool: {" + keys + "}}}").storage.connection.pool;
  };
  visor::pool_settings expected;
  CHECK(pool("") == expected);
  expected.min = 5;
  expected.max = 20;
  expected.idle_timeout = 5min;
  expected.max_lifetime = 20min;
  expected.acquire_timeout = 20s;
  expected.leak_threshold = 1min;
  CHECK(pool("min: 5, max: 20, idle_timeout: 5m, max_lifetime: 20m, acquire_timeout: 20s, leak_threshold: 1m") == expected);
  CHECK(pool("minimum-idle: 5, maximum-pool-size: 20, idle-timeout: 300000, max-lifetime: 1200000, connection-timeout: 20000, "
             "leak-detection-threshold: 60000") == expected);
  CHECK(pool("min-idle: 5, max-active: 20, max-wait: 20s, idle-timeout: 5m, leak-detection-threshold: 1m") == expected);
  CHECK(pool("max-wait: -1ms").acquire_timeout == 1h);
  CHECK(pool("max-wait: -1").acquire_timeout == 1h);
  CHECK(pool("max_uses: 7500").max_uses == 7500);
  CHECK(pool("max-idle: 10").max_idle == 10);
  CHECK(pool("max_idle: 0").max_idle == 0);
  CHECK(pool("max_lifetime: 0s, keepalive: 1h").keepalive == 1h);

  auto const refused = [](std::string const& keys) {
    auto const lines = wrong("scheduler: {storage: {driver: mysql, connection: {\npool: {" + keys + "}}}}");
    return lines.substr(std::min(lines.find(": ") + 2, lines.size()));
  };
  CHECK(refused("acquire_timeout: -1") ==
        "scheduler.storage.connection.pool.acquire_timeout: \"-1\" is not a length of time: write one such as 250ms, 90s or 1h30m\n");
  CHECK(refused("acquire_timeout: 5") == "scheduler.storage.connection.pool.acquire_timeout: \"5\" has no unit: write 5s, 5m or 5h\n");
  CHECK(refused("max: 3, max-active: 4") == "scheduler.storage.connection.pool.max-active: is given already, as \"max\"\n");
  CHECK(refused("maximum-pool-size: 3, max-active: 4") ==
        "scheduler.storage.connection.pool.max-active: is given already, as \"maximum-pool-size\"\n");
  CHECK(refused("min: 4, max_idle: 3") == "scheduler.storage.connection.pool.max_idle: \"3\" is out of range: allowed is 4 to 10000\n");
  CHECK(refused("max-lifetimes: 3").starts_with("scheduler.storage.connection.pool.max-lifetimes: unknown key"));
  // Every one of them, in their own order.
  CHECK(wrong("scheduler: {storage: {driver: mysql, connection: {\npool: {\nmax: 0,\nidle-timeout: 10,\nmax_uses: -1}}}}") ==
        "visor.yaml:3:6: scheduler.storage.connection.pool.max: \"0\" is out of range: allowed is 1 to 10000\n"
        "visor.yaml:4:15: scheduler.storage.connection.pool.idle_timeout: \"10\" is out of range: allowed is 0s (never) or 1s to 1d\n"
        "visor.yaml:5:11: scheduler.storage.connection.pool.max_uses: \"-1\" is out of range: allowed is 0 (no limit) or more\n");
}

TEST_CASE("what nobody asked for in a pool gives way to what somebody did") {
  auto const pool = [](std::string const& keys) {
    return stored("{driver: mysql, connection: {pool: {" + keys + "}}}").storage.connection.pool;
  };
  CHECK(pool("max_lifetime: 1m").keepalive == 1min);
  CHECK(pool("max_lifetime: 1h").keepalive == 2min);
  CHECK(pool("acquire_timeout: 1s").validation_timeout == 1s);
  CHECK(pool("acquire_timeout: 1ms").validation_timeout == 10ms);
  CHECK(pool("connect_backoff: 5s").connect_backoff_cap == 5s);
  CHECK(wrong("scheduler: {storage: {driver: mysql, connection: {pool: {max_lifetime: 1m, keepalive: 2m}}}}") ==
        "visor.yaml:1:87: scheduler.storage.connection.pool.keepalive: \"2m\" is out of range: allowed is 0s (never) or 1s to 1m\n");
}

TEST_CASE("several nodes need a server") {
  for (std::string const driver : {"sqlite", "memory"})
    CHECK(wrong("scheduler:\n  storage: {driver: " + driver + "}\n  ha:\n    enabled: true\n") ==
          "visor.yaml:4:14: scheduler.ha.enabled: " + driver +
              " allows a single node: set scheduler.storage.driver to postgresql, mysql or mssql, or turn ha off\n");
  for (std::string const driver : {"postgresql", "mysql", "mssql"}) {
    auto const all = read("scheduler:\n  storage: {driver: " + driver +
                          "}\n  ha: {enabled: true, node_id: node-1, lock_ttl: 60, heartbeat_interval: 15}\n");
    CHECK(all.ha.enabled);
    CHECK_FALSE(all.node.exclusive);
    CHECK(all.node.name == "node-1");
    CHECK(all.node.lease_ttl == std::chrono::seconds{60});
  }
}

TEST_CASE("the heartbeat is well below the lease") {
  CHECK(wrong("scheduler: {ha: {lock_ttl: 60, heartbeat_interval: 60}}") ==
        "visor.yaml:1:52: scheduler.ha.heartbeat_interval: heartbeat_interval 1m must be at most a half of lock_ttl 1m, which is 30s\n");
  CHECK(wrong("scheduler: {ha: {lock_ttl: 20}}") ==
        "visor.yaml:1:28: scheduler.ha.lock_ttl: heartbeat_interval 15s must be at most a half of lock_ttl 20s, which is 10s\n");
  CHECK(wrong("scheduler: {ha: {lock_ttl: 60, heartbeat_interval: 30}}") == "");
}

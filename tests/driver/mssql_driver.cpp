#include "execute_many.hpp"
#include "servers/test_database.hpp"

#include "visor/mssql.hpp"

#include <string>

// The driver for SQL Server, with a real one.
namespace visor_test {
namespace {

mssql_server& server = mssql_server::shared();

struct text_row {
  std::string value;
};
BOOST_DESCRIBE_STRUCT(text_row, (), (value))

struct put_text : visor::sql::statement_defaults {
  static constexpr std::string_view name = "put_text";
  using params = text_row;
  using used = visor::sql::tables<>;
  static constexpr void write(auto& out) { out.raw("INSERT INTO texts VALUES (")(":value)"); }
};

struct get_text : visor::sql::statement_defaults {
  static constexpr std::string_view name = "get_text";
  using row = text_row;
  using used = visor::sql::tables<>;
  static constexpr void write(auto& out) { out.raw("SELECT value FROM texts"); }
};

struct count_texts : visor::sql::statement_defaults {
  static constexpr std::string_view name = "count_texts";
  using params = text_row;
  using row = number_row;
  using used = visor::sql::tables<>;
  static constexpr void write(auto& out) { out.raw("SELECT count_big(*) AS value FROM texts WHERE value = ")(":value"); }
};

}  // namespace

TEST_CASE("many executions go as few messages and tell of each", "[mssql]") {
  test_database const where(server);
  check_execute_many<visor::mssql>(where.settings());
}

TEST_CASE("text of several statements is run to its end, and what fails in it is told", "[mssql]") {
  test_database const where(server);
  boost::asio::io_context io{1};
  database base(where.settings());
  run(io, base.open());
  std::string text = "INSERT INTO numbers VALUES (1); SELECT value FROM numbers; INSERT INTO numbers VALUES (2)";
  auto op = [&](session& on) -> done { co_await on.run(text); };
  run(io, base.transact(op));
  CHECK(where.found() == numbers{1, 2});
  text = "INSERT INTO numbers VALUES (3); INSERT INTO numbers VALUES (1)";
  CHECK_THROWS_AS(run(io, base.transact(op)), visor::error);
  CHECK(where.found() == numbers{1, 2});
  run(io, base.close());
}

TEST_CASE("a text of any length is given and stored as it is, and a short one also compared", "[mssql]") {
  std::string const text = GENERATE(as<std::string>(), "", " ", "plain", "\xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80", "it's");
  std::size_t const times = GENERATE(as<std::size_t>(), 1, 800, 4000, 4001, 100'000);
  std::string value;
  for (std::size_t i = 0; i < times; ++i) value += text;
  test_database const where(server);
  boost::asio::io_context io{1};
  database base(where.settings());
  run(io, base.open());
  std::string found;
  std::int64_t equal = 0;
  auto op = [&](session& on) -> done {
    co_await on.run("CREATE TABLE texts (value " + std::string(visor::mssql_dialect::text) + ")");
    text_row const given{value};
    co_await on.execute(put_text(), given);
    auto const row = co_await on.find(get_text());
    found = row->value;
    if (times > 800) co_return;
    auto const counted = co_await on.find(count_texts(), given);
    equal = counted->value;
  };
  run(io, base.transact(op));
  CHECK(found == value);
  if (times <= 800) CHECK(equal == 1);
  run(io, base.close());
}

}  // namespace visor_test

#include "visor/sql/statement.hpp"

#include "dialects.hpp"
#include "support/catch.hpp"

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace visor_test {

BOOST_DEFINE_ENUM_CLASS(colour, red, green)

struct fruit {
  std::int64_t id = 0;
  std::string name;
  visor_test::colour colour = visor_test::colour::red;
};
BOOST_DESCRIBE_STRUCT(fruit, (), (id, name, colour))

struct picked {
  std::string name;
  std::int64_t limit = 0;
};
BOOST_DESCRIBE_STRUCT(picked, (), (name, limit))

}  // namespace visor_test

template <>
struct visor::sql::table<visor_test::fruit> : visor::sql::table_defaults {
  static constexpr std::string_view name = "fruit";
  static constexpr std::string_view key = "[id]";
};

namespace visor_test {
namespace {

struct pick : visor::sql::statement_defaults {
  static constexpr std::string_view name = "pick";
  using params = picked;
  using row = fruit;
  using used = visor::sql::tables<fruit>;
  static constexpr void write(auto& out) {
    out("SELECT {*} FROM {fruit} WHERE [name] = :name OR ':' = :name AND [colour] = ")(colour::green)(" {limit}");
  }
};

struct ends : visor::sql::statement_defaults {
  static constexpr std::string_view name = "ends";
  using used = visor::sql::tables<>;
  static constexpr void write(auto& out) { out("{catalog} :"); }
};

struct twelve {
  int a = 0;
};
BOOST_DESCRIBE_STRUCT(twelve, (), (a))

struct many : visor::sql::statement_defaults {
  static constexpr std::string_view name = "many";
  using params = twelve;
  using used = visor::sql::tables<>;
  static constexpr void write(auto& out) { out(":a:a:a:a:a:a:a:a:a:a:a"); }
};

template <class Dialect, class Definition>
std::string spelled() {
  return std::string(visor::sql::text_in<Dialect, Definition>);
}

}  // namespace

TEST_CASE("a statement is spelled for its dialect", "[sql]") {
  CHECK(spelled<plain_dialect, pick>() ==
        "SELECT \"id\", \"name\", \"colour\" FROM \"visor_fruit\" WHERE \"name\" = ? OR ':' = ? AND \"colour\" = 'green' LIMIT ?");
  CHECK(spelled<dollar_dialect, pick>() ==
        "SELECT \"id\", \"name\", \"colour\" FROM \"visor_fruit\" WHERE \"name\" = $1 OR ':' = $2 AND \"colour\" = 'green' LIMIT $3");
  CHECK(spelled<bracket_dialect, pick>() ==
        "SELECT [id], [name], [colour] FROM [visor_fruit] WHERE [name] = @P1 OR ':' = @P2 AND [colour] = 'green' "
        "OFFSET 0 ROWS FETCH NEXT @P3 ROWS ONLY");
}

TEST_CASE("placeholders remember which member stands there", "[sql]") {
  auto const& order = visor::sql::text_of<visor::sql::spelled<plain_dialect, pick>>.parameters;
  REQUIRE(order.size() == 3);
  CHECK(order[0] == 0);
  CHECK(order[1] == 0);
  CHECK(order[2] == 1);
}

TEST_CASE("placeholders are numbered in decimal", "[sql]") { CHECK(spelled<dollar_dialect, many>() == "$1$2$3$4$5$6$7$8$9$10$11"); }

TEST_CASE("a catalog query is copied as it is", "[sql]") { CHECK(spelled<plain_dialect, ends>() == "SELECT 'c:d', '[x]', '{y}' :"); }

TEST_CASE("insert and update are made from a record", "[sql]") {
  CHECK(spelled<plain_dialect, visor::sql::insert<fruit>>() ==
        "INSERT INTO \"visor_fruit\" (\"id\", \"name\", \"colour\") VALUES (?, ?, ?)");
  CHECK(spelled<plain_dialect, visor::sql::insert<fruit, fruit, true>>() ==
        "INSERT INTO \"visor_fruit\" (\"id\", \"name\", \"colour\") VALUES (?, ?, ?) IGNORE");
  CHECK(spelled<narrow_dialect, visor::sql::insert<fruit, fruit, true>>() ==
        "INSERT INTO \"visor_fruit\" (\"id\", \"name\", \"colour\") VALUES (?, ?, ?) UNLESS \"id\" '$[*]' IN \"visor_fruit\" WHERE \"id\" "
        "= ?");
  CHECK(spelled<dollar_dialect, visor::sql::update<fruit>>() ==
        "UPDATE \"visor_fruit\" SET \"name\" = $1, \"colour\" = $2 WHERE \"id\" = $3");
  CHECK(visor::sql::insert<fruit>::name == "insert_fruit");
  CHECK(visor::sql::insert<fruit, fruit, true>::name == "insert_new_fruit");
  CHECK(visor::sql::update<fruit>::name == "update_fruit");
}

TEST_CASE("a table knows its columns", "[sql]") {
  using used = visor::sql::tables<fruit>;
  static_assert(used::all.size() == 1 && used::all[0].name == "fruit" && used::all[0].key == "[id]");
  static_assert(used::all[0].columns.size() == 3 && used::all[0].columns[2] == "colour");
  static_assert(visor::sql::tables<>::all.empty());
  static_assert(visor::sql::member_index<fruit>("name") == 1);
  static_assert(visor::sql::member_index<fruit>("nam") == visor::sql::member_count<fruit>);
  SUCCEED();
}

}  // namespace visor_test

#include "visor/sql/migration.hpp"

#include "dialects.hpp"
#include "support/catch.hpp"

#include <boost/describe/class.hpp>
#include <boost/mp11/list.hpp>

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace visor_test {

struct tree {
  std::int64_t id = 0;
  std::string kind;
  visor::instant planted_at{};
  std::optional<int> height;
  bool is_felled = false;
};
BOOST_DESCRIBE_STRUCT(tree, (), (id, kind, planted_at, height, is_felled))

struct leaf {
  std::int64_t tree = 0;
  int number = 0;
};
BOOST_DESCRIBE_STRUCT(leaf, (), (tree, number))

struct bark {
  std::int64_t tree = 0;
  std::string colour;
};
BOOST_DESCRIBE_STRUCT(bark, (), (tree, colour))

struct root {
  std::string name;
  std::string soil;
  std::string note;
  std::string mark;
};
BOOST_DESCRIBE_STRUCT(root, (), (name, soil, note, mark))

struct seed {
  std::int64_t number = 0;
  std::string path;
};
BOOST_DESCRIBE_STRUCT(seed, (), (number, path))

struct bird {
  std::int64_t id = 0;
  std::string call;
  std::optional<int> ring;
};
BOOST_DESCRIBE_STRUCT(bird, (), (id, call, ring))

}  // namespace visor_test

template <>
struct visor::sql::table<visor_test::tree> : visor::sql::table_defaults {
  static constexpr std::string_view name = "tree";
  static constexpr std::string_view key = "[id]";
  static constexpr bool clustered = false;
  static constexpr std::array indexes{visor::sql::index{"tree_kind", "[kind], [planted_at]"},
                                      visor::sql::index{"tree_felled", "[id]", "[is_felled]", 3}};
  static constexpr std::array added{visor::sql::added_column{"height", 2}, visor::sql::added_column{"is_felled", 3, "FALSE"}};
};

template <>
struct visor::sql::table<visor_test::leaf> : visor::sql::table_defaults {
  static constexpr std::string_view name = "leaf";
  static constexpr std::string_view key = "[tree], [number]";
  static constexpr int since = 2;
};

template <>
struct visor::sql::table<visor_test::bark> : visor::sql::table_defaults {
  static constexpr std::string_view name = "bark";
  static constexpr std::string_view key = "[tree]";
  static constexpr std::string_view may_be_null = "[colour]";
};

template <>
struct visor::sql::table<visor_test::root> : visor::sql::table_defaults {
  static constexpr std::string_view name = "root";
  static constexpr std::string_view key = "[name]";
  static constexpr std::string_view key_values = "[soil]";
  static constexpr std::array indexes{visor::sql::index{"root_note", "[note]", {}, 2}, visor::sql::index{"root_mark", "[mark]"}};
};

template <>
struct visor::sql::table<visor_test::seed> : visor::sql::table_defaults {
  static constexpr std::string_view name = "seed";
  static constexpr std::string_view key = "[number]";
  static constexpr std::string_view key_values = "[path]";
  static constexpr std::string_view generated = "[number]";
  static constexpr std::array widened{visor::sql::widened_column{"path", 2}};
};

template <>
struct visor::sql::table<visor_test::bird> : visor::sql::table_defaults {
  static constexpr std::string_view name = "bird";
  static constexpr std::string_view key = "[id]";
  static constexpr std::array added{visor::sql::added_column{"ring", 2}};
  static constexpr std::array renamed{visor::sql::renamed_column{"song", "call", 2}, visor::sql::renamed_column{"mark", "ring", 3}};
};

namespace visor_test {
namespace {

constexpr std::array<std::string_view, 3> versions{"trees", "leaves", "felling"};

std::vector<visor::sql::migration> chain() { return visor::sql::migrations_of<plain_dialect, boost::mp11::mp_list<tree, leaf>>(versions); }

std::vector<std::string_view> texts(std::vector<visor::sql::change> const& changes) {
  std::vector<std::string_view> all;
  for (auto const& each : changes) all.push_back(each.text);
  return all;
}

}  // namespace

TEST_CASE("a version is what came with it, and no more", "[sql]") {
  auto const steps = chain();
  REQUIRE(steps.size() == 3);
  CHECK(steps[0].version == 1);
  CHECK(steps[0].name == "trees");
  REQUIRE(steps[0].up.size() == 2);
  CHECK(steps[0].up[0].text ==
        "CREATE TABLE \"visor_tree\" (\n  \"id\" BIGINT NOT NULL,\n  \"kind\" TEXT NOT NULL,\n  \"planted_at\" TIMESTAMP NOT NULL,\n"
        "  PRIMARY KEY (\"id\")\n)");
  CHECK(steps[0].up[1].text == "CREATE INDEX \"visor_tree_kind\" ON \"visor_tree\" (\"kind\", \"planted_at\")");
  REQUIRE(steps[1].up.size() == 2);
  CHECK(steps[1].up[0].text == "ALTER TABLE \"visor_tree\" ADD COLUMN \"height\" INTEGER");
  CHECK(steps[1].up[1].text ==
        "CREATE TABLE \"visor_leaf\" (\n  \"tree\" BIGINT NOT NULL,\n  \"number\" INTEGER NOT NULL,\n  PRIMARY KEY (\"tree\", "
        "\"number\")\n) CLUSTERED");
  REQUIRE(steps[2].up.size() == 2);
  CHECK(steps[2].up[0].text == "ALTER TABLE \"visor_tree\" ADD COLUMN \"is_felled\" BOOLEAN NOT NULL DEFAULT FALSE");
  CHECK(steps[2].up[1].text == "CREATE INDEX \"visor_tree_felled\" ON \"visor_tree\" (\"id\") WHERE \"is_felled\"");
}

TEST_CASE("the way down undoes the way up, backwards", "[sql]") {
  auto const steps = chain();
  CHECK(texts(steps[2].down) ==
        std::vector<std::string_view>{"DROP INDEX \"visor_tree_felled\"", "ALTER TABLE \"visor_tree\" DROP COLUMN \"is_felled\""});
  CHECK(texts(steps[1].down) ==
        std::vector<std::string_view>{"DROP TABLE \"visor_leaf\"", "ALTER TABLE \"visor_tree\" DROP COLUMN \"height\""});
  CHECK(texts(steps[0].down) == std::vector<std::string_view>{"DROP TABLE \"visor_tree\""});
}

TEST_CASE("a change says what it makes or drops, as the catalogs of databases name it", "[sql]") {
  auto const steps = chain();
  std::vector<std::string> made;
  std::vector<std::string> dropped;
  for (auto const& step : steps) {
    for (auto const& each : step.up) made.push_back(each.table + ": " + each.part);
    for (auto const& each : step.down) dropped.push_back(each.table + ": " + each.part);
  }
  CHECK(made == std::vector<std::string>{"visor_tree: ", "visor_tree: index visor_tree_kind", "visor_tree: column height",
                                         "visor_leaf: ", "visor_tree: column is_felled", "visor_tree: index visor_tree_felled"});
  CHECK(dropped == std::vector<std::string>{"visor_tree: ", "visor_leaf: ", "visor_tree: column height",
                                            "visor_tree: index visor_tree_felled", "visor_tree: column is_felled"});
}

TEST_CASE("text in a key has a type of its own, and keeps it", "[sql]") {
  // The index on `note` came later: the statement that creates the table does not change.
  CHECK(visor::sql::create_table_text<narrow_dialect, root> ==
        "CREATE TABLE \"visor_root\" (\n  \"name\" SHORT NOT NULL,\n  \"soil\" SHORT NOT NULL,\n  \"note\" TEXT NOT NULL,\n"
        "  \"mark\" SHORT NOT NULL,\n  PRIMARY KEY (\"name\")\n) CLUSTERED");
}

TEST_CASE("a column may be NULL whose member is not optional", "[sql]") {
  CHECK(visor::sql::create_table_text<plain_dialect, bark> ==
        "CREATE TABLE \"visor_bark\" (\n  \"tree\" BIGINT NOT NULL,\n  \"colour\" TEXT,\n  PRIMARY KEY (\"tree\")\n) CLUSTERED");
}

TEST_CASE("a key is numbered by the database, and a column is widened later, where the database can", "[sql]") {
  auto const steps = visor::sql::migrations_of<narrow_dialect, boost::mp11::mp_list<seed>>(versions);
  CHECK(texts(steps[0].up) ==
        std::vector<std::string_view>{"CREATE TABLE \"visor_seed\" (\n  \"number\" BIGINT NOT NULL COUNTED,\n  \"path\" SHORT NOT NULL,\n"
                                      "  PRIMARY KEY (\"number\")\n) CLUSTERED"});
  CHECK(texts(steps[1].up) == std::vector<std::string_view>{"ALTER TABLE \"visor_seed\" MODIFY \"path\" LONGER NOT NULL"});
  CHECK(steps[1].down.empty());  // an older program is content with it
  CHECK(visor::sql::migrations_of<plain_dialect, boost::mp11::mp_list<seed>>(versions)[1].up.empty());
}

TEST_CASE("a column gets another name, and its table keeps the text of earlier versions", "[sql]") {
  auto const steps = visor::sql::migrations_of<plain_dialect, boost::mp11::mp_list<bird>>(versions);
  CHECK(texts(steps[0].up) == std::vector<std::string_view>{"CREATE TABLE \"visor_bird\" (\n  \"id\" BIGINT NOT NULL,\n  \"song\" TEXT NOT "
                                                            "NULL,\n  PRIMARY KEY (\"id\")\n) CLUSTERED"});
  CHECK(texts(steps[1].up) ==
        std::vector<std::string_view>{"ALTER TABLE \"visor_bird\" ADD COLUMN \"mark\" INTEGER", "RENAME song OF visor_bird TO call"});
  CHECK(texts(steps[2].up) == std::vector<std::string_view>{"RENAME mark OF visor_bird TO ring"});
  CHECK(texts(steps[2].down) == std::vector<std::string_view>{"RENAME ring OF visor_bird TO mark"});
  CHECK(texts(steps[1].down) ==
        std::vector<std::string_view>{"RENAME call OF visor_bird TO song", "ALTER TABLE \"visor_bird\" DROP COLUMN \"mark\""});
  // A process that resumes a migration recognizes the column under its later name.
  CHECK(steps[1].up[0].part == "column mark");
  CHECK(steps[1].up[0].later_parts == std::vector<std::string>{"column ring"});
  CHECK(steps[2].up[0].part == "column ring");
  CHECK(steps[2].up[0].later_parts.empty());
}

TEST_CASE("an index is made and dropped as the database can", "[sql]") {
  auto const steps = visor::sql::migrations_of<narrow_dialect, boost::mp11::mp_list<tree, leaf>>(versions);
  CHECK(steps[2].up[1].text == "CREATE INDEX \"visor_tree_felled\" ON \"visor_tree\" (\"id\")");
  CHECK(steps[2].down[0].text == "DROP INDEX \"visor_tree_felled\" ON \"visor_tree\"");
}

TEST_CASE("a checksum tells texts apart", "[sql]") {
  auto steps = chain();
  std::set<std::string> sums;
  for (auto const& step : steps) {
    CHECK(step.checksum().size() == 16);
    sums.insert(step.checksum());
  }
  CHECK(sums.size() == 3);
  // FNV-1a of the single byte 'a', from the published test vectors; ours ends every statement with ';'.
  CHECK(visor::sql::detail::fnv1a("a", 0xCBF29CE484222325) == 0xAF63DC4C8601EC8C);
  auto const before = steps[0].checksum();
  steps[0].up.pop_back();
  CHECK(steps[0].checksum() != before);
}

}  // namespace visor_test

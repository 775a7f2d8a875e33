#ifndef VISOR_TESTS_DRIVER_EXECUTE_MANY_HPP
#define VISOR_TESTS_DRIVER_EXECUTE_MANY_HPP

#include "visor/driver/driver.hpp"
#include "visor/sql/migration.hpp"

#include "support/catch.hpp"
#include "support/run.hpp"

#include <boost/asio/io_context.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

// Tests for every driver with many executions of one statement, in whatever way it makes them.
namespace visor_test {

struct entry {
  std::int64_t id = 0;
  std::optional<std::string> text;
  std::optional<visor::instant> at;
  std::optional<std::int64_t> number;
  bool flag = false;
  friend bool operator==(entry const&, entry const&) = default;
};
BOOST_DESCRIBE_STRUCT(entry, (), (id, text, at, number, flag))

}  // namespace visor_test

template <>
struct visor::sql::table<visor_test::entry> : visor::sql::table_defaults {
  static constexpr std::string_view name = "entry";
  static constexpr std::string_view key = "[id]";
};

namespace visor_test {

using insert_entry = visor::sql::insert<entry>;
using insert_new_entry = visor::sql::insert<entry, entry, true>;

struct all_entries : visor::sql::statement_defaults {
  static constexpr std::string_view name = "all_entries";
  using row = entry;
  using used = visor::sql::tables<entry>;
  static constexpr void write(auto& out) { out("SELECT {*} FROM {entry} ORDER BY [id]"); }
};

inline std::vector<entry> entries(std::int64_t first, std::int64_t last) {
  std::vector<entry> result;
  for (std::int64_t id = first; id <= last; ++id) result.push_back({id, std::to_string(id), std::nullopt, id, false});
  return result;
}

/// \tparam Driver of the database, which is empty
template <class Driver>
void check_execute_many(typename Driver::settings const& settings) {
  using session = typename Driver::session;
  using done = visor::async<session>;
  boost::asio::io_context io;
  typename Driver::database database(settings);
  run(io, database.open());
  auto const transact = [&](auto op) { run(io, database.transact(op)); };
  auto const stored = [&] {
    std::vector<entry> result;
    auto op = [&](session& on) -> done { result = co_await on.query(all_entries()); };
    run(io, database.read(op));
    return result;
  };
  transact([](session& on) -> done { co_await on.run(visor::sql::create_table_text<typename Driver::dialect, entry>); });
  using counts = std::vector<std::size_t>;

  SECTION("values come back as they were, also those that are missing, empty or long") {
    visor::instant const when{visor::duration{1'700'000'000'123'456}};
    visor::instant const early{visor::duration{-62'135'596'800'000'000}};
    std::vector<entry> many{{1, std::nullopt, when, std::nullopt, true},
                            {2, "", std::nullopt, -1, false},
                            {3, "it's \"quoted\", {braced},\\ NULL\n", early, std::numeric_limits<std::int64_t>::max(), true},
                            {4, std::string(400'000, 'x'), when, std::numeric_limits<std::int64_t>::min(), false},
                            {5, std::nullopt, std::nullopt, std::nullopt, false}};
    auto const more = entries(6, 1700);
    many.insert(many.end(), more.begin(), more.end());
    std::size_t sum = 0;
    counts affected(many.size());
    transact([&](session& on) -> done { sum = co_await on.execute_many(insert_entry(), many, affected); });
    CHECK(sum == many.size());
    CHECK(affected == counts(many.size(), 1));
    auto const found = stored();
    REQUIRE(found.size() == many.size());
    for (std::size_t i = 0; i < many.size(); ++i) {
      CAPTURE(i, found[i].text.value_or("none").substr(0, 60), found[i].number.value_or(0), found[i].flag);
      if (found[i].at) UNSCOPED_INFO(visor::to_string(*found[i].at));
      CHECK((found[i] == many[i]));
    }
  }

  SECTION("of those that are there already each is told, and what was written before stays") {
    transact([](session& on) -> done {
      auto const few = entries(3, 3);
      co_await on.post_many(insert_entry(), few);
    });
    auto many = entries(1, 600);
    many[9] = many[7];  // one that is there twice
    counts expected(many.size(), 1);
    expected[2] = expected[9] = 0;
    std::size_t sum = 0;
    counts affected(many.size(), 7);
    counts again(many.size(), 7);
    transact([&](session& on) -> done {
      entry const other{1000, "before", std::nullopt, std::nullopt, true};
      co_await on.post(insert_entry(), other);
      sum = co_await on.execute_many(insert_new_entry(), many, affected);
      co_await on.execute_many(insert_new_entry(), many, again);
    });
    CHECK(sum == many.size() - 2);
    CHECK(affected == expected);
    CHECK(again == counts(many.size(), 0));
    auto const found = stored();
    CHECK(found.size() == 600);  // all but the tenth, and the one before
    CHECK(found.back().text == "before");
  }

  if constexpr (requires(session& on, std::vector<entry> const& many) { on.copy(insert_entry(), many); }) {
    SECTION("what is copied is there at once, and goes with its transaction") {
      visor::instant const when{visor::duration{1'700'000'000'123'456}};
      visor::instant const before_all{visor::duration{-300'000'000'000'000'000}};
      std::vector<entry> many{{1, std::nullopt, when, std::nullopt, true},
                              {2, "", std::nullopt, -1, false},
                              {3, "\\. \t\\N it's\n", when, std::numeric_limits<std::int64_t>::max(), true}};
      for (std::size_t size = 1; size < 1'000'000; size = size * 3 + 1) many.push_back({0, std::string(size, 'x'), when, 1, false});
      for (std::size_t i = 0; i < 1000; ++i) many.push_back({0, std::string(i, 'y'), std::nullopt, std::nullopt, true});
      for (std::size_t i = 0; i < many.size(); ++i) many[i].id = static_cast<std::int64_t>(i) + 1;
      auto const failing = [&](std::vector<entry> const& wrong) -> visor::errc {
        try {
          transact([&](session& on) -> done {
            co_await on.copy(insert_entry(), wrong);
            co_await on.copy(insert_entry(), many);
          });
        } catch (visor::error const& thrown) {
          return thrown.portable_code();
        }
        return {};
      };
      auto wrong = many;
      wrong[900].at = before_all;
      CHECK(failing(wrong) == visor::errc::invalid_argument);
      wrong = many;
      wrong[900].id = 7;
      CHECK(failing(wrong) == visor::errc::unique_violation);
      CHECK(failing(many) == visor::errc::unique_violation);
      CHECK(stored().empty());
      std::size_t seen = 0;
      std::optional<entry> first;
      transact([&](session& on) -> done {
        entry const other{100'000, "before", std::nullopt, std::nullopt, true};
        co_await on.post(insert_entry(), other);
        auto asked = on.find(all_entries());
        co_await on.copy(insert_entry(), many);
        auto const found = co_await on.query(all_entries());
        seen = found.size();
        first = co_await std::move(asked);
        co_await on.copy(insert_entry(), std::span<entry const>());
        entry const last{100'001, "behind", std::nullopt, std::nullopt, true};
        co_await on.post(insert_entry(), last);
      });
      CHECK(seen == many.size() + 1);
      CHECK(first->id == 100'000);
      auto found = stored();
      REQUIRE(found.size() == many.size() + 2);
      CHECK(found.back().text == "behind");
      found.resize(many.size());
      CHECK((found == many));
      if constexpr (requires { database.statistics(); }) CHECK(database.statistics()->connected == 1);
    }
  }

  SECTION("one that must not be there takes the transaction with it") {
    auto many = entries(1, 40);
    many[39].id = 1;
    std::optional<visor::errc> failure;
    try {
      transact([&](session& on) -> done {
        counts affected(many.size());
        co_await on.execute_many(insert_entry(), many, affected);
      });
    } catch (visor::error const& thrown) {
      failure = thrown.portable_code();
    }
    CHECK(failure == visor::errc::unique_violation);
    failure.reset();
    try {
      transact([&](session& on) -> done { co_await on.post_many(insert_entry(), many); });
    } catch (visor::error const& thrown) {
      failure = thrown.portable_code();
    }
    CHECK(failure == visor::errc::unique_violation);
    CHECK(stored().empty());
  }

  SECTION("together they may be longer than any message") {
    auto many = entries(1, 60);
    for (auto& each : many) each.text = std::string(400'000, 'y');
    transact([&](session& on) -> done { co_await on.post_many(insert_entry(), many); });
    auto const found = stored();
    REQUIRE(found.size() == many.size());
    for (std::size_t i = 0; i < many.size(); ++i) {
      CAPTURE(i);
      CHECK(found[i].text->size() == many[i].text->size());
      CHECK((found[i] == many[i]));
    }
  }

  SECTION("questions that are asked together are answered each, also in another order") {
    auto const many = entries(1, 3);
    transact([&](session& on) -> done {
      co_await on.post_many(insert_entry(), many);
      auto first = on.query(all_entries());
      auto second = on.find(all_entries());
      auto third = on.query(all_entries());
      auto const found = co_await std::move(third);
      auto const one = co_await std::move(second);
      auto const same = co_await std::move(first);
      CHECK(found == many);
      CHECK(one == many[0]);
      CHECK(same == many);
    });
  }

  run(io, database.close());
}

}  // namespace visor_test

#endif

#include "visor/sql/codec.hpp"

#include "visor/base/error.hpp"

#include "support/catch.hpp"

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace visor_test {

BOOST_DEFINE_ENUM_CLASS(shape, round, square)

struct every_kind {
  std::int64_t big = 0;
  int small = 0;
  bool truth = false;
  std::string text;
  visor::instant when{};
  visor::duration length{};
  visor_test::shape shape = visor_test::shape::round;
  std::optional<std::string> maybe_text;
  std::optional<visor::instant> maybe_when;
  std::optional<visor_test::shape> maybe_shape;
  friend bool operator==(every_kind const&, every_kind const&) = default;
};
BOOST_DESCRIBE_STRUCT(every_kind, (), (big, small, truth, text, when, length, shape, maybe_text, maybe_when, maybe_shape))

struct narrow {
  int small = 0;
};
BOOST_DESCRIBE_STRUCT(narrow, (), (small))

namespace {

/// One row of a database of no kind.
struct row {
  using value = std::variant<std::monostate, std::int64_t, bool, visor::instant, std::string>;
  std::vector<value> values = std::vector<value>(10);
  void bind(int index, std::int32_t of) { at(index) = std::int64_t{of}; }
  void bind(int index, std::int64_t of) { at(index) = of; }
  void bind(int index, bool of) { at(index) = of; }
  void bind(int index, visor::instant of) { at(index) = of; }
  void bind(int index, std::string_view of) { at(index) = std::string(of); }
  void bind_null(int index) { at(index) = std::monostate(); }
  bool is_null(int column) const { return std::holds_alternative<std::monostate>(at(column)); }
  std::int64_t integer(int column) const { return std::get<std::int64_t>(at(column)); }
  bool boolean(int column) const { return std::get<bool>(at(column)); }
  visor::instant when(int column) const { return std::get<visor::instant>(at(column)); }
  std::string_view text(int column) const { return std::get<std::string>(at(column)); }
  value& at(int index) { return values.at(static_cast<std::size_t>(index)); }
  value const& at(int index) const { return values.at(static_cast<std::size_t>(index)); }
};

/// Names the members behind the placeholders, as a statement does: all of them, in their order.
template <class T>
struct in_order {
  static constexpr void write(auto& sink) {
    for (std::size_t i = 0; i < visor::sql::member_count<T>; ++i) sink.parameter(i);
  }
};

every_kind sample() {
  every_kind made;
  made.big = std::numeric_limits<std::int64_t>::min();
  made.small = -7;
  made.truth = true;
  made.text = "häß";
  made.when = visor::instant(visor::duration(-1));
  made.length = std::chrono::hours(26);
  made.shape = shape::square;
  return made;
}

template <class T>
T round_trip(T const& given) {
  row kept;
  visor::sql::bind_all<in_order<T>>(kept, given);
  T read;
  visor::sql::read_row(kept, read);
  return read;
}

}  // namespace

TEST_CASE("every kind of value comes back as it went", "[sql]") {
  auto made = sample();
  CHECK(round_trip(made) == made);
  made.maybe_text = "";
  made.maybe_when = visor::instant::max();
  made.maybe_shape = shape::round;
  CHECK(round_trip(made) == made);
}

TEST_CASE("enums are text, durations microseconds, none is NULL", "[sql]") {
  row kept;
  visor::sql::bind_all<in_order<every_kind>>(kept, sample());
  CHECK(kept.text(6) == "square");
  CHECK(kept.integer(5) == 26LL * 3600 * 1'000'000);
  CHECK(kept.is_null(7));
  CHECK(kept.is_null(9));
}

TEST_CASE("kinds follow from types", "[sql]") {
  using visor::sql::kind;
  static_assert(visor::sql::kind_of<int> == kind::integer);
  static_assert(visor::sql::kind_of<bool> == kind::boolean);
  static_assert(visor::sql::kind_of<std::optional<visor::instant>> == kind::instant);
  static_assert(visor::sql::kind_of<std::int64_t> == kind::bigint);
  static_assert(visor::sql::kind_of<visor::duration> == kind::bigint);
  static_assert(visor::sql::kind_of<shape> == kind::text);
  static_assert(visor::sql::kind_of<std::optional<std::string_view>> == kind::text);
  SUCCEED();
}

TEST_CASE("a stored value that the member cannot hold is refused by name", "[sql]") {
  row kept;
  visor::sql::bind_all<in_order<every_kind>>(kept, sample());
  kept.values[6] = std::string("oval");
  every_kind read;
  try {
    visor::sql::read_row(kept, read);
    FAIL("read");
  } catch (visor::error const& failure) {
    CHECK(failure.code() == visor::errc::corrupt);
    CHECK(std::string(failure.what()) == "column shape holds 'oval', which is none of its values");
  }
  row wide;
  wide.values[0] = std::int64_t{1} << 40;
  narrow small;
  CHECK_THROWS_AS(visor::sql::read_row(wide, small), visor::error);
}

}  // namespace visor_test

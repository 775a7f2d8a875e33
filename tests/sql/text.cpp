#include "visor/sql/constexpr_text.hpp"

#include "support/catch.hpp"

#include <string>

namespace {

struct greeting {
  static constexpr void write(auto& sink) {
    sink.text("hello ");
    sink.parameter(7);
    sink.text("world");
    sink.parameter(2);
  }
};

struct nothing {
  static constexpr void write(auto&) {}
};

}  // namespace

TEST_CASE("text is made while compiling, with the order of its parameters", "[sql]") {
  static_assert(visor::sql::text_of<greeting>.view() == "hello world");
  static_assert(visor::sql::text_of<greeting>.parameters.size() == 2);
  static_assert(visor::sql::text_of<greeting>.parameters[0] == 7);
  static_assert(visor::sql::text_of<greeting>.parameters[1] == 2);
  CHECK(std::string(visor::sql::text_of<greeting>.c_str()) == "hello world");
}

TEST_CASE("empty text still ends with a NUL", "[sql]") {
  CHECK(visor::sql::text_of<nothing>.view().empty());
  CHECK(*visor::sql::text_of<nothing>.c_str() == '\0');
}

TEST_CASE("text of one source is one object", "[sql]") {
  CHECK(static_cast<void const*>(visor::sql::text_of<greeting>.c_str()) == static_cast<void const*>(visor::sql::text_of<greeting>.c_str()));
}

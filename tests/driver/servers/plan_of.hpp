#ifndef VISOR_TESTS_DRIVER_SERVERS_PLAN_OF_HPP
#define VISOR_TESTS_DRIVER_SERVERS_PLAN_OF_HPP

#include "visor/base/time.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace visor_test {

/// The execution of a statement by a server.
struct plan {
  std::vector<std::string> whole;  ///< tables that it read without an index
  double read = 0;                 ///< rows of all tables and indexes, also those that it did not want
  double sorted = 0;               ///< rows
  std::string text;
};

/// The parameters of a statement as they are written in SQL.
/// \tparam Planner knows how instants are
template <class Planner>
class literals {
 public:
  explicit literals(Planner const&) {}

  void bind(int index, std::int32_t value) { bind(index, std::int64_t{value}); }
  void bind(int index, std::int64_t value) { at(index) = std::to_string(value); }
  void bind(int index, bool value) { at(index) = value ? "true" : "false"; }
  void bind(int index, visor::instant value) { at(index) = Planner::literal(value); }
  void bind(int index, std::string_view value) { at(index) = "'" + std::string(value) + "'"; }
  void bind_null(int index) { at(index) = "NULL"; }

  std::vector<std::string> const& all() const { return all_; }
  std::string joined() const {
    std::string result;
    for (auto const& each : all_) result += (result.empty() ? "" : ", ") + each;
    return result;
  }

 private:
  std::string& at(int index) {
    auto const position = static_cast<std::size_t>(index);
    if (position >= all_.size()) all_.resize(position + 1);
    return all_[position];
  }

  std::vector<std::string> all_;
};

}  // namespace visor_test

#endif

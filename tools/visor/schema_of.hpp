#ifndef VISOR_TOOLS_SCHEMA_OF_HPP
#define VISOR_TOOLS_SCHEMA_OF_HPP

#include "ask.hpp"
#include "drivers.hpp"

#include "visor/store/tables.hpp"

#include <boost/mp11/algorithm.hpp>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace visor_program {

/// The tables of one kind of store in a database.
template <class Store>
class schema_of final : public schema {
 public:
  explicit schema_of(typename Store::settings settings) : store_(std::move(settings)) {}
  ~schema_of() override { close_after_use(store_); }

  visor::schema_status status() override { return ask(store_.schema().status()); }
  std::vector<std::string> tables(int version) override {
    std::vector<std::string> names;
    if (version == 0) return names;
    using records = boost::mp11::mp_push_back<visor::all_records, visor::migration_record>;
    boost::mp11::mp_for_each<boost::mp11::mp_transform<boost::mp11::mp_identity, records>>(
        [&]<class Record>(boost::mp11::mp_identity<Record>) {
          using table = visor::sql::table<Record>;
          if (table::since <= version) names.push_back(std::string(visor::sql::table_prefix) + std::string(table::name));
        });
    std::ranges::sort(names);
    return names;
  }
  int migrate() override { return ask(store_.schema().migrate()); }
  int roll_back(int steps) override { return ask(store_.schema().rollback(steps)); }
  std::vector<std::string> validate() override { return ask(store_.schema().validate()); }
  void reset() override { ask(store_.schema().reset()); }

 private:
  Store store_;
};

}  // namespace visor_program

#endif

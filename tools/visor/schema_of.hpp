#ifndef VISOR_TOOLS_SCHEMA_OF_HPP
#define VISOR_TOOLS_SCHEMA_OF_HPP

#include "drivers.hpp"
#include "report.hpp"
#include "run_sync.hpp"

#include "visor/store/sql/tables.hpp"

#include <boost/mp11/algorithm.hpp>

#include <algorithm>
#include <iostream>
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

  visor::schema_status status() override { return run_sync(store_.schema().status()); }
  std::vector<std::string> tables(int version) override {
    std::vector<std::string> names;
    if (version == 0) return names;
    using records = boost::mp11::mp_push_back<visor::records_of<typename Store::dialect>, visor::migration_record>;
    boost::mp11::mp_for_each<boost::mp11::mp_transform<boost::mp11::mp_identity, records>>(
        [&]<class Record>(boost::mp11::mp_identity<Record>) {
          using definition = visor::sql::table<Record>;
          if (definition::since <= version) names.push_back(std::string(visor::sql::table_prefix) + std::string(definition::name));
        });
    std::ranges::sort(names);
    return names;
  }
  std::vector<visor::working_node> working_nodes() override { return run_sync(store_.schema().working_nodes()); }
  visor::node_claim claim_node(std::string const& holder) override { return run_sync(store_.schema().claim_node(holder)); }
  std::int64_t restored() override { return run_sync(store_.schema().restored()); }
  int migrate() override { return run_sync(store_.schema(&warn).migrate()); }
  int roll_back(int steps) override { return run_sync(store_.schema(&warn).rollback(steps)); }
  std::vector<std::string> validate() override { return run_sync(store_.schema().validate()); }
  void reset() override { run_sync(store_.schema(&warn).reset()); }

 private:
  static void warn(visor::log_level level, std::string_view line) {
    if (level >= visor::log_level::warning) std::cerr << "visor: warning: " << escaped(line) << '\n';
  }

  Store store_;
};

}  // namespace visor_program

#endif

#include "drivers.hpp"
#include "node_run.hpp"
#include "schema_of.hpp"

#include "visor/postgresql.hpp"

#include <libpq-fe.h>

namespace visor_program {
namespace {

using store = visor::postgresql_store<>;

visor::postgresql_settings settings_of(visor::settings const& from) { return driver_settings(visor::postgresql(), from.storage); }

}  // namespace

driver_entry const& postgresql_driver() {
  static driver_entry const entry{
      .name = visor::postgresql::name,
      .library =
          [] {
            int const version = ::PQlibVersion();
            return "libpq " + std::to_string(version / 10000) + "." + std::to_string(version % 10000);
          },
      .facts = {{"lasts", "yes"}, {"nodes", "1"}, {"tls", "yes"}},
      .place =
          [](visor::settings const& from) {
            auto const settings = settings_of(from);
            settings.check();
            return settings.url();
          },
      .probe =
          [](visor::settings const& from) {
            boost::asio::io_context context{1};
            return run_to_end(context, visor::postgresql_driver::probe(settings_of(from)));
          },
      .open = [](visor::settings const& from) -> std::unique_ptr<storage> {
        return std::make_unique<storage_of<store>>(settings_of(from));
      },
      .is_missing = nullptr,
      .tables = [](visor::settings const& from) -> std::unique_ptr<schema> {
        return std::make_unique<schema_of<store>>(settings_of(from));
      },
      .run =
          [](node_plan plan) {
            store kept{settings_of(plan.settings)};
            run_node(kept, std::move(plan));
          },
  };
  return entry;
}

}  // namespace visor_program

#include <visor/postgresql.hpp>

#include <iostream>

int main() {
  visor::postgresql_settings settings;
  settings.check();
  std::cout << "visor with libpq " << PQlibVersion() << " and " << settings.display_name() << "\n";
}

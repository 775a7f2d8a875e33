#include <visor/mssql.hpp>

#include <iostream>

int main() {
  visor::mssql_settings settings;
  settings.check();
  std::cout << "visor by the ODBC driver " << settings.odbc_driver << " to " << settings.display_name() << "\n";
}

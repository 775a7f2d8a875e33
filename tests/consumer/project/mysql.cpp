#include <visor/mysql.hpp>

#include <iostream>

int main() {
  visor::mysql_settings settings;
  settings.check();
  std::cout << "visor with MariaDB Connector/C " << mysql_get_client_info() << " and " << settings.display_name() << "\n";
}

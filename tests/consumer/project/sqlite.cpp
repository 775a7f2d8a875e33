#include <visor/sqlite.hpp>

#include <sqlite3.h>

#include <iostream>

int main() {
  visor::sqlite_settings settings;
  settings.check();
  std::cout << "visor with SQLite " << sqlite3_libversion() << " and the file " << settings.filename << "\n";
}

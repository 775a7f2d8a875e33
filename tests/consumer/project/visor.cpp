#include <visor/base/time.hpp>
#include <visor/version.hpp>

#include <iostream>

int main() {
  auto const when = visor::parse_instant("2026-11-21T14:00:00Z");
  if (!when || visor::to_string(*when) != "2026-11-21T14:00:00Z") return 1;
  std::cout << "visor " << visor::version_text << "\n";
}

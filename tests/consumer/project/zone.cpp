#include <visor/zone.hpp>

#include <iostream>

int main() {
  auto const berlin = visor::zone("Europe/Berlin");
  std::cout << "visor with the zone " << berlin.name() << "\n";
}

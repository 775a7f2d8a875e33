#include <visor/memory.hpp>

#include <iostream>

int main() {
  visor::memory_store store;
  std::cout << "visor with the store " << visor::memory::name << "\n";
}

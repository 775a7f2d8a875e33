// Tries seeds until one of them finds something: `seeds FIRST COUNT`. The exit code is 1 when one did. Without a test framework, since
// scripts/mutants compiles it each time.

#include "simulation/checker.hpp"

#include <cstdlib>
#include <iostream>

int main(int count, char** arguments) {
  if (count != 3) return 2;
  auto const last = std::strtoull(arguments[1], nullptr, 10) + std::strtoull(arguments[2], nullptr, 10);
  for (auto seed = std::strtoull(arguments[1], nullptr, 10); seed < last; ++seed) {
    auto const found = visor_test::try_seed(seed);
    if (found.problems.empty()) continue;
    std::cout << "seed " << seed << ": " << found.problems.size() << " problems, the first: " << found.problems.front() << std::endl;
    return 1;
  }
  std::cout << arguments[2] << " seeds, and nothing is wrong with any" << std::endl;
  return 0;
}
